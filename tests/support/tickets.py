"""Tickets to decide over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from intake.tickets.domain import HoldReason, Priority, Status, Ticket

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AGENT = UUID(int=7)
TICKET = Ticket(
    id=UUID(int=1),
    number=1,
    status=Status.NEW,
    subject="s",
    requester_id=UUID(int=2),
    created_at=NOW,
    updated_at=NOW,
    impact=3,
    urgency=3,
    priority=Priority.NORMAL,
    source_channel="web",
)


def standing(status: Status) -> Ticket:
    """A ticket for which every guard of every command holds, closing aside: its window is over a second later."""
    return replace(
        TICKET,
        status=status,
        proactive=True,
        agent_spoke_last=True,
        owner_id=AGENT,
        resolved_at=NOW - timedelta(seconds=1) if status is Status.RESOLVED else None,
        cancelled_at=NOW if status is Status.CANCELLED else None,
        hold_reason=HoldReason.SCHEDULED if status is Status.ON_HOLD else None,
        resume_at=NOW + timedelta(days=1) if status is Status.ON_HOLD else None,
        hold_generation=1 if status is Status.ON_HOLD else 0,
    )
