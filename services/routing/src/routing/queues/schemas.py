"""What callers send and get about desks. Every text, list and number has a limit."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StrictInt, model_validator

from common.ids import new_id
from common.match import MatchRule
from common.web import CommandModel, ResponseModel
from contracts.words import SkillNeed
from routing.agents.domain import MAX_LEVEL
from routing.agents.schemas import NeedShown, SkillName, Teams, show_need, unique
from routing.pools.domain import DEFAULT_POOL
from routing.queues.domain import (
    DEFAULT_EXCLUSION_S,
    DEFAULT_OFFER_LIFE_S,
    DEFAULT_TAU_S,
    Queue,
    QueueChanges,
)

_MAX_CONDITIONS = 20
_MAX_WHOLE = 2**53
Mode = Literal["auto", "offer"]
Text = Annotated[str, Field(max_length=200)]
Whole = Annotated[StrictInt, Field(ge=-_MAX_WHOLE, le=_MAX_WHOLE)]
Operand = Text | Whole | Annotated[list[Text | Whole], Field(max_length=100)]
Condition = Annotated[dict[Literal["eq", "in", "gte"], Operand], Field(min_length=1, max_length=3)]
Match = Annotated[
    dict[Annotated[str, Field(max_length=50)], Condition],
    Field(max_length=_MAX_CONDITIONS, description="all conditions must hold: {field: {eq | in | gte: value}}"),
]
QueueName = Annotated[str, Field(min_length=1, max_length=200)]
Priority = Annotated[StrictInt, Field(ge=1, le=100, description="1 is asked first")]
Target = Annotated[StrictInt, Field(ge=60, le=30 * 86_400, description="seconds")]
OfferLife = Annotated[StrictInt, Field(ge=10, le=3_600, description="seconds")]
Exclusion = Annotated[StrictInt, Field(ge=0, le=86_400, description="seconds")]


class NeedBody(CommandModel):
    """A skill that the desk's work needs: `level` at first, never below `hard_level` (0: may be dropped)."""

    skill: SkillName
    level: Annotated[StrictInt, Field(ge=1, le=MAX_LEVEL)] = 1
    hard_level: Annotated[StrictInt, Field(ge=0, le=MAX_LEVEL)] = 0

    @model_validator(mode="after")
    def _hard_at_most_level(self) -> "NeedBody":
        if self.hard_level > self.level:
            raise ValueError("hard_level must not be above level")
        return self

    def need(self) -> SkillNeed:
        """The need as the use case takes it."""
        return SkillNeed(skill=self.skill, level=self.level, hard_level=self.hard_level)


Needs = Annotated[list[NeedBody], Field(max_length=20)]


class TargetsBody(CommandModel):
    """Targets of the first response in seconds, by priority."""

    urgent: Target = DEFAULT_TAU_S["urgent"]
    high: Target = DEFAULT_TAU_S["high"]
    normal: Target = DEFAULT_TAU_S["normal"]
    low: Target = DEFAULT_TAU_S["low"]


class AddQueueBody(CommandModel):
    """A new desk."""

    name: QueueName
    match: Match = Field(default_factory=dict)
    priority: Priority = 50
    mode: Mode = "auto"
    required_skills: Needs = Field(default_factory=list)
    primary_teams: Teams = Field(default_factory=list)
    overflow_teams: Teams = Field(default_factory=list)
    tau_s: TargetsBody = TargetsBody()
    offer_life_s: OfferLife = DEFAULT_OFFER_LIFE_S
    exclusion_s: Exclusion = DEFAULT_EXCLUSION_S

    def queue(self, now: datetime) -> Queue:
        """The desk as the use case takes it."""
        return Queue(
            queue_id=new_id(),
            pool=DEFAULT_POOL,
            name=self.name,
            match=_rule(self.match),
            priority=self.priority,
            mode=self.mode,
            required_skills=tuple(each.need() for each in self.required_skills),
            primary_teams=unique(self.primary_teams),
            overflow_teams=unique(self.overflow_teams),
            tau_s=self.tau_s.model_dump(),
            offer_life_s=self.offer_life_s,
            exclusion_s=self.exclusion_s,
            created_at=now,
        )


