"""What callers send and get about work, offers and decisions. Every text, list and number has a limit."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from pydantic import Field, StrictInt, model_validator

from common.ids import new_id
from common.web import CommandModel, ResponseModel
from routing.agents.schemas import Language, NeedShown, OfferShown, PresenceWord, Tier, show_need
from routing.queues.schemas import NeedBody, WhyShown
from routing.tickets.domain import Ticket
from routing.work.domain import BAND_NAMES, CostTerms, Decision, Funnel
from routing.work.explanation import DecisionRecord, explain_decision, pack_decision, unpack_decision
from routing.work.item import HAND_BACKS_TO_ATTENTION, Assignment, Offer, Work, WorkItem, kind_of

_CODE = r"[a-z0-9][a-z0-9_-]{0,63}"
Code = Annotated[str, Field(pattern=rf"^{_CODE}$", description="a code of your own, for instance customer_vip")]
"""Events carry it to everybody, and keep it: a sentence about a person has no place there."""
CodeOrNone = Annotated[str, Field(pattern=rf"^({_CODE})?$", description="a code of your own; empty: none")]
ItemFilter = Literal["queued", "offered", "assigned", "done", "unroutable", "attention"]
PriorityWord = Literal["low", "normal", "high", "urgent"]
Text = Annotated[str, Field(max_length=200)]


class PresenceBody(CommandModel):
    """Where the agent is."""

    presence: PresenceWord


class AssignBody(CommandModel):
    """Who shall own the ticket; with `override_reason` capacity and eligibility do not count."""

    agent_id: UUID
    override_reason: CodeOrNone = ""


class RequeueBody(CommandModel):
    """Where the ticket waits from now on; without `queue_id` the match rules choose."""

    queue_id: UUID | None = None


class PullBody(CommandModel):
    """Who asks for work."""

    agent_id: UUID


class DeclineBody(CommandModel):
    """Why the agent hands the offer back."""

    reason: Code


class PreviewBody(CommandModel):
    """A ticket that does not exist, or with `ticket_id` one that waits; then nothing else is given."""

    ticket_id: UUID | None = None
    queue_id: UUID | None = None
    priority: PriorityWord = "normal"
    category: Text = ""
    component: Text = ""
    product: Text = ""
    channel: Text = ""
    system: Text = ""
    tags: list[Text] = Field(default_factory=list, max_length=50)
    language: Language | Literal[""] = ""
    tier_required: Tier = 1
    skills: list[NeedBody] = Field(default_factory=list, max_length=20)
    impact: Annotated[StrictInt, Field(ge=1, le=4)] = 3
    urgency: Annotated[StrictInt, Field(ge=1, le=4)] = 3

    @model_validator(mode="after")
    def _one_way(self) -> "PreviewBody":
        if self.ticket_id is not None and self.model_fields_set != {"ticket_id"}:
            raise ValueError("ticket_id is given alone")
        return self

    def ticket(self, now: datetime) -> Ticket:
        """The ticket that does not exist."""
        return Ticket(
            ticket_id=new_id(),
            number=0,
            status="new",
            priority=self.priority,
            impact=self.impact,
            urgency=self.urgency,
            category=self.category,
            component=self.component,
            product=self.product,
            language=self.language,
            channel=self.channel,
            system=self.system,
            tags=tuple(self.tags),
            organisation_id=None,
            requester_id=UUID(int=0),
            tier_required=self.tier_required,
            skills=tuple(each.need() for each in self.skills),
            created_at=now,
        )


class AssignmentShown(ResponseModel):
    """Who owns the ticket, since when and how that came about: with method `handoff` by this handoff."""

    assignment_id: UUID
    agent_id: UUID
    method: str
    quarters: int
    started_at: datetime
    decision_id: UUID | None
    override_reason: str
    handoff_id: UUID | None


class WorkShown(ResponseModel):
    """A work item. Its ETag moves with every change, also the decider's, because every command depends on that.

    `unroutable`: no agent at all could take it, see `missing`. `attention`: handed back so often that a person should
    look. Pauses, in seconds, are not wait. `excluded` are agents who are not given it unasked, and until when; the
    year 9999 stands for ever. `preferred` is asked first; nobody else is with `only_preferred`. Kind `handoff`: it asks
    for another agent beside the ticket's own work, whose owner stays until somebody accepts; `teams` are whom it asks.
    """

    ticket_id: UUID
    kind: str
    handoff_id: UUID | None
    queue_id: UUID
    state: str
    paused: bool
    unroutable: bool
    attention: bool
    priority: str
    weight: int
    tier_required: int
    needs: list[NeedShown]
    language: str
    target_s: int
    enqueued_at: datetime
    deadline: datetime
    paused_s: float
    ring: int
    attempt: int
    hand_backs: int
    pinned: bool
    excluded: dict[UUID, datetime]
    missing: list[str]
    preferred: UUID | None
    only_preferred: bool
    teams: list[str]
    assignment: AssignmentShown | None
    offer: OfferShown | None
    version: int


class ExplainedHandoffShown(WorkShown):
    """A handoff that somebody may still accept, with why it waits, where it does."""

    why: WhyShown | None = None


class ExplainedWorkShown(WorkShown):
    """A ticket's own work item with why it waits, where it does, and the handoff beside it, if one is running."""

    why: WhyShown | None = None
    handoff: ExplainedHandoffShown | None = None


