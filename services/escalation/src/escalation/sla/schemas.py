"""What callers send and get about policies, clocks and their proofs."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StrictBool, StrictInt

from common.web import CommandModel, ResponseModel
from escalation.calendars.domain import ALWAYS_ID
from escalation.sla.clocks import SECOND_US
from escalation.sla.domain import MAX_TARGET_S, WARNING_PERCENTS, Policy
from escalation.sla.proof import Open, Proof, Step
from escalation.tickets.schemas import Match, MatchShown, rule_of

ClockKind = Literal["first_response", "next_response", "resolution", "handoff_accept"]
Priority = Literal["low", "normal", "high", "urgent"]
HoldReason = Literal["third_party", "internal_dependency", "problem", "scheduled", "maintenance"]
Target = Annotated[StrictInt, Field(ge=60, le=MAX_TARGET_S, description="seconds of open time")]
Percent = Annotated[StrictInt, Field(ge=1, le=99)]
PolicyName = Annotated[str, Field(min_length=1, max_length=200)]


class TargetsBody(CommandModel):
    """A clock's target for each priority."""

    urgent: Target
    high: Target
    normal: Target
    low: Target


class PolicyBody(CommandModel):
    """A policy, as a draft.

    A clock without targets does not run. `calendars` overrides `calendar_id` for a priority. `pausing_holds` are the
    hold reasons under which the resolution clock stands still; `fresh` names clocks that begin anew when another
    policy or priority comes to hold, while all others carry on with what they have consumed.
    """

    name: PolicyName
    match: Match = Field(default_factory=dict)
    targets_s: Annotated[dict[ClockKind, TargetsBody], Field(min_length=1)]
    calendar_id: UUID = ALWAYS_ID
    calendars: dict[Priority, UUID] = Field(default_factory=dict)
    pausing_holds: Annotated[list[HoldReason], Field(max_length=5)] = Field(
        default_factory=lambda: ["third_party", "scheduled", "maintenance"]
    )
    next_response_pauses: StrictBool = False
    warning_percents: Annotated[list[Percent], Field(max_length=10)] = Field(
        default_factory=lambda: list(WARNING_PERCENTS)
    )
    reopen: Literal["resume", "restart", "ignore"] = "resume"
    human_reply_only: StrictBool = True
    fresh: Annotated[list[ClockKind], Field(max_length=4)] = Field(default_factory=list)

    def policy(self, policy_id: UUID, now: datetime) -> Policy:
        """The draft of a first version, as the use case takes it."""
        return Policy(
            policy_id=policy_id,
            version=1,
            state="draft",
            name=self.name,
            targets_s={kind: targets.model_dump() for kind, targets in self.targets_s.items()},
            calendar_id=self.calendar_id,
            match=rule_of(self.match),
            calendars={str(priority): each for priority, each in self.calendars.items()},
            pausing_holds=tuple(dict.fromkeys(self.pausing_holds)),
            next_response_pauses=self.next_response_pauses,
            warning_percents=tuple(sorted(set(self.warning_percents))),
            reopen=self.reopen,
            human_reply_only=self.human_reply_only,
            fresh=tuple(dict.fromkeys(self.fresh)),
            created_at=now,
        )


class OrderBody(CommandModel):
    """Every active policy once, in the order in which they are to be asked."""

    policy_ids: Annotated[list[UUID], Field(max_length=1_000)]


class PolicyShown(ResponseModel):
    """One version of a policy."""

    policy_id: UUID
    version: int
    state: str
    name: str
    match: MatchShown
    targets_s: dict[str, dict[str, int]]
    calendar_id: UUID
    calendars: dict[str, UUID]
    pausing_holds: list[str]
    next_response_pauses: bool
    warning_percents: list[int]
    reopen: str
    human_reply_only: bool
    fresh: list[str]
    created_at: datetime


class ClockShown(ResponseModel):
    """A clock as of now. `percent` of the target has been consumed; it may be above 100."""

    clock_id: UUID
    kind: str
    cycle: int
    handoff_id: UUID | None
    state: str
    started_at: datetime
    deadline: datetime | None
    target_s: int
    consumed_s: float
    percent: float
    breached_at: datetime | None
    breach_cause: str
    ended_at: datetime | None
    end_reason: str
    policy_id: UUID
    policy_version: int
    calendar_id: UUID
    calendar_version: int
    verdict: str


