"""Due work: timers of single aggregates, and periodic work of a whole service. Several processes may run both."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from common.transaction import Transaction

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
