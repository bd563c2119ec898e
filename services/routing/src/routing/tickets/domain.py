"""What routing knows of a ticket, folded from the events of intake, and the tier that escalation asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from contracts.intake import (
    TicketClassified,
    TicketCreated,
    TicketPriorityChanged,
    TicketStatusChanged,
    TicketUpdated,
)
from contracts.registry import Body
from contracts.words import SkillNeed

PAUSED = frozenset({"pending_customer", "on_hold"})
"""We wait for somebody else: an owner keeps a quarter of the weight, and nobody new is asked."""

FINISHED = frozenset({"resolved", "closed", "cancelled", "merged"})
"""No agent is needed."""


MAX_TIER = 3
"""The highest tier there is; what a later release of escalation asks beyond is asked of these."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """The facts of one ticket. `skills` are those of its classification, or the hint it came with before that.

    `tier_required` is what intake says; `tier_floor`, the highest that escalation ever asked for, is never lowered.
    """

    ticket_id: UUID
    number: int
    status: str
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
    skills: tuple[SkillNeed, ...]
    created_at: datetime
    tier_floor: int = 1

    @property
    def tier_asked(self) -> int:
        """The least tier that may be given the ticket."""
        return max(self.tier_required, self.tier_floor)

    @property
    def is_paused(self) -> bool:
        """Whether we wait for somebody else."""
        return self.status in PAUSED

    @property
    def is_finished(self) -> bool:
        """Whether no agent is needed any more."""
        return self.status in FINISHED

    def facts(self) -> Mapping[str, object]:
        """What the match rules of desks may ask."""
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
            "tier_required": self.tier_asked,
            "urgency": self.urgency,
        }


def open_ticket(body: TicketCreated, *, at: datetime, tier_floor: int = 1) -> Ticket:
    """The ticket as it was accepted.

    Args:
        tier_floor: what escalation, heard first, has asked for already.
    """
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
        skills=body.skills_hint,
        created_at=at,
        tier_floor=tier_floor,
    )


def follow(ticket: Ticket, body: Body) -> Ticket:
    """The ticket after one more event; the same value where the event says nothing that routing keeps."""
    match body:
        case TicketUpdated():
            return replace(ticket, **_plain_changes(body))
        case TicketClassified():
            return replace(
                ticket,
                category=body.category,
                component=body.component,
                skills=body.skills_required,
                tier_required=body.tier_required,
            )
        case TicketPriorityChanged():
            return replace(ticket, priority=body.new)
        case TicketStatusChanged():
            return replace(ticket, status=body.new)
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
