"""What callers send and get about escalation policies and runs. Every text, list and number has a limit."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, cast
from uuid import UUID

from pydantic import Field, StrictInt

from common.ids import new_id
from common.web import CommandModel, ResponseModel
from escalation.calendars.domain import OFFICE_HOURS_ID
from escalation.escalations.domain import Run, RunState, Trigger
from escalation.escalations.policy import Action, Policy, Step, StepClock, Version, VersionState
from escalation.escalations.store import Taken
from escalation.tickets.schemas import Match, MatchShown, rule_of

_DAY_S = 86_400
Priority = Annotated[StrictInt, Field(ge=1, le=100, description="1 is asked first")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Address = Annotated[str, Field(max_length=500, pattern=r"^(https?://[^\s/\x00]+[^\s\x00]*)?$")]
ClockKindWord = Literal["first_response", "next_response", "resolution", "handoff_accept"]


class StepBody(CommandModel):
    """One step."""

    after_s: Annotated[
        StrictInt, Field(ge=0, le=30 * _DAY_S, description="from the round's beginning, or from its percent")
    ] = 0
    clock: StepClock = StepClock.WALL
    when: Annotated[
        str, Field(max_length=20, description="not_acked, not_resolved, unroutable or sla_pct>=n (1 to 100)")
    ] = "not_resolved"
    action: Action
    targets: Annotated[
        list[Annotated[str, Field(max_length=300)]],
        Field(max_length=20, description="owner, team_lead, tier:n, team:name, agent:id, email:address; with notify"),
    ] = Field(default_factory=list)
    url: Annotated[Address, Field(description="with webhook")] = ""
    tier: Annotated[StrictInt, Field(ge=0, le=3, description="with handoff; 0 is one above the owner's")] = 0

    def step(self) -> Step:
        """What the use case takes."""
        return Step(
            after_s=self.after_s,
            clock=self.clock,
            when=self.when,
            action=self.action,
            targets=tuple(self.targets),
            url=self.url,
            tier=self.tier,
        )


class VersionBody(CommandModel):
    """What a version of a policy says."""

    match: Match = Field(default_factory=dict)
    triggers: Annotated[list[Trigger], Field(min_length=1, max_length=4)]
    clocks: Annotated[list[ClockKindWord], Field(max_length=4, description="with sla; empty is every kind")] = Field(
        default_factory=list[ClockKindWord]
    )
    steps: Annotated[list[StepBody], Field(min_length=1, max_length=20)]
    rounds: Annotated[StrictInt, Field(ge=0, le=5, description="how often all steps are repeated")] = 1
    repeat_after_s: Annotated[StrictInt, Field(ge=60, le=7 * _DAY_S, description="after the last step")] = 3_600
    ack_timeout_s: Annotated[StrictInt, Field(ge=60, le=7 * _DAY_S)] = 3_600
    leads: Annotated[
        list[UUID], Field(max_length=20, description="who team_lead is; empty: the highest tier of the owner's teams")
    ] = Field(default_factory=list[UUID])
    calendar_id: UUID = OFFICE_HOURS_ID

    def version(self, policy_id: UUID, *, now: datetime) -> Version:
        """The first version; a later one gets its number where it is added."""
        return Version(
            policy_id=policy_id,
            version=1,
            state=VersionState.DRAFT,
            match=rule_of(self.match),
            triggers=tuple(dict.fromkeys(self.triggers)),
            clocks=tuple(dict.fromkeys(self.clocks)),
            steps=tuple(step.step() for step in self.steps),
            rounds=self.rounds,
            repeat_after_s=self.repeat_after_s,
            ack_timeout_s=self.ack_timeout_s,
            leads=tuple(dict.fromkeys(self.leads)),
            calendar_id=self.calendar_id,
            created_at=now,
        )


class AddPolicyBody(VersionBody):
    """A new policy with its first version, a draft."""

    name: Name
    priority: Priority = 50

    def policy(self, *, now: datetime) -> Policy:
        """What the use case takes, without its version."""
        return Policy(policy_id=new_id(), name=self.name, priority=self.priority, created_at=now)


class VersionShown(ResponseModel):
    """One version of a policy."""

    version: int
    state: VersionState
    match: MatchShown
    triggers: list[Trigger]
    clocks: list[str]
    steps: list[StepBody]
    rounds: int
    repeat_after_s: int
    ack_timeout_s: int
    leads: list[UUID]
    calendar_id: UUID
    created_at: datetime
    activated_at: datetime | None
    retired_at: datetime | None


class PolicyShown(ResponseModel):
    """A policy with all its versions, oldest first."""

    policy_id: UUID
    name: str
    priority: int
    created_at: datetime
    active_version: int | None
    versions: list[VersionShown]


class EscalateBody(CommandModel):
    """Why somebody asks for help: told to those who are notified."""

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]+$")]


class TakenShown(ResponseModel):
    """A step that was taken, and the agents it reached."""

    round: int
    step: int
    action: Action
    targets: list[str]
    reached: list[UUID]
    fired_at: datetime


class RunShown(ResponseModel):
    """A run. `next_step` is the one that comes next, `due_at` when it is looked at again (null: at the next event)."""

    run_id: UUID
    ticket_id: UUID
    policy_id: UUID
    policy_version: int
    trigger: Trigger
    state: RunState
    clock_id: UUID | None
    clock_kind: str
    percent: int
    reason: str
    started_at: datetime
    round: int
    next_step: int
    due_at: datetime | None
    acknowledged_by: str
    acknowledged_until: datetime | None
    ended_at: datetime | None
    end_reason: str
    steps: list[TakenShown]
    version: int


def show_policy(policy: Policy) -> PolicyShown:
    """The body of a policy."""
    active = (version.version for version in policy.versions if version.state is VersionState.ACTIVE)
    return PolicyShown(
        policy_id=policy.policy_id,
        name=policy.name,
        priority=policy.priority,
        created_at=policy.created_at,
        active_version=next(active, None),
        versions=[_show_version(version) for version in policy.versions],
    )


def show_run(run: Run, steps: Sequence[Taken] = ()) -> RunShown:
    """The body of a run."""
    return RunShown(
        run_id=run.run_id,
        ticket_id=run.ticket_id,
        policy_id=run.policy_id,
        policy_version=run.policy_version,
        trigger=run.trigger,
        state=run.state,
        clock_id=run.clock_id,
        clock_kind=run.clock_kind,
        percent=run.percent,
        reason=run.reason,
        started_at=run.started_at,
        round=run.round,
        next_step=run.next_step,
        due_at=run.due_at,
        acknowledged_by=run.acked_by,
        acknowledged_until=run.ack_until,
        ended_at=run.ended_at,
        end_reason=run.end_reason,
        steps=[
            TakenShown(
                round=taken.round,
                step=taken.step,
                action=Action(taken.action),
                targets=list(taken.targets),
                reached=list(taken.reached),
                fired_at=taken.fired_at,
            )
            for taken in steps
        ],
        version=run.version,
    )


def _show_version(version: Version) -> VersionShown:
    return VersionShown(
        version=version.version,
        state=version.state,
        match=cast("MatchShown", version.match),
        triggers=list(version.triggers),
        clocks=list(version.clocks),
        steps=[
            StepBody(
                after_s=step.after_s,
                clock=step.clock,
                when=step.when,
                action=step.action,
                targets=list(step.targets),
                url=step.url,
                tier=step.tier,
            )
            for step in version.steps
        ],
        rounds=version.rounds,
        repeat_after_s=version.repeat_after_s,
        ack_timeout_s=version.ack_timeout_s,
        leads=list(version.leads),
        calendar_id=version.calendar_id,
        created_at=version.created_at,
        activated_at=version.activated_at,
        retired_at=version.retired_at,
    )
