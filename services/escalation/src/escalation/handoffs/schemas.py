"""What callers send and get about handoffs. Every text, list and number has a limit."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StrictBool, StrictInt

from common.web import CommandModel, ResponseModel
from contracts.words import SkillNeed
from escalation.handoffs.domain import (
    Addressee,
    DeclineReason,
    Handoff,
    Hypothesis,
    Package,
    PackageChanges,
    Reason,
    ReturnReason,
    State,
    StepTried,
)
from escalation.handoffs.package import completeness, missing

_MAX_ITEMS = 50
ShortText = Annotated[str, Field(max_length=2_000)]
LongText = Annotated[str, Field(max_length=10_000)]
Line = Annotated[str, Field(min_length=1, max_length=2_000)]
Tier = Annotated[StrictInt, Field(ge=1, le=3, description="1 entry, 2 mid, 3 senior")]
TeamName = Annotated[str, Field(min_length=1, max_length=100)]
AskedReason = Literal[
    "needs_expertise",
    "needs_access",
    "needs_seniority",
    "shift_end",
    "workload",
    "customer_request",
    "other",
]


class SkillBody(CommandModel):
    """A skill that the receiver needs: `level` at first, never below `hard_level` (0: may be dropped)."""

    skill: str = Field(min_length=1, max_length=100)
    level: Annotated[StrictInt, Field(ge=1, le=5)] = 1
    hard_level: Annotated[StrictInt, Field(ge=0, le=5)] = 0


class AddresseeBody(CommandModel):
    """Whom it is for.

    An agent alone; with a tier or teams that agent is asked first, and others after. Without a tier: the ticket's, or
    one above the sender's where the reason is expertise or seniority.
    """

    agent_id: UUID | None = None
    tier: Tier | None = None
    teams: list[TeamName] = Field(default=[], max_length=_MAX_ITEMS, description="any of these; none means all")
    skills: list[SkillBody] = Field(default=[], max_length=20)

    def wanted(self) -> Addressee:
        """What the use case takes."""
        return Addressee(
            agent_id=self.agent_id,
            tier=self.tier,
            teams=tuple(dict.fromkeys(self.teams)),
            skills=tuple(
                SkillNeed(skill=each.skill, level=each.level, hard_level=each.hard_level) for each in self.skills
            ),
        )


class StepBody(CommandModel):
    """Something that was tried."""

    step: Line
    outcome: Line


class HypothesisBody(CommandModel):
    """What may be the cause."""

    text: Line
    state: Literal["open", "supported", "refuted"] = "open"


class PackageBody(CommandModel):
    """The package, or the fields of it that change.

    A text is filled when it is not blank. A list is filled when it is given; an empty one says that there are none,
    but of `environment` and `steps_tried` there must be at least one entry.
    """

    restatement: LongText = Field(default="", description="the problem in the sender's words, as the customer agreed")
    impact_and_scope: LongText = ""
    environment: dict[Annotated[str, Field(min_length=1, max_length=100)], ShortText] | None = Field(
        default=None, max_length=_MAX_ITEMS
    )
    timeline_summary: LongText = ""
    steps_tried: list[StepBody] | None = Field(default=None, max_length=_MAX_ITEMS)
    hypotheses: list[HypothesisBody] | None = Field(default=None, max_length=_MAX_ITEMS)
    evidence: list[Line] | None = Field(default=None, max_length=_MAX_ITEMS, description="references, not contents")
    ask: LongText = Field(default="", description="what is asked of the receiver")
    customer_mood: ShortText = ""
    promises_made: list[Line] | None = Field(default=None, max_length=_MAX_ITEMS)
    deadlines_left: ShortText = ""

    def changes(self) -> PackageChanges:
        """The fields that were given."""
        given = self.model_fields_set
        changes = PackageChanges()
        if "restatement" in given:
            changes["restatement"] = self.restatement
        if "impact_and_scope" in given:
            changes["impact_and_scope"] = self.impact_and_scope
        if "environment" in given:
            changes["environment"] = self.environment
        if "timeline_summary" in given:
            changes["timeline_summary"] = self.timeline_summary
        if "steps_tried" in given:
            changes["steps_tried"] = _steps(self.steps_tried)
        if "hypotheses" in given:
            changes["hypotheses"] = _hypotheses(self.hypotheses)
        if "evidence" in given:
            changes["evidence"] = None if self.evidence is None else tuple(self.evidence)
        if "ask" in given:
            changes["ask"] = self.ask
        if "customer_mood" in given:
            changes["customer_mood"] = self.customer_mood
        if "promises_made" in given:
            changes["promises_made"] = None if self.promises_made is None else tuple(self.promises_made)
        if "deadlines_left" in given:
            changes["deadlines_left"] = self.deadlines_left
        return changes


def _steps(given: list[StepBody] | None) -> tuple[StepTried, ...] | None:
    return None if given is None else tuple(StepTried(step=each.step, outcome=each.outcome) for each in given)


def _hypotheses(given: list[HypothesisBody] | None) -> tuple[Hypothesis, ...] | None:
    return None if given is None else tuple(Hypothesis(text=each.text, state=each.state) for each in given)


class OpenHandoffBody(CommandModel):
    """A handoff. Only an emergency may be requested before its package is complete; a draft asks nobody yet."""

    to: AddresseeBody = AddresseeBody()
    reason_code: AskedReason
    package: PackageBody = PackageBody()
    emergency: StrictBool = Field(default=False, description="the package follows; it is due in half an hour")
    draft: StrictBool = False

    def reason(self) -> Reason:
        """As the domain names it."""
        return Reason(self.reason_code)

    def filled(self) -> Package:
        """The package as given."""
        return Package(**self.package.changes())


class DeclineBody(CommandModel):
    """Why the agent does not take it."""

    reason_code: DeclineReason


class ReturnBody(CommandModel):
    """What the receiver found, and what may be learnt from it."""

    reason_code: ReturnReason
    findings: str = Field(min_length=1, max_length=10_000)
    teaching_note: LongText = ""


class StepShown(ResponseModel):
    """Something that was tried."""

    step: str
    outcome: str


class HypothesisShown(ResponseModel):
    """What may be the cause."""

    text: str
    state: str


class PackageShown(ResponseModel):
    """What the receiver is given."""

    restatement: str
    impact_and_scope: str
    environment: dict[str, str] | None
    timeline_summary: str
    steps_tried: list[StepShown] | None
    hypotheses: list[HypothesisShown] | None
    evidence: list[str] | None
    ask: str
    customer_mood: str
    promises_made: list[str] | None
    deadlines_left: str


class SkillShown(ResponseModel):
    """A skill that the receiver needs."""

    skill: str
    level: int
    hard_level: int


class HandoffShown(ResponseModel):
    """One handoff.

    `ending` says why it was recalled or has ended: `sender, declined, expired, reassigned, sender_left` or the ticket's
    status. As long as it is `requested` all the same, routing has not said yet whether somebody was faster.
    """

    id: UUID
    ticket_id: UUID
    state: State
    from_agent_id: UUID
    from_tier: int
    reason_code: Reason
    emergency: bool
    to_agent_id: UUID | None
    only_agent: bool
    tier_required: int
    to_teams: list[str]
    skills: list[SkillShown]
    return_of: UUID | None
    package: PackageShown
    completeness: float
    missing: list[str]
    package_due_at: datetime | None
    package_completed_at: datetime | None
    created_at: datetime
    requested_at: datetime | None
    deadline: datetime | None
    expires_at: datetime | None
    offer_id: UUID | None
    offered_to: UUID | None
    offer_expires_at: datetime | None
    declines: int
    decline_code: str
    declined_by: UUID | None
    ending: str
    ended_at: datetime | None
    receiver_id: UUID | None
    receiver_tier: int | None
    assignment_id: UUID | None
    accepted_at: datetime | None
    customer_informed_at: datetime | None
    return_reason: str
    findings: str
    teaching_note: str
    returned_by: UUID | None
    updated_at: datetime
    version: int


def show(handoff: Handoff) -> HandoffShown:
    """The handoff as callers see it."""
    return HandoffShown(
        id=handoff.handoff_id,
        ticket_id=handoff.ticket_id,
        state=handoff.state,
        from_agent_id=handoff.from_agent_id,
        from_tier=handoff.from_tier,
        reason_code=handoff.reason_code,
        emergency=handoff.emergency,
        to_agent_id=handoff.to_agent_id,
        only_agent=handoff.only_agent,
        tier_required=handoff.tier_required,
        to_teams=list(handoff.to_teams),
        skills=[SkillShown(skill=each.skill, level=each.level, hard_level=each.hard_level) for each in handoff.skills],
        return_of=handoff.return_of,
        package=_show_package(handoff.package),
        completeness=round(completeness(handoff.package), 4),
        missing=missing(handoff.package),
        package_due_at=handoff.package_due_at,
        package_completed_at=handoff.package_completed_at,
        created_at=handoff.created_at,
        requested_at=handoff.requested_at,
        deadline=handoff.deadline,
        expires_at=handoff.expires_at,
        offer_id=handoff.offer_id,
        offered_to=handoff.offered_to,
        offer_expires_at=handoff.offer_expires_at,
        declines=handoff.declines,
        decline_code=handoff.decline_code,
        declined_by=handoff.declined_by,
        ending=handoff.ending,
        ended_at=handoff.ended_at,
        receiver_id=handoff.receiver_id,
        receiver_tier=handoff.receiver_tier,
        assignment_id=handoff.assignment_id,
        accepted_at=handoff.accepted_at,
        customer_informed_at=handoff.customer_informed_at,
        return_reason=handoff.return_reason,
        findings=handoff.findings,
        teaching_note=handoff.teaching_note,
        returned_by=handoff.returned_by,
        updated_at=handoff.updated_at,
        version=handoff.version,
    )


def _show_package(package: Package) -> PackageShown:
    steps, hypotheses = package.steps_tried, package.hypotheses
    return PackageShown(
        restatement=package.restatement,
        impact_and_scope=package.impact_and_scope,
        environment=None if package.environment is None else dict(package.environment),
        timeline_summary=package.timeline_summary,
        steps_tried=None if steps is None else [StepShown(step=one.step, outcome=one.outcome) for one in steps],
        hypotheses=None
        if hypotheses is None
        else [HypothesisShown(text=one.text, state=one.state) for one in hypotheses],
        evidence=None if package.evidence is None else list(package.evidence),
        ask=package.ask,
        customer_mood=package.customer_mood,
        promises_made=None if package.promises_made is None else list(package.promises_made),
        deadlines_left=package.deadlines_left,
    )