class ChangeQueueBody(CommandModel):
    """Fields of a desk; what is absent stays."""

    name: QueueName | None = None
    match: Match | None = None
    priority: Priority | None = None
    mode: Mode | None = None
    required_skills: Needs | None = None
    primary_teams: Teams | None = None
    overflow_teams: Teams | None = None
    tau_s: TargetsBody | None = None
    offer_life_s: OfferLife | None = None
    exclusion_s: Exclusion | None = None

    def changes(self) -> QueueChanges:
        """The fields that were given."""
        changes = QueueChanges()
        if self.name is not None:
            changes["name"] = self.name
        if self.match is not None:
            changes["match"] = _rule(self.match)
        if self.priority is not None:
            changes["priority"] = self.priority
        if self.mode is not None:
            changes["mode"] = self.mode
        if self.required_skills is not None:
            changes["required_skills"] = tuple(each.need() for each in self.required_skills)
        if self.primary_teams is not None:
            changes["primary_teams"] = unique(self.primary_teams)
        if self.overflow_teams is not None:
            changes["overflow_teams"] = unique(self.overflow_teams)
        if self.tau_s is not None:
            changes["tau_s"] = self.tau_s.model_dump()
        if self.offer_life_s is not None:
            changes["offer_life_s"] = self.offer_life_s
        if self.exclusion_s is not None:
            changes["exclusion_s"] = self.exclusion_s
        return changes


class QueueShown(ResponseModel):
    """A desk. `catch_all`: it is asked last and matches everything."""

    queue_id: UUID
    name: str
    match: dict[str, dict[str, str | int | list[str | int]]]
    priority: int
    mode: str
    required_skills: list[NeedShown]
    primary_teams: list[str]
    overflow_teams: list[str]
    tau_s: dict[str, int]
    offer_life_s: int
    exclusion_s: int
    catch_all: bool
    version: int
    created_at: datetime


class QueueStatsShown(ResponseModel):
    """A desk in numbers. `waiting` counts what could be given away now; `oldest_wait_s` is without pauses."""

    queue_id: UUID
    waiting: int
    paused: int
    offered: int
    assigned: int
    late: int
    unroutable: int
    oldest_wait_s: int
    waiting_by_priority: dict[str, int]


class FunnelShown(ResponseModel):
    """How many agents were left after each filter, in the order in which the filters apply."""

    known: int
    present: int
    tier: int
    hard_skills: int
    skills: int
    language: int
    team: int
    not_excluded: int
    capacity: int
    unreserved: int


class WhyShown(ResponseModel):
    """Why a ticket waits, in words and numbers.

    `band` and `order` are its order key: lower goes first. `ahead` counts tickets like it that go first, among the
    first of the desk.
    """

    words: list[str]
    ring: int
    band: str
    order: str = Field(description="a whole number, in text because it may be large")
    ahead: int
    next_ring_at: datetime | None
    missing: list[str]
    funnel: FunnelShown


class WaitingShown(ResponseModel):
    """A ticket that is queued at a desk; `why` is absent while it is paused."""

    ticket_id: UUID
    number: int
    priority: str
    weight: int
    tier_required: int
    needs: list[NeedShown]
    language: str
    enqueued_at: datetime
    deadline: datetime
    paused: bool
    hand_backs: int
    why: WhyShown | None


def _rule(match: Match) -> MatchRule:
    return {name: {str(operator): operand for operator, operand in each.items()} for name, each in match.items()}


def show_queue(queue: Queue) -> QueueShown:
    """The desk as callers see it."""
    return QueueShown.model_validate(
        {
            "queue_id": queue.queue_id,
            "name": queue.name,
            "match": queue.match,
            "priority": queue.priority,
            "mode": queue.mode,
            "required_skills": [show_need(need) for need in queue.required_skills],
            "primary_teams": list(queue.primary_teams),
            "overflow_teams": list(queue.overflow_teams),
            "tau_s": dict(queue.tau_s),
            "offer_life_s": queue.offer_life_s,
            "exclusion_s": queue.exclusion_s,
            "catch_all": queue.catch_all,
            "version": queue.version,
            "created_at": queue.created_at,
        }
    )
