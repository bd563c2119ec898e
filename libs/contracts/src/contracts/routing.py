"""Bodies of the events that routing publishes.

A ticket has at most one piece of work of each kind: its own, and a handoff beside it, named by `handoff_id`.
"""

from typing import Annotated
from uuid import UUID

from contracts.registry import Body, event, known
from contracts.words import Moment, SkillNeed, WorkKind

Presence = Annotated[str, known("online", "away", "busy", "offline")]


@event("work.enqueued", producer="routing", subject="ticket")
class WorkEnqueued(Body, frozen=True):
    """A ticket waits for an agent. Hand-backs keep `enqueued_at` and `deadline`."""

    ticket_id: UUID
    queue_id: UUID
    weight: int
    skills: tuple[SkillNeed, ...]
    tier_required: int
    cause: Annotated[
        str,
        known("new", "reopened", "returned", "declined", "expired", "agent_left", "escalated", "requeued", "handoff"),
    ]
    enqueued_at: Moment
    deadline: Moment
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("work.requirements_relaxed", producer="routing", subject="ticket")
class WorkRequirementsRelaxed(Body, frozen=True):
    """A later ring opened for a waiting ticket."""

    ticket_id: UUID
    ring: int
    lowered: tuple[SkillNeed, ...]
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("work.unroutable", producer="routing", subject="ticket")
class WorkUnroutable(Body, frozen=True):
    """No agent at all, online or not, could ever take this ticket."""

    ticket_id: UUID
    waited_s: int
    missing: tuple[str, ...]
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("work.dequeued", producer="routing", subject="ticket")
class WorkDequeued(Body, frozen=True):
    """The ticket needs no agent any more."""

    ticket_id: UUID
    reason: Annotated[
        str,
        known("resolved", "cancelled", "closed", "merged", "accepted", "declined", "expired", "withdrawn"),
    ]
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("assignment.offered", producer="routing", subject="ticket")
class AssignmentOffered(Body, frozen=True):
    """Capacity of an agent is reserved until the offer ends."""

    ticket_id: UUID
    offer_id: UUID
    agent_id: UUID
    expires_at: Moment
    attempt: int
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("assignment.accepted", producer="routing", subject="ticket")
class AssignmentAccepted(Body, frozen=True):
    """The agent took the offer."""

    ticket_id: UUID
    offer_id: UUID
    agent_id: UUID
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("assignment.declined", producer="routing", subject="ticket")
class AssignmentDeclined(Body, frozen=True):
    """The agent handed the offer back; `reason` is a code, whichever the caller uses."""

    ticket_id: UUID
    offer_id: UUID
    agent_id: UUID
    reason: str
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("assignment.offer_expired", producer="routing", subject="ticket")
class AssignmentOfferExpired(Body, frozen=True):
    """Nobody answered the offer in time."""

    ticket_id: UUID
    offer_id: UUID
    agent_id: UUID
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("assignment.offer_rescinded", producer="routing", subject="ticket")
class AssignmentOfferRescinded(Body, frozen=True):
    """The offer was taken back before an answer."""

    ticket_id: UUID
    offer_id: UUID
    agent_id: UUID
    reason: str
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("assignment.assigned", producer="routing", subject="ticket")
class AssignmentAssigned(Body, frozen=True):
    """The agent owns the ticket from now on; `override_reason` is a code of the caller's own, empty without one."""

    ticket_id: UUID
    assignment_id: UUID
    agent_id: UUID
    agent_tier: int
    method: Annotated[str, known("offer", "auto", "manual", "pull", "handoff", "reply")]
    weight: int
    decision_id: UUID | None = None
    override_reason: str = ""
    replaces: UUID | None = None
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("assignment.unassigned", producer="routing", subject="ticket")
class AssignmentUnassigned(Body, frozen=True):
    """The agent's ownership ended. A projection clears only the assignment that it shows."""

    ticket_id: UUID
    assignment_id: UUID
    agent_id: UUID
    reason: Annotated[
        str,
        known(
            "resolved",
            "cancelled",
            "closed",
            "merged",
            "manual",
            "requeued",
            "reassigned",
            "agent_left",
            "escalated",
            "handoff",
        ),
    ]
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("assignment.weight_changed", producer="routing", subject="ticket")
class AssignmentWeightChanged(Body, frozen=True):
    """The load of an open assignment changed, in quarter units: a pause, a resume or a new priority."""

    ticket_id: UUID
    assignment_id: UUID
    agent_id: UUID
    old_quarters: int
    new_quarters: int
    kind: WorkKind = "own"
    handoff_id: UUID | None = None


@event("agent.registered", producer="routing", subject="agent")
class AgentRegistered(Body, frozen=True):
    """An agent joined the directory."""

    agent_id: UUID
    tier: int
    max_weight: int
    teams: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


@event("agent.updated", producer="routing", subject="agent")
class AgentUpdated(Body, frozen=True):
    """What the directory says of an agent changed; the whole entry is repeated."""

    agent_id: UUID
    tier: int
    max_weight: int
    teams: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


@event("agent.deactivated", producer="routing", subject="agent")
class AgentDeactivated(Body, frozen=True):
    """The agent takes no work any more."""

    agent_id: UUID


@event("agent.presence_changed", producer="routing", subject="agent")
class AgentPresenceChanged(Body, frozen=True):
    """The agent's presence moved."""

    agent_id: UUID
    old: Presence
    new: Presence
    set_by: Annotated[str, known("agent", "idle", "offer_timeout", "schedule", "supervisor")]


@event("agent.skill_changed", producer="routing", subject="agent")
class AgentSkillChanged(Body, frozen=True):
    """A skill level moved; 0 means that the agent does not have the skill."""

    agent_id: UUID
    skill: str
    old: int
    new: int
    approved_by: str = ""


@event("agent.tier_changed", producer="routing", subject="agent")
class AgentTierChanged(Body, frozen=True):
    """A step on the career ladder: 1 entry, 2 mid, 3 senior."""

    agent_id: UUID
    old: int
    new: int
