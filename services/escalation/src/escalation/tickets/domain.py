"""What escalation knows of a ticket, folded from what intake, routing and escalation itself tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from contracts.envelope import Event
from contracts.escalation import (
    EscalationLevelChanged,
    HandoffAccepted,
    HandoffDeclined,
    HandoffExpired,
    HandoffRequested,
    HandoffWithdrawn,
)
from contracts.intake import (
    MessageAdded,
    TicketClassified,
    TicketCreated,
    TicketPriorityChanged,
    TicketStatusChanged,
    TicketUpdated,
)
from contracts.registry import Body
from contracts.routing import AssignmentAssigned, AssignmentUnassigned, WorkUnroutable

PAUSED = frozenset({"pending_customer", "on_hold"})
"""We wait for somebody else."""

FINISHED = frozenset({"resolved", "closed", "cancelled", "merged"})
"""No agent is needed."""

MATCH_FIELDS = frozenset(
    {
        "category",
        "channel",
        "component",
        "impact",
        "language",
        "organisation_id",
        "priority",
        "product",
        "system",
        "tags",
        "tier_required",
        "urgency",
    }
)
"""What a match rule may ask of a ticket."""

_TOLD_BY_INTAKE = (
    MessageAdded,
    TicketClassified,
    TicketCreated,
    TicketPriorityChanged,
    TicketStatusChanged,
    TicketUpdated,
)
_TOLD_OF_HANDOFFS = (HandoffAccepted, HandoffDeclined, HandoffExpired, HandoffRequested, HandoffWithdrawn)

EARLY_TYPES = frozenset(
    body.event_type for body in (AssignmentAssigned, AssignmentUnassigned, EscalationLevelChanged, WorkUnroutable)
)
"""Events of other topics than intake's that are kept where they overtake the ticket's creation: they move facts, or,
as work that nobody could take, begin an escalation."""

FACT_TYPES = EARLY_TYPES | frozenset(
    body.event_type
    for body in (TicketClassified, TicketCreated, TicketPriorityChanged, TicketStatusChanged, TicketUpdated)
)
"""The events that a ticket's facts follow from, and those that wait for it."""

LOGGED_TYPES = frozenset(body.event_type for body in (*_TOLD_BY_INTAKE, *_TOLD_OF_HANDOFFS))
"""The events that are kept, so that a clock can be folded anew when one of them arrives late."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one ticket.

    `tier_required` is the higher one of what the classification asks and what an escalation raised it to, which is
    `tier_raised`, 0 where none did. `owner_id`, `owner_tier` and `assignment_id` are None and 0 while nobody owns it.
    """

    ticket_id: UUID
    number: int
    status: str
    hold_reason: str = ""
    priority: str
    impact: int
    urgency: int
    category: str
    component: str
    product: str
    language: str
    channel: str
    system: str
    tags: tuple[str, ...]
    organisation_id: UUID | None
    requester_id: UUID
    tier_required: int
    tier_raised: int = 0
    proactive: bool
    owner_id: UUID | None = None
    owner_tier: int = 0
    assignment_id: UUID | None = None
    created_at: datetime

    @property
    def is_paused(self) -> bool:
        """Whether we wait for somebody else."""
        return self.status in PAUSED

    @property
    def is_finished(self) -> bool:
        """Whether no agent is needed any more."""
        return self.status in FINISHED

    def facts(self) -> Mapping[str, object]:
        """What match rules may ask, see `MATCH_FIELDS`."""
        return {
            "category": self.category,
            "channel": self.channel,
            "component": self.component,
            "impact": self.impact,
            "language": self.language,
            "organisation_id": str(self.organisation_id) if self.organisation_id else None,
            "priority": self.priority,
            "product": self.product,
            "system": self.system,
            "tags": self.tags,
            "tier_required": self.tier_required,
            "urgency": self.urgency,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketChange:
    """One event about a known ticket: what it says, and the facts before (None where it opens one) and after it."""

    event: Event
    body: Body
    before: Ticket | None
    after: Ticket


def open_ticket(body: TicketCreated, *, at: datetime) -> Ticket:
    """The ticket as it was accepted."""
    return Ticket(
        ticket_id=body.ticket_id,
        number=body.number,
        status=body.status,
        priority=body.priority,
        impact=body.impact,
        urgency=body.urgency,
        category=body.category,
        component=body.component,
        product=body.product,
        language=body.language,
        channel=body.source.channel,
        system=body.source.system,
        tags=body.tags,
        organisation_id=body.organisation_id,
        requester_id=body.requester_id,
        tier_required=body.tier_required,
        proactive=body.proactive,
        created_at=at,
    )


def follow(ticket: Ticket, body: Body) -> Ticket:
    """The ticket after one more event; the same value where the event says nothing that is kept."""
    match body:
        case TicketUpdated():
            return replace(ticket, **_plain_changes(body))
        case TicketClassified():
            return replace(
                ticket,
                category=body.category,
                component=body.component,
                tier_required=max(body.tier_required, ticket.tier_raised),
            )
        case TicketPriorityChanged():
            return replace(ticket, priority=body.new)
        case TicketStatusChanged():
            return replace(ticket, status=body.new, hold_reason=body.hold_reason or "")
        case EscalationLevelChanged():
            raised = max(body.tier_required, ticket.tier_raised)
            return replace(ticket, tier_raised=raised, tier_required=max(raised, ticket.tier_required))
        case AssignmentAssigned():
            return replace(ticket, owner_id=body.agent_id, owner_tier=body.agent_tier, assignment_id=body.assignment_id)
        case AssignmentUnassigned(assignment_id=ended) if ended == ticket.assignment_id:
            # The end of a replaced assignment is told after the beginning of the one in its place.
            return replace(ticket, owner_id=None, owner_tier=0, assignment_id=None)
        case _:
            return ticket


def _plain_changes(body: TicketUpdated) -> dict[str, object]:
    changed = {each.field for each in body.changed}
    changes: dict[str, object] = {
        name: getattr(body, name) for name in ("language", "product", "tags", "organisation_id") if name in changed
    }
    for each in body.changed:
        if each.field in {"impact", "urgency"} and isinstance(each.new, int):
            changes[each.field] = each.new
        if each.field in {"category", "component"} and isinstance(each.new, str):
            changes[each.field] = each.new
    return changes
