"""What callers get about tickets."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from uuid import UUID

from common.web import ResponseModel
from contracts.envelope import Event, as_json
from intake.tickets.domain import (
    CancelReason,
    ClockState,
    CustomValue,
    HandoffState,
    HoldReason,
    Priority,
    ResolutionCode,
    RoutingState,
    SlaState,
    Status,
    Ticket,
)


class SourceShown(ResponseModel):
    """Where a ticket came from."""

    channel: str
    system: str
    external_ref: str


class SkillShown(ResponseModel):
    """A skill that the work needs."""

    skill: str
    level: int
    hard_level: int


class HandoffShown(ResponseModel):
    """The latest handoff: who was asked first (`to_agent_id`), who accepted (`agent_id`), what moved it."""

    id: UUID
    state: HandoffState
    from_agent_id: UUID | None
    to_agent_id: UUID | None
    agent_id: UUID | None
    tier_required: int
    reason_code: str
    expires_at: datetime | None
    event_id: UUID


class ClockShown(ResponseModel):
    """The latest cycle of a clock; `warned_percent` is that of the last warning, 0 before any."""

    clock_id: UUID
    kind: str
    cycle: int
    state: ClockState
    target_s: int
    deadline: datetime | None
    warned_percent: int
    breached_at: datetime | None
    met_at: datetime | None
    event_id: UUID


class TicketBody(ResponseModel):
    """A ticket. `owner_*`, `assignment_id`, `routing_state` and `queue_*` are what routing's events said last.

    `escalation_*`, `handoff`, `sla` (the clocks by kind) and `sla_state` are what escalation's said.
    """

    id: UUID
    number: int
    reference: str
    status: Status
    subject: str
    requester_id: UUID
    organisation_id: UUID | None
    source: SourceShown
    category: str
    component: str
    product: str
    impact: int
    urgency: int
    priority: Priority
    priority_reason: str
    language: str
    tags: Sequence[str]
    custom: Mapping[str, CustomValue]
    skills: Sequence[SkillShown]
    tier_required: int
    proactive: bool
    follow_up_of: UUID | None
    first_response_at: datetime | None
    hold_reason: HoldReason | None
    resume_at: datetime | None
    resolution_seq: int
    resolution_code: ResolutionCode | None
    resolution_summary: str
    skip_reason: str
    resolved_at: datetime | None
    reopen_count: int
    closed_at: datetime | None
    cancel_reason: CancelReason | None
    cancelled_at: datetime | None
    first_owner_id: UUID | None
    owner_id: UUID | None
    owner_tier: int | None
    assignment_id: UUID | None
    owner_event_id: UUID | None
    routing_state: RoutingState
    routing_event_id: UUID | None
    queue_id: UUID | None
    queue_event_id: UUID | None
    escalation_level: int
    escalation_tier: int
    escalation_event_id: UUID | None
    handoff: HandoffShown | None
    sla: Mapping[str, ClockShown]
    sla_state: SlaState | None
    created_at: datetime
    updated_at: datetime
    version: int


_TURNED = frozenset({"skills", "handoff", "sla"})
_SHOWN_AS_THEY_ARE = tuple(
    field.name for field in fields(Ticket) if field.name in TicketBody.model_fields and field.name not in _TURNED
)


def show(ticket: Ticket) -> TicketBody:
    """The ticket as callers see it."""
    plain = {name: getattr(ticket, name) for name in _SHOWN_AS_THEY_ARE}
    return TicketBody(
        **plain,
        reference=ticket.reference,
        source=SourceShown(
            channel=ticket.source_channel, system=ticket.source_system, external_ref=ticket.external_ref
        ),
        skills=[SkillShown(skill=need.skill, level=need.level, hard_level=need.hard_level) for need in ticket.skills],
        handoff=HandoffShown(**asdict(ticket.handoff)) if ticket.handoff else None,
        sla={kind: ClockShown(**asdict(clock)) for kind, clock in ticket.sla.items()},
        sla_state=ticket.sla_state,
    )


class EventsBody(ResponseModel):
    """A ticket's own events in CloudEvents' JSON format; `last_sequence` is the `after_sequence` of the next call."""

    items: list[dict[str, object]]
    last_sequence: int


def show_told(event: Event, effective_at: datetime) -> dict[str, object]:
    """An event in CloudEvents' JSON format, with the time at which the timeline puts it."""
    return as_json(event) | {"effectivetime": effective_at.isoformat()}
