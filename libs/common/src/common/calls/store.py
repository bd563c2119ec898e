"""All SQL of calls. Due times run by `common.clock`; leases, which several processes compare, by the database's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from common.calls.call import LIFE, Call
from common.transaction import Origin, Transaction

_ADD = text(
    """
    insert into outgoing_call
      (call_id, kind, aggregate_id, service, method, path, body, actor, if_match, attempts, due_at, give_up_at,
       correlation_id, causation_id, traceparent)
    select call_id, kind, aggregate_id, service, method, path, body, actor, if_match, 0, :now, give_up_at,
      :correlation_id, :causation_id, :traceparent
    from jsonb_populate_recordset(null::outgoing_call, cast(:rows as jsonb)) order by call_id
    on conflict (call_id) do nothing
    """
)
# A lease that has ended is a crash: nobody is at it, though the other side may have done it.
_CANCEL = text(
    """
    delete from outgoing_call where call_id in (
      select call_id from outgoing_call
      where kind = :kind and aggregate_id = any(cast(:ids as uuid[]))
        and (lease_until is null or lease_until < clock_timestamp())
      order by call_id for update
    )
    """
)
_CLAIM = text(
    """
    update outgoing_call as call
    set lease_until = clock_timestamp() + :lease, lease_holder = :holder, attempts = call.attempts + 1
    from unnest(cast(:services as text[]), cast(:limits as int[])) as peer (service, room)
    cross join lateral (
      select call_id from outgoing_call
      where service = peer.service and kind = any(cast(:kinds as text[])) and due_at <= :now
        and (lease_until is null or lease_until < clock_timestamp())
      order by due_at limit peer.room for update skip locked
    ) as due
    where call.call_id = due.call_id
    returning call.*
    """
).columns(body=JSONB)
_LOCK = text("select 1 from outgoing_call where call_id = :id and lease_holder = :holder for update")
_DELETE = text("delete from outgoing_call where call_id = :id")
_POSTPONE = text(
    """
    update outgoing_call set due_at = :due_at, lease_until = null, lease_holder = null
    where call_id = :id and lease_holder = :holder
    """
)
_AGES = text(
    "select service, min(due_at) as due_at from outgoing_call where due_at <= :now group by service",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A call that is ours until its lease ends: `holder` proves it. `attempt` is the one that begins now.

    `asked` is when, by the monotonic clock of this process, the lease had not yet begun.
    """

    call: Call
    attempt: int
    give_up_at: datetime
    holder: UUID
    origin: Origin
    asked: float

    @property
    def lane(self) -> str:
        """Whom it is for: one service's trouble is not another's."""
        return self.call.service


async def add_calls(tx: Transaction, calls: Sequence[Call]) -> None:
    """Write down commands to other services; they are sent soon after this transaction. A known id changes nothing."""
    if not calls:
        return
    rows = [
        {
            "call_id": call.call_id,
            "kind": call.kind,
            "aggregate_id": call.aggregate_id,
            "service": call.service,
            "method": call.method,
            "path": call.path,
            "body": call.body,
            "actor": call.actor,
            "if_match": call.if_match,
            "give_up_at": call.give_up_at or tx.now + LIFE,
        }
        for call in calls
    ]
    values = {
        "rows": msgspec.json.encode(rows).decode(),
        "now": tx.now,
        "correlation_id": tx.origin.correlation_id,
        "causation_id": tx.origin.causation_id,
        "traceparent": tx.origin.traceparent,
    }
    await tx.connection.execute(_ADD, values)


async def cancel_calls(tx: Transaction, kind: str, aggregate_ids: Sequence[UUID]) -> None:
    """Take back the calls of a kind about these aggregates, but for those that are under way."""
    if aggregate_ids:
        await tx.connection.execute(_CANCEL, {"kind": kind, "ids": list(aggregate_ids)})


async def claim_calls(
    tx: Transaction, *, room: Mapping[str, int], kinds: Sequence[str], holder: UUID, lease: timedelta, asked: float
) -> list[Claimed]:
    """Take what is due and nobody is at, first due first.

    Args:
        room: how many at most, by service.
        holder: a new id for each claim.
        asked: see `Claimed`.
    """
    values = {
        "services": list(room),
        "limits": list(room.values()),
        "kinds": list(kinds),
        "now": tx.now,
        "holder": holder,
        "lease": lease,
    }
    rows = await tx.connection.execute(_CLAIM, values)
    return [_read(row, tx.origin.actor, asked) for row in rows]


async def lock_claimed(tx: Transaction, claimed: Claimed) -> bool:
    """Lock the call; False where the lease ended and somebody else took it, or settled it."""
    found = await tx.connection.execute(_LOCK, {"id": claimed.call.call_id, "holder": claimed.holder})
    return found.one_or_none() is not None


async def delete_call(tx: Transaction, call_id: UUID) -> None:
    """Forget a settled call: its body may hold a secret."""
    await tx.connection.execute(_DELETE, {"id": call_id})


async def postpone_call(tx: Transaction, claimed: Claimed, *, due_at: datetime) -> None:
    """Give the lease back and try again at `due_at`."""
    await tx.connection.execute(_POSTPONE, {"id": claimed.call.call_id, "holder": claimed.holder, "due_at": due_at})


async def list_ages(connection: AsyncConnection, *, now: datetime) -> dict[str, float]:
    """By service, for how many seconds its oldest call has been due. Services without one are left out."""
    rows = await connection.execute(_AGES, {"now": now})
    return {row.service: (now - row.due_at).total_seconds() for row in rows}


def _read(row: Row[Any], actor: str, asked: float) -> Claimed:
    call = Call(
        call_id=row.call_id,
        kind=row.kind,
        aggregate_id=row.aggregate_id,
        service=row.service,
        method=row.method,
        path=row.path,
        body=row.body,
        actor=row.actor,
        if_match=row.if_match,
        give_up_at=row.give_up_at,
    )
    origin = Origin(
        actor=actor,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
        traceparent=row.traceparent,
    )
    return Claimed(
        call=call,
        attempt=row.attempts,
        give_up_at=row.give_up_at,
        holder=row.lease_holder,
        origin=origin,
        asked=asked,
    )
