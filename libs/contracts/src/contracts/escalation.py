"""Bodies of the events that escalation publishes."""

from typing import Annotated
from uuid import UUID

from contracts.registry import Body, event, known
from contracts.words import Moment, SkillNeed

ClockKind = Annotated[str, known("first_response", "next_response", "resolution", "handoff_accept")]


@event("sla.policy_applied", producer="escalation", subject="ticket")
class SlaPolicyApplied(Body, frozen=True):
    """A policy was chosen for the ticket, or another one took its place."""

    ticket_id: UUID
    policy_id: UUID
    version: int
    cause: Annotated[str, known("created", "priority", "classified", "organisation", "updated", "policy")]
    previous_policy_id: UUID | None = None
    previous_version: int | None = None


class ClockBody(Body, frozen=True):
    """What every event of a clock says. `cycle` counts from 1; `policy_version` is the one that set the target."""

    ticket_id: UUID
    clock_id: UUID
    kind: ClockKind
    cycle: int


@event("sla.clock_started", producer="escalation", subject="ticket")
class SlaClockStarted(ClockBody, frozen=True):
    """A clock began to run. A paused one has no deadline."""

    started_at: Moment
    target_s: int
    policy_id: UUID
    policy_version: int
    deadline: Moment | None = None
    cause_event_id: UUID | None = None
    handoff_id: UUID | None = None


@event("sla.clock_paused", producer="escalation", subject="ticket")
class SlaClockPaused(ClockBody, frozen=True):
    """The clock stands still; `consumed_s` is what had run until then."""

    at: Moment
    consumed_s: int
    cause_event_id: UUID | None = None


@event("sla.clock_resumed", producer="escalation", subject="ticket")
class SlaClockResumed(ClockBody, frozen=True):
    """The clock runs again."""

    at: Moment
    consumed_s: int
    deadline: Moment | None = None
    cause_event_id: UUID | None = None


@event("sla.clock_cancelled", producer="escalation", subject="ticket")
class SlaClockCancelled(ClockBody, frozen=True):
    """The clock ended without a verdict. With reason `refolded` a late event showed that it never ran."""

    at: Moment
    reason: Annotated[str, known("resolved", "cancelled", "merged", "withdrawn", "ended", "refolded", "policy")]


@event("sla.deadline_changed", producer="escalation", subject="ticket")
class SlaDeadlineChanged(ClockBody, frozen=True):
    """A running clock's deadline was computed anew: by a new policy, target or calendar, or a late event."""

    cause: Annotated[str, known("policy", "calendar", "late_event", "manual")]
    old: Moment | None = None
    new: Moment | None = None
    target_s: int = 0


@event("sla.warning", producer="escalation", subject="ticket")
class SlaWarning(ClockBody, frozen=True):
    """A share of the target has passed; once for each clock, cycle, percent and policy version."""

    percent: int
    consumed_s: int
    target_s: int
    policy_id: UUID
    policy_version: int
    deadline: Moment | None = None


@event("sla.breached", producer="escalation", subject="ticket")
class SlaBreached(ClockBody, frozen=True):
    """The target has passed. Cause `policy_change`: it had passed already under the target that took effect."""

    at: Moment
    consumed_s: int
    target_s: int
    policy_id: UUID
    policy_version: int
    cause: Annotated[str, known("time", "policy_change", "late_event")] = "time"


@event("sla.met", producer="escalation", subject="ticket")
class SlaMet(ClockBody, frozen=True):
    """The clock was satisfied within its target."""

    at: Moment
    consumed_s: int
    target_s: int
    policy_id: UUID
    policy_version: int
    cause_event_id: UUID | None = None


@event("sla.breach_withdrawn", producer="escalation", subject="ticket")
class SlaBreachWithdrawn(ClockBody, frozen=True):
    """A late event or a corrected calendar shows that a breach that was told did not happen."""

    cause_event_id: UUID | None = None


@event("sla.met_withdrawn", producer="escalation", subject="ticket")
class SlaMetWithdrawn(ClockBody, frozen=True):
    """A late event or a corrected calendar shows that a clock that was told as met was not."""

    cause_event_id: UUID | None = None


class RunBody(Body, frozen=True):
    """What every event of an escalation run says."""

    ticket_id: UUID
    run_id: UUID
    policy_id: UUID
    policy_version: int


@event("escalation.started", producer="escalation", subject="ticket")
class EscalationStarted(RunBody, frozen=True):
    """A run of an escalation policy began."""

    trigger: Annotated[str, known("sla", "manual", "unroutable", "handoff", "survey")]
    clock_id: UUID | None = None


@event("escalation.step_fired", producer="escalation", subject="ticket")
class EscalationStepFired(RunBody, frozen=True):
    """A step was due, its condition held, and its action was taken. Steps and rounds count from 1."""

    step: int
    round: int
    action: Annotated[str, known("notify", "raise_priority", "raise_tier", "handoff", "webhook")]
    targets: tuple[str, ...] = ()


@event("escalation.acknowledged", producer="escalation", subject="ticket")
class EscalationAcknowledged(RunBody, frozen=True):
    """A person took notice: the steps rest until `until`."""

    by: str
    until: Moment


@event("escalation.ack_expired", producer="escalation", subject="ticket")
class EscalationAckExpired(RunBody, frozen=True):
    """Nothing came of the acknowledgement in time: the steps go on."""


@event("escalation.round_repeated", producer="escalation", subject="ticket")
class EscalationRoundRepeated(RunBody, frozen=True):
    """All steps were taken without effect, and are taken again."""

    round: int


