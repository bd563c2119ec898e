"""A work item with its running assignment or offer. Loads are in quarter units of weight."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from common.errors import Conflict
from contracts.words import SkillNeed
from routing.agents.domain import QUARTERS
from routing.queues.domain import Queue, weight_of
from routing.tickets.domain import Ticket

OWN, HANDOFF = "own", "handoff"
"""Kinds of work. A ticket has one item of its own, and at most one handoff that is not done."""

QUEUED, OFFERED, ASSIGNED, DONE = "queued", "offered", "assigned", "done"
STATES = (QUEUED, OFFERED, ASSIGNED, DONE)

FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)
"""The end of an exclusion that has none."""

HAND_BACKS_TO_ATTENTION = 3
"""After so many hand-backs in a row a supervisor's list shows the ticket first. Source: routing rule 6."""


class WorkDone(Conflict):
    """The ticket needs no agent any more."""

    code = "work_done"


class NotAssigned(Conflict):
    """The ticket has no owner."""

    code = "not_assigned"


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkItem:
    """A ticket that needs, or needed, an agent; or a handoff, which asks for another agent beside the owner.

    A handoff's item is keyed by the handoff's id, and offered until somebody accepts; then the ticket's own item has
    the new owner, and the handoff's is done. It is never paused: whoever waits for the customer may be the new owner.
    Only a handoff has `teams`, in place of its desk's, and `only_preferred`. `preferred` is asked first: whom a handoff
    names, or who owned the ticket when it was last finished.

    `needs` are the ticket's own; the desk's are added when the engine is told. `paused_at` is set while we wait for
    somebody else, `paused_s` sums earlier pauses: paused time is not wait. `pinned`: a person chose the desk.
    `ring` is the widest announced,
    `attempt` counts offers, `hand_backs` those in a row. `missing` is not empty while nobody could ever take it.
    The three fields before `version` say what it is queued for, so that later events about it belong to the same
    conversation and trace.
    """

    ticket_id: UUID
    pool: str
    queue_id: UUID
    priority: str
    weight: int
    tier_required: int
    needs: tuple[SkillNeed, ...]
    language: str
    tau_s: int
    enqueued_at: datetime
    deadline: datetime
    state: str = QUEUED
    paused_at: datetime | None = None
    paused_s: float = 0.0
    pinned: bool = False
    ring: int = 1
    attempt: int = 0
    hand_backs: int = 0
    excluded: Mapping[UUID, datetime] = field(default_factory=dict[UUID, datetime])
    missing: tuple[str, ...] = ()
    correlation_id: str = ""
    causation_id: str = ""
    traceparent: str = ""
    version: int = 1
    preferred: UUID | None = None
    handoff_id: UUID | None = None
    teams: tuple[str, ...] = ()
    only_preferred: bool = False

    @property
    def work_id(self) -> UUID:
        """The key of this work: the ticket's id, or the handoff's."""
        return self.handoff_id or self.ticket_id

    @property
    def kind(self) -> str:
        """Whether this is the ticket's own work, or a handoff of it."""
        return kind_of(self.handoff_id)

    @property
    def quarters(self) -> int:
        """The load that an owner carries: a paused ticket keeps a quarter."""
        return self.weight if self.paused_at else self.weight * QUARTERS

    @property
    def is_waiting(self) -> bool:
        """Whether the decider may give it away now."""
        return self.state == QUEUED and self.paused_at is None

    def paused_until(self, now: datetime) -> timedelta:
        """How long the clock has stood still."""
        running = (now - self.paused_at) if self.paused_at else timedelta(0)
        return timedelta(seconds=self.paused_s) + running


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """An agent's ownership of a ticket, from one moment to another."""

    assignment_id: UUID
    ticket_id: UUID
    agent_id: UUID
    method: str
    quarters: int
    started_at: datetime
    decision_id: UUID | None = None
    override_reason: str = ""
    ended_at: datetime | None = None
    end_reason: str = ""
    handoff_id: UUID | None = None
    """The handoff by which the agent became the owner, if it was one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """Capacity reserved for one ticket until the agent answers or time is over."""

    offer_id: UUID
    ticket_id: UUID
    agent_id: UUID
    quarters: int
    attempt: int
    offered_at: datetime
    expires_at: datetime
    decision_id: UUID | None = None
    state: str = "open"
    ended_at: datetime | None = None
    reason: str = ""
    handoff_id: UUID | None = None

    @property
    def work_id(self) -> UUID:
        """The key of the work that is offered."""
        return self.handoff_id or self.ticket_id

    @property
    def kind(self) -> str:
        """Whether the ticket's own work is offered, or a handoff of it."""
        return kind_of(self.handoff_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A work item as a whole. `ended` are the assignments and offers that ended since it was loaded."""

    item: WorkItem
    assignment: Assignment | None = None
    offer: Offer | None = None
    ended: tuple[Assignment | Offer, ...] = ()

    @property
    def holder(self) -> UUID | None:
        """The agent whose load carries this: the owner, or whom it is offered to."""
        held = self.assignment or self.offer
        return held.agent_id if held else None


def kind_of(handoff_id: UUID | None) -> str:
    """The kind of the work that belongs to this handoff, or to none."""
    return OWN if handoff_id is None else HANDOFF


def new_item(ticket: Ticket, queue: Queue, *, at: datetime) -> WorkItem:
    """The work item of a ticket that nobody has yet."""
    tau_s = queue.target_s(ticket.priority)
    return WorkItem(
        ticket_id=ticket.ticket_id,
        pool=queue.pool,
        queue_id=queue.queue_id,
        state=DONE if ticket.is_finished else QUEUED,
        priority=ticket.priority,
        weight=weight_of(ticket.priority),
        tier_required=ticket.tier_asked,
        needs=ticket.skills,
        language=ticket.language,
        tau_s=tau_s,
        enqueued_at=at,
        deadline=at + timedelta(seconds=tau_s),
        paused_at=at if ticket.is_paused else None,
    )
