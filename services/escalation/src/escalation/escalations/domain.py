"""An escalation run: one policy's steps for one cause of one ticket, and where they are.

States: `running` takes steps as they become due, `acknowledged` rests until a time-out, `held` goes on like `running`
and owes a step that has nobody to reach. The others are ends: `stopped`, `exhausted`, `completed`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TypedDict
from uuid import UUID

from common.errors import Conflict
from contracts.escalation import EscalationAcknowledged, EscalationStarted, EscalationStopped

HIGHEST_TIER = 3
BY_HAND = "manual"
"""Why a run stopped that a person stopped."""
BREACH_PERCENT = 100
"""What a breach counts as among the percents of warnings."""


class Trigger(StrEnum):
    """Why a run began."""

    SLA = "sla"
    MANUAL = "manual"
    UNROUTABLE = "unroutable"
    HANDOFF = "handoff"


class RunState(StrEnum):
    """See the module."""

    RUNNING = "running"
    ACKNOWLEDGED = "acknowledged"
    HELD = "held"
    STOPPED = "stopped"
    EXHAUSTED = "exhausted"
    COMPLETED = "completed"


LIVE = frozenset({RunState.RUNNING, RunState.ACKNOWLEDGED, RunState.HELD})
"""The run may still do something."""


class RunOver(Conflict):
    """The run has ended; nothing can be done with it any more."""

    code = "escalation_over"


class RunExists(Conflict):
    """A run of the same policy for the same cause goes on already."""

    code = "escalation_running"


class TicketOver(Conflict):
    """The ticket is resolved or over; nothing is left to escalate."""

    code = "ticket_over"


class RaisePending(Conflict):
    """The next step was asked for already; it follows at once."""

    code = "raise_pending"


class NoPolicy(Conflict):
    """No active escalation policy is for this ticket and cause."""

    code = "no_escalation_policy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run.

    Attributes:
        clock_id, clock_kind, cycle: the clock that it is about; None, "" and 0 where it is about none.
        reason: why a person began it, in their words.
        owner_at_start: who owned the ticket then.
        marks: by percent of the clock's target, when that was reached first.
        round, next_step: from 1; one more than there are steps when all of a round were taken.
        round_started_at: what `after_s` counts from.
        stepped_at: when the last step was taken, None before the first.
        forced: a person wants the next step now, whatever it waits for.
        owed: steps of this round that were due and had nobody to reach; they are made up for as soon as somebody comes.
        due_at: when to look again; None: at the next event.
        generation: raised at every change, so that a late timer changes nothing; `version` counts commands.
    """

    run_id: UUID
    ticket_id: UUID
    policy_id: UUID
    policy_version: int
    trigger: Trigger
    started_at: datetime
    round_started_at: datetime
    due_at: datetime | None
    clock_id: UUID | None = None
    clock_kind: str = ""
    cycle: int = 0
    reason: str = ""
    owner_at_start: UUID | None = None
    marks: Mapping[int, datetime] = field(default_factory=dict[int, datetime])
    state: RunState = RunState.RUNNING
    round: int = 1
    next_step: int = 1
    stepped_at: datetime | None = None
    forced: bool = False
    owed: tuple[int, ...] = ()
    ack_until: datetime | None = None
    acked_by: str = ""
    generation: int = 1
    version: int = 1
    ended_at: datetime | None = None
    end_reason: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it may still do something."""
        return self.state in LIVE

    @property
    def percent(self) -> int:
        """How much of the clock's target was used when that was told last."""
        return max(self.marks, default=0)

    def reached_at(self, percent: int) -> datetime | None:
        """When so much of the target was used first, as far as it was told; None: not yet."""
        return min((at for mark, at in self.marks.items() if mark >= percent), default=None)


class RunNames(TypedDict):
    """What every event of a run says."""

    ticket_id: UUID
    run_id: UUID
    policy_id: UUID
    policy_version: int