@event("escalation.held", producer="escalation", subject="ticket")
class EscalationHeld(RunBody, frozen=True):
    """A step has nobody to reach: it waits, and operators are alarmed."""

    step: int
    reason: str


@event("escalation.stopped", producer="escalation", subject="ticket")
class EscalationStopped(RunBody, frozen=True):
    """The run ended because its ticket or a person made it needless."""

    reason: Annotated[str, known("resolved", "cancelled", "closed", "merged", "met", "withdrawn", "manual")]


@event("escalation.exhausted", producer="escalation", subject="ticket")
class EscalationExhausted(RunBody, frozen=True):
    """All rounds were taken without effect: operators must look."""

    rounds: int


@event("escalation.completed", producer="escalation", subject="ticket")
class EscalationCompleted(RunBody, frozen=True):
    """All steps were taken and did what the run was for."""


@event("escalation.level_changed", producer="escalation", subject="ticket")
class EscalationLevelChanged(Body, frozen=True):
    """The ticket's escalation level moved; whoever is given the ticket from now on has at least `tier_required`."""

    ticket_id: UUID
    old: int
    new: int
    tier_required: int
    reason: Annotated[str, known("breach", "manual", "unroutable", "handoff", "survey")]
    run_id: UUID | None = None


class HandoffBody(Body, frozen=True):
    """What every event of a handoff says."""

    ticket_id: UUID
    handoff_id: UUID
    from_agent_id: UUID | None


@event("handoff.requested", producer="escalation", subject="ticket")
class HandoffRequested(HandoffBody, frozen=True):
    """The owner asks for another one, who must accept; until then the owner stays.

    `to_agent_id` is asked first, and alone where `only_agent`; else any agent of `to_teams` (any team where empty) with
    at least `tier_required` and the skills. `excluded` are never asked. `return_of` names the handoff that this one
    gives back.
    """

    tier_required: int
    reason_code: Annotated[
        str,
        known(
            "needs_expertise",
            "needs_access",
            "needs_seniority",
            "shift_end",
            "workload",
            "customer_request",
            "breach",
            "returned",
            "other",
        ),
    ]
    completeness: float
    emergency: bool
    deadline: Moment
    expires_at: Moment
    to_agent_id: UUID | None = None
    only_agent: bool = False
    to_teams: tuple[str, ...] = ()
    skills: tuple[SkillNeed, ...] = ()
    excluded: tuple[UUID, ...] = ()
    return_of: UUID | None = None


@event("handoff.recalled", producer="escalation", subject="ticket")
class HandoffRecalled(HandoffBody, frozen=True):
    """The request shall end: routing takes its work back, unless somebody has accepted already.

    What becomes of it is told by `accepted`, `declined`, `expired` or `withdrawn`, once routing has said it.
    """

    reason: Annotated[
        str,
        known(
            "sender", "declined", "expired", "resolved", "cancelled", "closed", "merged", "reassigned", "sender_left"
        ),
    ]


@event("handoff.accepted", producer="escalation", subject="ticket")
class HandoffAccepted(HandoffBody, frozen=True):
    """The receiver accepted and owns the ticket."""

    agent_id: UUID
    assignment_id: UUID
    agent_tier: int


@event("handoff.declined", producer="escalation", subject="ticket")
class HandoffDeclined(HandoffBody, frozen=True):
    """Nobody who was asked took it: the sender stays the owner."""

    reason_code: str
    agent_id: UUID | None = None


@event("handoff.expired", producer="escalation", subject="ticket")
class HandoffExpired(HandoffBody, frozen=True):
    """Nobody accepted in time: the sender stays the owner."""


@event("handoff.withdrawn", producer="escalation", subject="ticket")
class HandoffWithdrawn(HandoffBody, frozen=True):
    """It is not needed any more: taken back by its sender, or overtaken by what happened to the ticket."""

    reason: Annotated[str, known("sender", "resolved", "cancelled", "closed", "merged", "reassigned", "sender_left")]


@event("handoff.returned", producer="escalation", subject="ticket")
class HandoffReturned(HandoffBody, frozen=True):
    """The receiver gives it back, by a handoff of its own. The note's text stays in escalation."""

    agent_id: UUID
    reason_code: str
    return_handoff_id: UUID
    has_teaching_note: bool


@event("handoff.completed", producer="escalation", subject="ticket")
class HandoffCompleted(HandoffBody, frozen=True):
    """The receiver brought the ticket to its end."""

    agent_id: UUID


@event("handoff.package_completed", producer="escalation", subject="ticket")
class HandoffPackageCompleted(HandoffBody, frozen=True):
    """What the package lacked at an emergency was filled in."""

    completeness: float


@event("notification.sent", producer="escalation", subject="ticket")
class NotificationSent(Body, frozen=True):
    """A notification left by its channel."""

    ticket_id: UUID
    notification_id: UUID
    channel: Annotated[str, known("message", "webhook", "email")]
    target: str
    attempt: int
    run_id: UUID | None = None
    step: int | None = None


@event("notification.failed", producer="escalation", subject="ticket")
class NotificationFailed(Body, frozen=True):
    """An attempt failed; `is_final` says that no more follow."""

    ticket_id: UUID
    notification_id: UUID
    channel: Annotated[str, known("message", "webhook", "email")]
    target: str
    attempt: int
    reason: str
    is_final: bool
    run_id: UUID | None = None
    step: int | None = None
