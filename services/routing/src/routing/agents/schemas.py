"""What callers send and get about agents. Every text, list and number has a limit."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StrictInt

from common.ids import new_id
from common.web import CommandModel, ResponseModel
from contracts.words import SkillNeed
from routing.agents.domain import (
    DEFAULT_MAX_OFFERS,
    DEFAULT_MAX_WEIGHT,
    MAX_LEVEL,
    Agent,
    EntryChanges,
    Skill,
)

SkillName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00/]+$")]
TeamName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]
Teams = Annotated[list[TeamName], Field(max_length=50)]
Language = Annotated[str, Field(max_length=35, pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="BCP 47")]
Languages = Annotated[list[Language], Field(max_length=50, description="none means no restriction")]
Tier = Annotated[StrictInt, Field(ge=1, le=3, description="1 entry, 2 mid, 3 senior")]
Level = Annotated[StrictInt, Field(ge=1, le=MAX_LEVEL)]
PersonName = Annotated[str, Field(min_length=1, max_length=300)]
Email = Annotated[str, Field(max_length=320, pattern=r"^([^@\s]+@[^@\s]+)?$")]
MaxWeight = Annotated[StrictInt, Field(ge=1, le=1_000, description="units of work that the agent takes at once")]
MaxOffers = Annotated[StrictInt, Field(ge=1, le=20, description="unanswered offers at once")]
PresenceWord = Literal["online", "away", "busy", "offline"]


class RegisterAgentBody(CommandModel):
    """A new agent."""

    name: PersonName
    email: Email = ""
    tier: Tier = 1
    max_weight: MaxWeight = DEFAULT_MAX_WEIGHT
    max_offers: MaxOffers = DEFAULT_MAX_OFFERS
    teams: Teams = Field(default_factory=list)
    languages: Languages = Field(default_factory=list)
    skills: dict[SkillName, Level] = Field(default_factory=dict, max_length=200)
    presence: PresenceWord = "offline"

    def agent(self, now: datetime) -> Agent:
        """The agent as the use case takes it."""
        return Agent(
            agent_id=new_id(),
            name=self.name,
            email=self.email,
            tier=self.tier,
            max_weight=self.max_weight,
            max_offers=self.max_offers,
            teams=unique(self.teams),
            languages=unique(self.languages),
            skills=dict(self.skills),
            presence=self.presence,
            presence_since=now,
            idle_since=now,
            created_at=now,
        )


class ChangeAgentBody(CommandModel):
    """Fields of the directory entry; what is absent stays."""

    name: PersonName | None = None
    email: Email | None = None
    tier: Tier | None = None
    max_weight: MaxWeight | None = None
    max_offers: MaxOffers | None = None
    teams: Teams | None = None
    languages: Languages | None = None

    def changes(self) -> EntryChanges:
        """The fields that were given."""
        changes = EntryChanges()
        if self.name is not None:
            changes["name"] = self.name
        if self.email is not None:
            changes["email"] = self.email
        if self.tier is not None:
            changes["tier"] = self.tier
        if self.max_weight is not None:
            changes["max_weight"] = self.max_weight
        if self.max_offers is not None:
            changes["max_offers"] = self.max_offers
        if self.teams is not None:
            changes["teams"] = unique(self.teams)
        if self.languages is not None:
            changes["languages"] = unique(self.languages)
        return changes


class SetSkillBody(CommandModel):
    """A level in a skill; 0 takes the skill away."""

    level: Annotated[StrictInt, Field(ge=0, le=MAX_LEVEL)]


class AddSkillBody(CommandModel):
    """A new skill."""

    name: SkillName
    category: str = Field(default="", max_length=100)
    parent: str = Field(default="", max_length=100)


class AgentShown(ResponseModel):
    """An agent. Loads are in quarter units of weight: a paused ticket keeps a quarter of its weight."""

    agent_id: UUID
    name: str
    email: str
    active: bool
    tier: int
    max_weight: int
    max_offers: int
    teams: list[str]
    languages: list[str]
    skills: dict[str, int]
    presence: str
    presence_since: datetime
    presence_set_by: str
    load_quarters: int
    capacity_quarters: int
    version: int
    created_at: datetime


class SkillShown(ResponseModel):
    """A skill that agents can have and work can ask for."""

    name: str
    category: str
    parent: str
    created_at: datetime


class TeamShown(ResponseModel):
    """A team: its active agents, and how many of them are online."""

    name: str
    agents: int
    online: int


class LoadShown(ResponseModel):
    """What an agent carries, in quarter units of weight; reserved: by open offers."""

    agent_id: UUID
    capacity_quarters: int
    load_quarters: int
    reserved_quarters: int
    free_quarters: int
    tickets: int
    offers: int


class AgentWorkShown(ResponseModel):
    """A ticket that an agent owns."""

    ticket_id: UUID
    number: int
    assignment_id: UUID
    method: str
    since: datetime
    quarters: int
    priority: str
    status: str
    queue_id: UUID


class NeedShown(ResponseModel):
    """A skill that is asked for."""

    skill: str
    level: int
    hard_level: int


class OfferShown(ResponseModel):
    """An offer; it can be answered while its state is open.

    Kind `own`: of a ticket that nobody owns. Kind `handoff`: the agent would take it over from its owner; its package
    is read from escalation by `handoff_id`.
    """

    offer_id: UUID
    ticket_id: UUID
    kind: str
    handoff_id: UUID | None
    tier_required: int
    needs: list[NeedShown]
    agent_id: UUID
    state: str
    quarters: int
    attempt: int
    offered_at: datetime
    expires_at: datetime
    reason: str


class OffersShown(ResponseModel):
    """An agent's open offers, the one that ends first in front."""

    items: list[OfferShown]


def unique(words: list[str]) -> tuple[str, ...]:
    """Each word once, in the order given."""
    return tuple(dict.fromkeys(words))


def show_agent(agent: Agent) -> AgentShown:
    """The agent as callers see it."""
    return AgentShown(
        agent_id=agent.agent_id,
        name=agent.name,
        email=agent.email,
        active=agent.active,
        tier=agent.tier,
        max_weight=agent.max_weight,
        max_offers=agent.max_offers,
        teams=list(agent.teams),
        languages=list(agent.languages),
        skills=dict(sorted(agent.skills.items())),
        presence=agent.presence,
        presence_since=agent.presence_since,
        presence_set_by=agent.presence_set_by,
        load_quarters=agent.load_quarters,
        capacity_quarters=agent.capacity_quarters,
        version=agent.version,
        created_at=agent.created_at,
    )


def show_need(need: SkillNeed) -> NeedShown:
    """The need as callers see it."""
    return NeedShown(skill=need.skill, level=need.level, hard_level=need.hard_level)


def show_skill(skill: Skill) -> SkillShown:
    """The skill as callers see it."""
    return SkillShown(name=skill.name, category=skill.category, parent=skill.parent, created_at=skill.created_at)
