"""Trying parked subjects again: the same handlers, in order, in one transaction, after growing waits, then held."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from common.backbone import metrics
from common.backbone.applying import dispatch
from common.backbone.consumer import Handler
from common.backbone.decoding import decode_record
from common.backbone.inbox_store import PostgresInbox
from common.backbone.protocols import Cursor, Delivery, Due, InboxStore, ParkedRecord, Parking, Place
from common.backbone.walk import find_fault, is_repeat
from common.database import Database
from common.errors import Unavailable
from common.transaction import Transaction

_log = logging.getLogger(__name__)
_WAITS = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
"""After the first, second and third failed redrive; the first of all comes 30 s after parking. Then it is held."""
_BUSY_WAIT = timedelta(seconds=10)
_PAGE = 50
"""Events of one transaction: each takes a savepoint, see `applying`."""
_EVERY_S = 1.0


async def run_redrive(
    *,
    database: Database,
    service: str,
    handlers: Sequence[Handler],
    beat: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Redrive whatever is due until `stop` is set. Several processes may run it: one takes each subject at a time."""
    await redrive_events(PostgresInbox(database, service=service), handlers, beat=beat, stop=stop)


async def redrive_events(
    store: InboxStore, handlers: Sequence[Handler], *, beat: Callable[[], None], stop: asyncio.Event
) -> None:
    """`run_redrive` over any store."""
    while not stop.is_set():
        beat()
        try:
            found = await redrive_next(store, handlers)
            if not found:
                metrics.parked.set(await store.count_parked())
        except Unavailable as absent:
            _log.warning("the redrive waits", extra={"cause": absent.detail})
            found = False
        if not found:
            await _pause(stop)


async def redrive_next(store: InboxStore, handlers: Sequence[Handler]) -> bool:
    """Try the parked subject that is due first. False where none is.

    One that meets a lock or takes too long goes a little to the back, so that it holds up no other.

    Raises:
        Unavailable: the database is away; nothing was written; try again later.
    """
    due: Due | None = None
    try:
        async with store.begin() as tx:
            due = await store.claim_due(tx)
            if due is None:
                return False
            done = await _redrive(tx, store, handlers, due)
    except Unavailable as trouble:
        if due is None or not await store.is_answering():
            raise
        _log.warning("redrive of %s %s waits", *due.stream, extra={"cause": trouble.detail})
        async with store.begin() as tx:
            await store.retry_at(tx, due.stream, tx.now + _BUSY_WAIT)
        return True
    metrics.redriven.add(done)
    return True


async def _redrive(tx: Transaction, store: InboxStore, handlers: Sequence[Handler], due: Due) -> int:
    """Apply a page of what waits; returns how many events are done with."""
    stream = due.stream
    cursor = (await store.list_cursors(tx, [stream])).get(stream)
    kept = await store.list_kept(tx, stream, _PAGE)
    late_starters = await store.list_late_starters(tx)
    done, cursor, failure = await _apply_in_order(tx, store, handlers, kept, cursor, late_starters)
    await store.remove_kept(tx, kept[:done])
    if cursor is not None:
        await store.save_cursors(tx, {stream: cursor})
    metrics.redrives.add(1, {"outcome": failure.reason if failure else "done"})
    if failure is not None:
        await _put_off(tx, store, failure, attempts=0 if done else due.attempts)
    elif len(kept) == _PAGE:
        await store.retry_at(tx, stream, tx.now)
    else:
        await store.release(tx, stream)
        _log.info("redriven %s %s", *stream)
    return done


async def _apply_in_order(
    tx: Transaction,
    store: InboxStore,
    handlers: Sequence[Handler],
    kept: Sequence[ParkedRecord],
    cursor: Cursor | None,
    late_starters: Collection[Place],
) -> tuple[int, Cursor | None, Parking | None]:
    """(how many are done with, where the stream stands, why the next one is not)."""
    for done, parked in enumerate(kept):
        stream = parked.stream
        item = decode_record(parked.record, {parked.record.place.topic: stream[0]})
        if not isinstance(item, Delivery):
            return done, cursor, Parking(stream=stream, reason="undecodable", error=item.error)
        if is_repeat(item, cursor):
            continue
        fault = find_fault(item, cursor, late_starters)
        if fault is not None:
            return done, cursor, Parking(stream=stream, reason=fault[0], error=fault[1])
        try:
            async with store.savepoint(tx):
                await dispatch(tx, handlers, [item.event])
        except Unavailable:
            raise
        except Exception as error:
            _log.exception("redrive of %s %s failed at %d", *stream, item.event.seq)
            return done, cursor, Parking(stream=stream, reason="failed", error=f"{type(error).__name__}: {error}")
        cursor = Cursor(item.event.seq, item.event.id)
    return len(kept), cursor, None


async def _put_off(tx: Transaction, store: InboxStore, failure: Parking, *, attempts: int) -> None:
    """Wait longer each time, then for somebody who acts. Progress begins the back-off anew."""
    next_attempt_at = tx.now + _WAITS[attempts] if attempts < len(_WAITS) else None
    await store.settle(tx, failure, attempts=attempts + 1, next_attempt_at=next_attempt_at)


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_EVERY_S):
            await stop.wait()
    except TimeoutError:
        return