class SlaShown(ResponseModel):
    """A ticket's clocks as of `at`, oldest first."""

    ticket_id: UUID
    at: datetime
    clocks: list[ClockShown]


class OpenShown(ResponseModel):
    """A stretch in which the calendar is open, in UTC."""

    since: datetime
    until: datetime
    seconds: float


class StepShown(ResponseModel):
    """A line of the ledger: a run or a pause. `lasts` says that it has not ended; `until` is then `at` of the proof."""

    kind: str
    since: datetime
    until: datetime
    lasts: bool
    consumed_s: float
    total_s: float
    target_s: int
    policy_id: UUID
    policy_version: int
    calendar: str
    cause: str
    cause_event_id: UUID | None
    unearned: bool
    opened: list[OpenShown]


class ProofShown(ResponseModel):
    """A clock with every number that leads to its deadline or verdict."""

    clock: ClockShown
    policy: str
    calendar: str
    zone: str
    at: datetime
    steps: list[StepShown]
    consumed_s: float
    remaining_s: float
    ahead: list[OpenShown]
    text: str = Field(description="the same, printed; what Accept: text/plain gives")


def show_policy(policy: Policy) -> PolicyShown:
    """The policy as callers see it."""
    return PolicyShown.model_validate(
        {
            "policy_id": policy.policy_id,
            "version": policy.version,
            "state": policy.state,
            "name": policy.name,
            "match": policy.match,
            "targets_s": policy.targets_s,
            "calendar_id": policy.calendar_id,
            "calendars": policy.calendars,
            "pausing_holds": list(policy.pausing_holds),
            "next_response_pauses": policy.next_response_pauses,
            "warning_percents": list(policy.warning_percents),
            "reopen": policy.reopen,
            "human_reply_only": policy.human_reply_only,
            "fresh": list(policy.fresh),
            "created_at": policy.created_at,
        }
    )


def show_clock(proof: Proof) -> ClockShown:
    """The clock as callers see it."""
    clock = proof.clock
    return ClockShown(
        clock_id=clock.clock_id,
        kind=clock.kind,
        cycle=clock.cycle,
        handoff_id=clock.handoff_id,
        state=clock.state,
        started_at=clock.started_at,
        deadline=clock.deadline,
        target_s=clock.target_s,
        consumed_s=proof.consumed_us / SECOND_US,
        percent=round(100 * proof.consumed_us / (clock.target_s * SECOND_US), 2),
        breached_at=clock.breached_at,
        breach_cause=clock.breach_cause,
        ended_at=clock.ended_at,
        end_reason=clock.end_reason,
        policy_id=clock.policy_id,
        policy_version=clock.policy_version,
        calendar_id=clock.calendar_id,
        calendar_version=clock.calendar_version,
        verdict=proof.verdict,
    )


def show_proof(proof: Proof, text: str) -> ProofShown:
    """The proof as callers see it, with its text."""
    return ProofShown(
        clock=show_clock(proof),
        policy=proof.policy,
        calendar=proof.calendar,
        zone=proof.zone,
        at=proof.at,
        steps=[_show_step(step) for step in proof.steps],
        consumed_s=proof.consumed_us / SECOND_US,
        remaining_s=proof.remaining_us / SECOND_US,
        ahead=[_show_open(each) for each in proof.ahead],
        text=text,
    )


def _show_step(step: Step) -> StepShown:
    return StepShown(
        kind=step.kind,
        since=step.since,
        until=step.until,
        lasts=step.lasts,
        consumed_s=step.consumed_us / SECOND_US,
        total_s=step.total_us / SECOND_US,
        target_s=step.terms.target_s,
        policy_id=step.terms.policy_id,
        policy_version=step.terms.policy_version,
        calendar=step.calendar,
        cause=step.cause,
        cause_event_id=step.cause_event_id,
        unearned=step.unearned,
        opened=[_show_open(each) for each in step.opened],
    )


def _show_open(opened: Open) -> OpenShown:
    return OpenShown(since=opened.since, until=opened.until, seconds=opened.us / SECOND_US)
