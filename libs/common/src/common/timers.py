"""Due work: timers of single aggregates, and periodic work of a whole service. Several processes may run both.

A timer's row is not locked while it fires, since use cases lock the aggregate first and then its timer; a claim by
advisory lock stands beside both orders. The row goes last, and only if nobody has set it anew meanwhile.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from opentelemetry import metrics
from sqlalchemy import text

from common.answering import is_answering
from common.database import Database
from common.errors import Unavailable
from common.transaction import Origin, Transaction

_log = logging.getLogger(__name__)
_EVERY_S = 0.2
_PAGE = 200
_FIRST_RETRY = timedelta(seconds=10)
_LAST_RETRY = timedelta(hours=1)
_PERIODIC_RETRY = timedelta(minutes=1)

_meter = metrics.get_meter("frontline.timers")
_fired = _meter.create_counter("frontline.timers.fired", "{timer}", "timers that did their work, by kind")
_failed = _meter.create_counter("frontline.timers.failed", "{timer}", "timers whose work raised, by kind")
_lateness = _meter.create_histogram("frontline.timers.lateness", "s", "how long after its due time a timer fired")

_SET = text(
    """
    insert into timer (kind, aggregate_id, generation, due_at)
    select :kind, given.* from unnest(
      cast(:ids as uuid[]), cast(:generations as bigint[]), cast(:due as timestamptz[])
    ) as given (aggregate_id, generation, due_at)
    order by aggregate_id
    on conflict (kind, aggregate_id) do update
    set generation = excluded.generation, due_at = excluded.due_at, attempts = 0
    """
)
# Locked in the order of ids, as `_SET` does, so that two transactions cannot wait for each other.
_CLEAR = text(
    """
    delete from timer where kind = :kind and aggregate_id in (
      select aggregate_id from timer where kind = :kind and aggregate_id = any(cast(:ids as uuid[]))
      order by aggregate_id for update
    )
    """
)
# Rows that somebody has locked are passed over: their order among the locks of this transaction would be the last,
# whatever it holds already, so two transactions that hasten what the other one has set would wait for each other.
_HASTEN = text(
    """
    update timer set due_at = :now where kind = :kind and aggregate_id in (
      select aggregate_id from timer
      where kind = :kind and aggregate_id = any(cast(:ids as uuid[])) and due_at > :now
      order by aggregate_id for update skip locked
    )
    """
)
_DUE = text(
    """
    select kind, aggregate_id, due_at from timer
    where kind = any(cast(:kinds as text[])) and due_at <= :now order by due_at limit :limit
    """
)
# The key of the lock is a hash: a collision makes one of two timers wait for the next round, no more.
_CLAIM = text("select pg_try_advisory_xact_lock(hashtextextended(:kind || '/' || cast(cast(:id as uuid) as text), 0))")
_STILL_DUE = text(
    """
    select generation, due_at, attempts from timer where kind = :kind and aggregate_id = :id and due_at <= :now
    """
)
_DONE = text(
    """
    delete from timer
    where kind = :kind and aggregate_id = :id and generation = :generation and due_at = :due_at
    """
)
_POSTPONE = text(
    """
    update timer set attempts = attempts + 1,
      due_at = cast(:now as timestamptz) + least(cast(:first as interval) * power(2, least(attempts, 20)), :last)
    where kind = :kind and aggregate_id = :id and due_at <= :now
    """
)
_NOT_DUE = text("select name from periodic where name = any(cast(:names as text[])) and due_at > :now")
_ADD_PERIODIC = text("insert into periodic (name, due_at) values (:name, :now) on conflict do nothing")
_CLAIM_PERIODIC = text("select 1 from periodic where name = :name and due_at <= :now for update skip locked")
_SET_PERIODIC = text("update periodic set due_at = :due where name = :name")


@dataclass(frozen=True, kw_only=True)
class Timer:
    """What happens when a timer of one kind is due.

    Attributes:
        kind: for instance "offer_expiry".
        fire: gets (transaction, aggregate id, generation) in a short transaction of its own. It locks and re-reads
            the aggregate and does nothing where its generation has moved on: a timer may fire late, or twice.
    """

    kind: str
    fire: Callable[[Transaction, UUID, int], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Periodic:
    """Work that returns, done by one process at a time, `every` after its last end, in one transaction."""

    name: str
    every: timedelta
    run: Callable[[Transaction], Awaitable[None]]


async def set_timers(tx: Transaction, kind: str, rows: Sequence[tuple[UUID, int, datetime]]) -> None:
    """Set each aggregate's timer of this kind, replacing one that is set. Lock the aggregates first.

    Args:
        rows: (aggregate id, generation, due time), at most one for each aggregate.
    """
    if rows:
        ids, generations, due = zip(*rows, strict=True)
        await tx.connection.execute(
            _SET, {"kind": kind, "ids": list(ids), "generations": list(generations), "due": list(due)}
        )


async def clear_timers(tx: Transaction, kind: str, aggregate_ids: Sequence[UUID]) -> None:
    """Remove timers of this kind; those that are not set are no error. Lock the aggregates first."""
    if aggregate_ids:
        await tx.connection.execute(_CLEAR, {"kind": kind, "ids": list(aggregate_ids)})


async def hasten_timers(tx: Transaction, kind: str, aggregate_ids: Sequence[UUID]) -> None:
    """Let timers of this kind be due now, their generation unchanged; those that are not set stay so.

    For aggregates that are not locked: they are looked at when the timer fires. A timer that somebody else sets, clears
    or ends at this moment stays as they leave it, so this is for what would be looked at soon in any case.
    """
    if aggregate_ids:
        await tx.connection.execute(_HASTEN, {"kind": kind, "ids": list(aggregate_ids), "now": tx.now})


async def run_timers(
    *,
    database: Database,
    service: str,
    timers: Sequence[Timer],
    periodic: Sequence[Periodic],
    beat: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """Fire what is due until `stop` is set. What fails is logged and tried again later, and holds up nothing else."""
    while not stop.is_set():
        beat()
        try:
            busy = await fire_due(database, service=service, timers=timers, beat=beat) == _PAGE
            for work in await _list_due_periodic(database, periodic):
                await run_due(database, service=service, work=work)
                beat()
        except Unavailable as absent:
            _log.warning("the timers wait", extra={"cause": absent.detail})
            busy = False
        if not busy:
            await _pause(stop)


async def fire_due(
    database: Database, *, service: str, timers: Sequence[Timer], beat: Callable[[], None] = lambda: None
) -> int:
    """Fire the timers that are due, earliest first, each in a transaction of its own; returns how many were found.

    Raises:
        Unavailable: the database is away; those not fired stay due.
    """
    if not timers:
        return 0
    kinds = {timer.kind: timer for timer in timers}
    async with database.read() as connection:
        now = database.clock.now()
        due = (await connection.execute(_DUE, {"kinds": list(kinds), "now": now, "limit": _PAGE})).all()
    for kind, aggregate_id, due_at in due:
        beat()
        key = {"kind": kind, "id": aggregate_id}
        try:
            if await _fire(database, kinds[kind], aggregate_id, service=service):
                _fired.add(1, {"kind": kind})
                _lateness.record((now - due_at).total_seconds(), {"kind": kind})
        except Unavailable as trouble:
            # Where the database answers, a lock or a deadlock concerns this one alone; it stays due.
            if not await is_answering(database):
                raise
            _log.warning("timer %s of %s waits", kind, aggregate_id, extra={"cause": trouble.detail})
        except Exception:
            _log.exception("timer %s of %s failed", kind, aggregate_id)
            _failed.add(1, {"kind": kind})
            async with database.begin(Origin(actor=f"service:{service}")) as tx:
                retry = {"now": tx.now, "first": _FIRST_RETRY, "last": _LAST_RETRY}
                await tx.connection.execute(_POSTPONE, key | retry)
    return len(due)


async def run_due(database: Database, *, service: str, work: Periodic) -> bool:
    """Run periodic work if it is due and nobody else is at it; returns whether it ran and succeeded.

    Work that meets a lock or takes too long stays due.

    Raises:
        Unavailable: the database is away.
    """
    origin = Origin(actor=f"service:{service}")
    try:
        async with database.begin(origin) as tx:
            await tx.connection.execute(_ADD_PERIODIC, {"name": work.name, "now": tx.now})
            claim = await tx.connection.execute(_CLAIM_PERIODIC, {"name": work.name, "now": tx.now})
            if claim.one_or_none() is None:
                return False
            await work.run(tx)
            await tx.connection.execute(_SET_PERIODIC, {"name": work.name, "due": tx.now + work.every})
    except Unavailable as trouble:
        if not await is_answering(database):
            raise
        _log.warning("periodic work %s waits", work.name, extra={"cause": trouble.detail})
        return False
    except Exception:
        _log.exception("periodic work %s failed", work.name)
        _failed.add(1, {"kind": work.name})
        async with database.begin(origin) as tx:
            due = tx.now + min(work.every, _PERIODIC_RETRY)
            await tx.connection.execute(_SET_PERIODIC, {"name": work.name, "due": due})
        return False
    return True


async def _list_due_periodic(database: Database, periodic: Sequence[Periodic]) -> list[Periodic]:
    """Those that may be due; whoever claims one looks again."""
    if not periodic:
        return []
    names = [work.name for work in periodic]
    async with database.read() as connection:
        found = await connection.scalars(_NOT_DUE, {"names": names, "now": database.clock.now()})
    not_due = set(found)
    return [work for work in periodic if work.name not in not_due]


async def _fire(database: Database, timer: Timer, aggregate_id: UUID, *, service: str) -> bool:
    """Fire one timer if it is still due and nobody else is at it."""
    key = {"kind": timer.kind, "id": aggregate_id}
    async with database.begin(Origin(actor=f"service:{service}")) as tx:
        if not (await tx.connection.execute(_CLAIM, key)).scalar_one():
            return False
        due = (await tx.connection.execute(_STILL_DUE, key | {"now": tx.now})).one_or_none()
        if due is None:
            return False
        await timer.fire(tx, aggregate_id, due.generation)
        await tx.connection.execute(_DONE, key | {"generation": due.generation, "due_at": due.due_at})
    return True


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_EVERY_S):
            await stop.wait()
    except TimeoutError:
        return
