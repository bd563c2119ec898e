"""The values of a ticket, and the rules that need nothing but them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from contracts.envelope import subject_of
from contracts.registry import Body
from contracts.words import SkillNeed

CustomValue = str | int | float | bool | None

MAX_HOLD = timedelta(days=90)
"""How far ahead `resume_at` may lie."""
RESTORE_WINDOW = timedelta(days=7)
"""How long after its cancellation a ticket may be restored."""
MAX_TAGS = 50
MAX_CUSTOM_FIELDS = 50


class Status(StrEnum):
    """The customer-facing lifecycle. Assignment and escalation are fields of their own."""

    NEW = "new"
    OPEN = "open"
    PENDING_CUSTOMER = "pending_customer"
    ON_HOLD = "on_hold"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    MERGED = "merged"


FINAL = frozenset({Status.CLOSED, Status.CANCELLED, Status.MERGED})
"""No message moves a ticket out of these; a cancelled one may be restored by a supervisor."""


class Priority(StrEnum):
    """How pressing, from least to most."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class HoldReason(StrEnum):
    """What a ticket on hold waits for, if not for its requester."""

    THIRD_PARTY = "third_party"
    INTERNAL_DEPENDENCY = "internal_dependency"
    PROBLEM = "problem"
    SCHEDULED = "scheduled"
    MAINTENANCE = "maintenance"


TIMED_HOLDS = frozenset({HoldReason.SCHEDULED, HoldReason.MAINTENANCE})
"""These need a `resume_at`, and alone may hold a proactive ticket that nobody has taken yet."""


class ResolutionCode(StrEnum):
    """How a ticket was solved."""

    FIXED = "fixed"
    WORKAROUND = "workaround"
    ANSWERED = "answered"
    GUIDED = "guided"
    CONFIGURATION = "configuration"
    DUPLICATE_OF_PROBLEM = "duplicate_of_problem"
    THIRD_PARTY_FIXED = "third_party_fixed"
    NOT_REPRODUCIBLE = "not_reproducible"
    NO_REPLY = "no_reply"
    AUTO_RECOVERED = "auto_recovered"
    SELF_SERVICE = "self_service"
    WONT_FIX = "wont_fix"


UNTOUCHED_CODES = frozenset({ResolutionCode.AUTO_RECOVERED, ResolutionCode.SELF_SERVICE})
"""Solved without a person of ours: the only codes for a ticket that nobody has taken."""


class CancelReason(StrEnum):
    """Why a ticket ends without a resolution."""

    SPAM = "spam"
    WITHDRAWN = "withdrawn"
    DUPLICATE = "duplicate"
    TEST = "test"


class RoutingState(StrEnum):
    """Where routing has the ticket's work, as its events say."""

    NONE = "none"
    QUEUED = "queued"
    OFFERED = "offered"
    ASSIGNED = "assigned"
    UNROUTABLE = "unroutable"


class HandoffState(StrEnum):
    """How far a handoff is, as escalation's events say. Only a requested one is open."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    RETURNED = "returned"
    COMPLETED = "completed"


class ClockState(StrEnum):
    """Where an SLA clock stands, as escalation's events say. Breached stays, whatever the clock does afterwards."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