def names_of(run: Run) -> RunNames:
    """Which run of which ticket and policy."""
    return RunNames(
        ticket_id=run.ticket_id, run_id=run.run_id, policy_id=run.policy_id, policy_version=run.policy_version
    )


def raised_tier(*, owner_tier: int, tier_required: int) -> int:
    """The tier that a raised ticket needs: one above its owner's, or above what it needs where nobody owns it.

    Args:
        owner_tier: 0 where nobody owns it.
    """
    return min(HIGHEST_TIER, max(tier_required, (owner_tier or tier_required) + 1))


def tell_started(run: Run) -> EscalationStarted:
    """What the world learns of a new run: not the reason's words."""
    return EscalationStarted(
        **names_of(run),
        trigger=run.trigger.value,
        clock_id=run.clock_id,
    )


def mark(run: Run, percent: int, *, at: datetime) -> Run:
    """The run after its clock reached a percent; the same value where that is known or the run is over.

    Args:
        at: when it is told, which is also when the run looks again.
    """
    if not run.is_live or percent in run.marks:
        return run
    return _look_again(replace(run, marks={**run.marks, percent: at}), at=at)


def stop(run: Run, reason: str, *, at: datetime) -> tuple[Run, tuple[EscalationStopped, ...]]:
    """End the run because its ticket or a person made it needless; one that has ended stays as it is."""
    if not run.is_live:
        return run, ()
    stopped = end(run, RunState.STOPPED, at=at, reason=reason)
    told = EscalationStopped(
        **names_of(run),
        reason=reason,
    )
    return stopped, (told,)


def acknowledge(run: Run, *, by: str, at: datetime, until: datetime) -> tuple[Run, tuple[EscalationAcknowledged, ...]]:
    """A person took notice: the steps rest until `until`, a wanted one too. Once more moves the time-out.

    Raises:
        RunOver: it has ended.
    """
    _check_live(run)
    acknowledged = replace(
        run,
        state=RunState.ACKNOWLEDGED,
        forced=False,
        ack_until=until,
        acked_by=by,
        due_at=until,
        generation=run.generation + 1,
        version=run.version + 1,
    )
    told = EscalationAcknowledged(
        **names_of(run),
        by=by,
        until=until,
    )
    return acknowledged, (told,)


def stop_by_hand(run: Run, *, at: datetime) -> tuple[Run, tuple[EscalationStopped, ...]]:
    """A person ends it.

    Raises:
        RunOver: it has ended.
    """
    _check_live(run)
    return stop(replace(run, version=run.version + 1), BY_HAND, at=at)


def hurry(run: Run, *, at: datetime) -> Run:
    """A person wants the next step at once; an acknowledgement ends by that.

    Raises:
        RunOver: it has ended.
        RaisePending: that is so already: one step was asked for twice.
    """
    _check_live(run)
    if run.forced:
        raise RaisePending
    hurried = replace(run, state=RunState.RUNNING, ack_until=None, forced=True, version=run.version + 1)
    return _look_again(hurried, at=at)


def end(run: Run, state: RunState, *, at: datetime, reason: str = "") -> Run:
    """The run in one of its ends."""
    return replace(run, state=state, due_at=None, ended_at=at, end_reason=reason, generation=run.generation + 1)


def hear_owner(run: Run, owner_id: UUID, *, since: datetime, at: datetime) -> Run:
    """The run after the news of an owner, to be looked at by its timer; one that has ended stays as it is.

    Args:
        since: when they became the owner. An owner from before the run, who is heard of only now, is no help that came.
        at: when it is heard.
    """
    if not run.is_live:
        return run
    known = replace(run, owner_at_start=owner_id) if since < run.started_at else run
    return _look_again(known, at=at)


def _look_again(run: Run, *, at: datetime) -> Run:
    due_at = run.due_at if run.due_at is not None and run.due_at < at else at
    return replace(run, due_at=due_at, generation=run.generation + 1)


def _check_live(run: Run) -> None:
    if not run.is_live:
        raise RunOver(f"the run is {run.state}: nothing can be done with it any more")
