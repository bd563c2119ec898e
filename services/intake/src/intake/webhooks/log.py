"""All SQL of the log of deliveries, and of what operators watch."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Transaction
from intake.webhooks.domain import PING, PING_KIND, Delivery, DeliveryState

_LIST = """
    select event_id, position, source, subject, seq, type, state, attempts, last_status, error, created_at,
      last_attempt_at, next_attempt_at, delivered_at
    from webhook_delivery where endpoint_id = :endpoint_id {conditions} order by position desc limit :limit
"""
_STATES = {
    DeliveryState.WAITING: "and state = 'pending' and attempts = 0",
    DeliveryState.RETRYING: "and state = 'pending' and attempts > 0",
    DeliveryState.DELIVERED: "and state = 'delivered'",
}
# Of ours, what an endpoint still waits for stays: its feed has passed it, and would not come back for it. Of others',
# it stays as long behind the endpoint's last change, which being disabled and enabled are: a receiver that is mended in
# time gets all that waits. Tests that wait are nobody's loss.
_PRUNE = text(
    """
    delete from webhook_delivery where (endpoint_id, event_id) in (
      select endpoint_id, event_id from webhook_delivery d where created_at < :before and (
        state = 'delivered' or type = :ping or not exists (
          select from webhook_endpoint e
          where e.endpoint_id = d.endpoint_id and (d.source = :own or e.updated_at >= :before)
        )
      )
      order by created_at limit :limit for update skip locked
    )
    """
)
_PRUNE_LINES = text(
    """
    delete from webhook_line where not exists (
      select from webhook_endpoint e where e.endpoint_id = webhook_line.endpoint_id
    )
    """
)
# One that fails gets a single place: what it has due waits because of its receiver.
_LONGEST_DUE = text(
    """
    select min(l.due_at) from webhook_line l join webhook_endpoint e using (endpoint_id)
    where e.disabled_at is null and e.failing_since is null and l.due_at <= :now
    """
)
# By its subject, which stands in the index of what waits.
_WAITING_PING = text(
    """
    select 1 from webhook_delivery
    where endpoint_id = :endpoint_id and state = 'pending' and starts_with(subject, :prefix) limit 1
    """
)
_COUNT_ENDPOINTS = text(
    """
    select count(*), count(disabled_at), count(*) filter (where failing_since is not null and disabled_at is null)
    from webhook_endpoint
    """
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """What operators watch. `due_since` is when the post became due that waits longest of those to endpoints that do
    not fail."""

    due_since: datetime | None
    enabled: int
    disabled: int
    failing: int


async def list_deliveries(
    connection: AsyncConnection,
    endpoint_id: UUID,
    *,
    state: DeliveryState | None,
    subject: str,
    before: int | None,
    limit: int,
) -> list[Delivery]:
    """An endpoint's deliveries, the last put into a line first, that fit every filter given.

    Args:
        before: positions below this one alone; None begins with the last.
    """
    conditions = [_STATES[state]] if state else []
    conditions += ["and subject = :subject"] if subject else []
    conditions += ["and position < :before"] if before is not None else []
    values = {"endpoint_id": endpoint_id, "subject": subject, "before": before, "limit": limit}
    rows = await connection.execute(text(_LIST.format(conditions=" ".join(conditions))), values)
    return [_delivery(row) for row in rows.mappings()]


async def find_delivery(connection: AsyncConnection, endpoint_id: UUID, event_id: UUID) -> Delivery | None:
    """One delivery; None where the log has none."""
    values = {"endpoint_id": endpoint_id, "event_id": event_id, "limit": 1}
    found = await connection.execute(text(_LIST.format(conditions="and event_id = :event_id")), values)
    row = found.mappings().one_or_none()
    return None if row is None else _delivery(row)


async def has_waiting_ping(connection: AsyncConnection, endpoint_id: UUID) -> bool:
    """Whether a test of the endpoint was not yet taken."""
    values = {"endpoint_id": endpoint_id, "prefix": f"{PING_KIND}/"}
    return (await connection.execute(_WAITING_PING, values)).first() is not None


async def prune(tx: Transaction, *, own_source: str, before: datetime, limit: int) -> None:
    """Delete what was put into its line before that time, and lines of nobody.

    Own events that wait still are left, and others' that wait for an endpoint that was changed since.
    """
    await tx.connection.execute(_PRUNE_LINES)
    await tx.connection.execute(_PRUNE, {"own": own_source, "ping": PING, "before": before, "limit": limit})


async def get_totals(connection: AsyncConnection, *, now: datetime) -> Totals:
    """What operators watch."""
    due_since = await connection.scalar(_LONGEST_DUE, {"now": now})
    count, disabled, failing = (await connection.execute(_COUNT_ENDPOINTS)).one()
    return Totals(due_since=due_since, enabled=count - disabled, disabled=disabled, failing=failing)


def _delivery(row: RowMapping) -> Delivery:
    waiting = DeliveryState.RETRYING if row["attempts"] else DeliveryState.WAITING
    state = DeliveryState.DELIVERED if row["state"] == "delivered" else waiting
    return msgspec.convert({**row, "state": state}, Delivery)