class SlaState(StrEnum):
    """The worst of a ticket's clocks."""

    OK = "ok"
    WARNED = "warned"
    BREACHED = "breached"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownHandoff:
    """The latest handoff of a ticket. `to_agent_id` is who was asked first, `agent_id` who accepted.

    `tier_required` is 0 where the request itself was not seen. `event_id` names the event that moved it last.
    """

    id: UUID
    state: HandoffState
    event_id: UUID
    from_agent_id: UUID | None = None
    to_agent_id: UUID | None = None
    agent_id: UUID | None = None
    tier_required: int = 0
    reason_code: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownClock:
    """The latest cycle of a ticket's clock of one kind.

    `deadline` is None while nothing runs; `warned_percent` is that of the last warning, 0 before any. `event_id` names
    the event that changed it last.
    """

    clock_id: UUID
    kind: str
    cycle: int
    state: ClockState
    event_id: UUID
    target_s: int = 0
    deadline: datetime | None = None
    warned_percent: int = 0
    breached_at: datetime | None = None
    met_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """How long a resolved ticket may be reopened, and after how long it closes by itself: never before that is over."""

    reopen: timedelta
    close_after: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """One ticket. `version` rises with commands, due times and some messages, not with what other services' events say.

    `priority_reason` is empty where the priority follows the matrix. `moved_by` names the trigger of the last status
    move. `message_count` gives each message its position. `agent_spoke_last` says that a public agent message stands
    after the last inbound one. `hold_generation` counts holds, so that the timer of an earlier hold is known as such.
    `tier_required` never is below `escalation_tier`, the highest that an escalation asked for. `sla` holds the
    clocks by kind. Each `*_event_id` names the event of another service that the values before it came from.
    """

    id: UUID
    number: int
    status: Status
    subject: str
    requester_id: UUID
    created_at: datetime
    updated_at: datetime
    impact: int
    urgency: int
    priority: Priority
    priority_reason: str = ""
    organisation_id: UUID | None = None
    source_channel: str
    source_system: str = ""
    external_ref: str = ""
    category: str = ""
    component: str = ""
    product: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()
    custom: Mapping[str, CustomValue] = field(default_factory=dict[str, CustomValue])
    skills: tuple[SkillNeed, ...] = ()
    tier_required: int = 1
    proactive: bool = False
    follow_up_of: UUID | None = None

    moved_by: str = ""
    message_count: int = 0
    agent_spoke_last: bool = False
    first_response_at: datetime | None = None
    hold_reason: HoldReason | None = None
    resume_at: datetime | None = None
    hold_generation: int = 0
    resolution_seq: int = 0
    resolution_code: ResolutionCode | None = None
    resolution_summary: str = ""
    skip_reason: str = ""
    resolved_at: datetime | None = None
    reopen_count: int = 0
    closed_at: datetime | None = None
    cancel_reason: CancelReason | None = None
    cancelled_at: datetime | None = None

    first_owner_id: UUID | None = None
    owner_id: UUID | None = None
    owner_tier: int | None = None
    assignment_id: UUID | None = None
    owner_event_id: UUID | None = None
    routing_state: RoutingState = RoutingState.NONE
    routing_event_id: UUID | None = None
    queue_id: UUID | None = None
    queue_event_id: UUID | None = None
    escalation_level: int = 0
    escalation_tier: int = 1
    escalation_event_id: UUID | None = None
    handoff: ShownHandoff | None = None
    sla: Mapping[str, ShownClock] = field(default_factory=dict[str, ShownClock])
    version: int = 1

    @property
    def reference(self) -> str:
        """The number as people say it: FL-1042."""
        return f"FL-{self.number}"

    @property
    def event_subject(self) -> str:
        """The subject of this ticket's events."""
        return subject_of("ticket", self.id)

    @property
    def sla_state(self) -> SlaState | None:
        """The worst of the clocks shown; None where there are none."""
        if any(clock.breached_at for clock in self.sla.values()):
            return SlaState.BREACHED
        # A warning is over with its clock.
        running = (clock for clock in self.sla.values() if clock.state in (ClockState.RUNNING, ClockState.PAUSED))
        if any(clock.warned_percent for clock in running):
            return SlaState.WARNED
        return SlaState.OK if self.sla else None


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstMessage:
    """What a ticket is opened with: the requester's words, or our own note on a proactive ticket."""

    id: UUID
    direction: str
    author_type: str
    author_id: UUID | None
    body: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What a message means to its ticket.

    `by_customer` is the requester's, mere thanks aside; `by_agent` an agent's outbound one. A response counts also
    where an automation gives it.
    """

    position: int
    by_customer: bool = False
    by_agent: bool = False
    counts_as_response: bool = False
    awaits_customer: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What a rule decided: the ticket as it will be, and what to tell of it."""

    ticket: Ticket
    events: tuple[Body, ...] = ()


def priority_of(*, impact: int, urgency: int) -> Priority:
    """The priority matrix, over impact and urgency from 1 (most) to 4 (least)."""
    match impact + urgency:
        case 2 | 3:
            return Priority.URGENT
        case 4:
            return Priority.HIGH
        case 5 | 6:
            return Priority.NORMAL
        case _:
            return Priority.LOW


def can_reopen(ticket: Ticket, *, now: datetime, reopen_window: timedelta) -> bool:
    """Whether a resolved ticket's window is still open; false for any other status."""
    return (
        ticket.status is Status.RESOLVED
        and ticket.resolved_at is not None
        and now <= ticket.resolved_at + reopen_window
    )


def takes_contact(ticket: Ticket, *, now: datetime, reopen_window: timedelta) -> bool:
    """Whether the requester is heard on this ticket; else it takes a follow-up ticket."""
    over = ticket.status in FINAL or ticket.status is Status.RESOLVED
    return not over or can_reopen(ticket, now=now, reopen_window=reopen_window)
