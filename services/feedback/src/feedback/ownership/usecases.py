"""What can be done with ownership: follow routing, and share an outcome among the owners."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Transaction
from contracts.envelope import Event
from contracts.feedback import Share
from contracts.registry import decode_body
from feedback.ownership import store
from feedback.ownership.domain import changed, follow, share_out


async def follow_owners(tx: Transaction, events: Sequence[Event]) -> None:
    """Fold a batch of routing's events, in their order per ticket, into the intervals.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    before = await store.list_intervals(tx.connection, sorted({UUID(event.subject_id) for event in events}))
    after = dict(before)
    for event in events:
        body = decode_body(event)
        if body is not None:
            ticket_id = UUID(event.subject_id)
            after[ticket_id] = follow(after.get(ticket_id, ()), body, at=event.time)
    places = changed(before, after)
    if places:
        await store.save_intervals(tx.connection, after, places)


async def shares(connection: AsyncConnection, ticket_id: UUID, *, until: datetime) -> tuple[Share, ...]:
    """How much of a ticket's outcome is whose, see `feedback.ownership.domain.share_out`.

    Args:
        until: when the outcome stood, usually the resolution; owning it later does not count.
    """
    intervals = await store.list_intervals(connection, [ticket_id])
    return share_out(intervals.get(ticket_id, ()), until=until)
