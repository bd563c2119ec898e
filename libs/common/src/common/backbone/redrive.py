"""Trying parked subjects again: the same handlers, in order, in one transaction, after growing waits, then held."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import text

from common.answering import is_answering
from common.backbone import metrics
from common.backbone.applying import run_one
from common.backbone.consumer import Handler
from common.backbone.decoding import decode_record
from common.backbone.inbox_store import PostgresInbox
from common.backbone.parking import ParkedEvent, list_events, remove_events
from common.backbone.protocols import Cursor, Delivery, Place, Stream
from common.backbone.walk import find_fault, is_repeat
from common.database import Database, foreign_errors
from common.errors import Unavailable
from common.transaction import Origin, Transaction

_log = logging.getLogger(__name__)
_WAITS = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
"""After the first, second and third failed redrive; the first of all comes 30 s after parking. Then it is held."""
_BUSY_WAIT = timedelta(seconds=10)
_PAGE = 50
"""Events of one transaction: each takes a savepoint, see `applying`."""
_EVERY_S = 1.0

_CLAIM = text(
    """
    select source, subject, attempts from parked_subject where next_attempt_at <= :now
    order by next_attempt_at, source, subject limit 1 for update skip locked
    """
)
_SETTLE = text(
    """
    update parked_subject set attempts = :attempts, next_attempt_at = :next, reason = :reason, error = :error
    where source = :source and subject = :subject
    """
)
_CONTINUE = text("update parked_subject set next_attempt_at = :now where source = :source and subject = :subject")
_RELEASE = text("delete from parked_subject where source = :source and subject = :subject")
_LATE_STARTERS = text("select topic, partition from consumer_offset where bootstrap")
_PARKED = text("select count(*) from parked_subject")


class _Failure(NamedTuple):
    reason: str
    error: str


async def run_redrive(
    *,
    database: Database,
    service: str,
    handlers: Sequence[Handler],
    beat: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Redrive whatever is due until `stop` is set. Several processes may run it: one takes each subject at a time."""
    while not stop.is_set():
        beat()
        try:
            found = await redrive_next(database, service=service, handlers=handlers)
            if not found:
                async with database.read() as connection:
                    metrics.parked.set((await connection.execute(_PARKED)).scalar_one())
        except Unavailable as absent:
            _log.warning("the redrive waits", extra={"cause": absent.detail})
            found = False
        if not found:
            await _pause(stop)


async def redrive_next(database: Database, *, service: str, handlers: Sequence[Handler]) -> bool:
    """Try the parked subject that is due first. False where none is.

    One that meets a lock or takes too long goes a little to the back, so that it holds up no other.

    Raises:
        Unavailable: the database is away; nothing was written; try again later.
    """
    stream: Stream | None = None
    origin = Origin(actor=f"service:{service}")
    try:
        async with database.begin(origin) as tx:
            due = (await tx.connection.execute(_CLAIM, {"now": tx.now})).one_or_none()
            if due is None:
                return False
            stream = (due.source, due.subject)
            done = await _redrive(tx, database, handlers, stream, service=service, attempts=due.attempts)
    except Unavailable as trouble:
        if stream is None or not await is_answering(database):
            raise
        _log.warning("redrive of %s %s waits", *stream, extra={"cause": trouble.detail})
        async with database.begin(origin) as tx:
            values = {"source": stream[0], "subject": stream[1], "now": tx.now + _BUSY_WAIT}
            await tx.connection.execute(_CONTINUE, values)
        return True
    metrics.redriven.add(done)
    return True


async def _redrive(
    tx: Transaction, database: Database, handlers: Sequence[Handler], stream: Stream, *, service: str, attempts: int
) -> int:
    """Apply a page of what waits; returns how many events are done with."""
    store = PostgresInbox(database, service=service)
    cursor = (await store.list_cursors(tx, [stream])).get(stream)
    events = await list_events(tx.connection, source=stream[0], subject=stream[1], limit=_PAGE)
    late_starters = await _list_late_starters(tx)
    done, cursor, failure = await _apply_in_order(tx, database, handlers, stream, events, cursor, late_starters)
    await remove_events(tx, events[:done])
    if cursor is not None:
        await store.save_cursors(tx, {stream: cursor})
    await _settle(tx, stream, failure, attempts=0 if done else attempts, more=len(events) == _PAGE)
    return done


async def _list_late_starters(tx: Transaction) -> set[Place]:
    """Partitions read in bootstrap mode, as the consumer knows them: see `walk.plan_batch`."""
    return {Place(topic, partition) for topic, partition in await tx.connection.execute(_LATE_STARTERS)}


async def _apply_in_order(
    tx: Transaction,
    database: Database,
    handlers: Sequence[Handler],
    stream: Stream,
    events: Sequence[ParkedEvent],
    cursor: Cursor | None,
    late_starters: Collection[Place],
) -> tuple[int, Cursor | None, _Failure | None]:
    """(how many are done with, where the stream stands, why the next one is not)."""
    for done, parked in enumerate(events):
        item = decode_record(parked.record, {parked.record.place.topic: stream[0]})
        if not isinstance(item, Delivery):
            return done, cursor, _Failure("undecodable", item.error)
        if is_repeat(item, cursor):
            continue
        fault = find_fault(item, cursor, late_starters)
        if fault is not None:
            return done, cursor, _Failure(*fault)
        try:
            with foreign_errors():
                await run_one(tx, handlers, [item.event], source=database.source)
        except Unavailable:
            raise
        except Exception as error:
            _log.exception("redrive of %s %s failed at %d", *stream, item.event.seq)
            return done, cursor, _Failure("failed", f"{type(error).__name__}: {error}")
        cursor = Cursor(item.event.seq, item.event.id)
    return len(events), cursor, None


async def _settle(tx: Transaction, stream: Stream, failure: _Failure | None, *, attempts: int, more: bool) -> None:
    """Free the subject, go on with it at once, or wait longer. Progress begins the back-off anew."""
    values: dict[str, object] = {"source": stream[0], "subject": stream[1]}
    if failure is None and more:
        await tx.connection.execute(_CONTINUE, {**values, "now": tx.now})
    elif failure is None:
        await tx.connection.execute(_RELEASE, values)
        _log.info("redriven %s %s", *stream)
    else:
        wait = _WAITS[attempts] if attempts < len(_WAITS) else None
        values |= {"attempts": attempts + 1, "next": tx.now + wait if wait else None, **failure._asdict()}
        await tx.connection.execute(_SETTLE, values)


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_EVERY_S):
            await stop.wait()
    except TimeoutError:
        return