class CostShown(ResponseModel):
    """What made the agent cheap or dear, in thousandths of points; proficiency and idle reduce the total.

    `preference` is what the agent costs more because another one is preferred.
    """

    tier: int
    flexibility: int
    proficiency: int
    packing: int
    idle: int
    preference: int
    total: int


class DecisionShown(ResponseModel):
    """A decision in words and numbers. Times in microseconds where the name says so; cost in thousandths of points."""

    decision_id: UUID | None
    ticket_id: UUID
    kind: str
    handoff_id: UUID | None
    agent_id: UUID
    decided_at: datetime | None
    pool: str
    epoch: int
    batch: int
    words: list[str]
    cause: str
    ring: int
    band: str
    wait_us: int
    slack_us: int
    cost: CostShown
    runner_up: UUID | None
    margin: int | None
    funnel: dict[str, int]


class PreviewShown(ResponseModel):
    """Who would get the ticket now; without a decision it would wait, and `why` says for what."""

    decision: DecisionShown | None
    why: WhyShown


def show_work(work: Work) -> WorkShown:
    """The work as callers see it."""
    return WorkShown(**work_values(work))


def work_values(work: Work) -> dict[str, Any]:
    """The members of `WorkShown`."""
    item = work.item
    return {
        "ticket_id": item.ticket_id,
        "kind": item.kind,
        "handoff_id": item.handoff_id,
        "queue_id": item.queue_id,
        "state": item.state,
        "paused": item.paused_at is not None,
        "unroutable": bool(item.missing),
        "attention": item.hand_backs >= HAND_BACKS_TO_ATTENTION,
        "priority": item.priority,
        "weight": item.weight,
        "tier_required": item.tier_required,
        "needs": [show_need(need) for need in item.needs],
        "language": item.language,
        "target_s": item.tau_s,
        "enqueued_at": item.enqueued_at,
        "deadline": item.deadline,
        "paused_s": item.paused_s,
        "ring": item.ring,
        "attempt": item.attempt,
        "hand_backs": item.hand_backs,
        "pinned": item.pinned,
        "excluded": dict(item.excluded),
        "missing": list(item.missing),
        "preferred": item.preferred,
        "only_preferred": item.only_preferred,
        "teams": list(item.teams),
        "assignment": _show_assignment(work.assignment) if work.assignment else None,
        "offer": _show_offer(work.offer, item) if work.offer else None,
        "version": item.version,
    }


def _show_offer(offer: Offer, item: WorkItem) -> OfferShown:
    return OfferShown(
        offer_id=offer.offer_id,
        ticket_id=offer.ticket_id,
        kind=offer.kind,
        handoff_id=offer.handoff_id,
        tier_required=item.tier_required,
        needs=[show_need(need) for need in item.needs],
        agent_id=offer.agent_id,
        state=offer.state,
        quarters=offer.quarters,
        attempt=offer.attempt,
        offered_at=offer.offered_at,
        expires_at=offer.expires_at,
        reason=offer.reason,
    )


def show_decision(
    packed: bytes,
    *,
    ticket_id: UUID,
    agent_id: UUID,
    handoff_id: UUID | None = None,
    decision_id: UUID | None = None,
    decided_at: datetime | None = None,
    pool: str = "",
    epoch: int = 0,
    batch: int = 0,
) -> DecisionShown:
    """A stored decision as callers see it."""
    record: DecisionRecord = unpack_decision(packed)
    cost = CostTerms(*record.cost)
    return DecisionShown(
        decision_id=decision_id,
        ticket_id=ticket_id,
        kind=kind_of(handoff_id),
        handoff_id=handoff_id,
        agent_id=agent_id,
        decided_at=decided_at,
        pool=pool,
        epoch=epoch,
        batch=batch,
        words=explain_decision(record),
        cause=record.cause,
        ring=record.ring,
        band=BAND_NAMES[record.band],
        wait_us=record.wait,
        slack_us=record.slack,
        cost=CostShown(**msgspec.structs.asdict(cost), total=cost.total),
        runner_up=UUID(record.runner_up) if record.runner_up else None,
        margin=record.margin,
        funnel=msgspec.structs.asdict(Funnel(*record.funnel)),
    )


def show_preview(decision: Decision) -> DecisionShown:
    """A decision that was not made."""
    return show_decision(pack_decision(decision), ticket_id=decision.work_id, agent_id=decision.agent_id)


def _show_assignment(assignment: Assignment) -> AssignmentShown:
    values = asdict(assignment)
    names: Sequence[str] = tuple(AssignmentShown.model_fields)
    return AssignmentShown(**{name: values[name] for name in names})
