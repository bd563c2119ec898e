"""Agents and what may be changed of them. Tiers: 1 entry, 2 mid, 3 senior. Loads are in quarter units of weight."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TypedDict
from uuid import UUID

from common.errors import Conflict
from contracts.registry import Body
from contracts.routing import (
    AgentDeactivated,
    AgentPresenceChanged,
    AgentRegistered,
    AgentSkillChanged,
    AgentTierChanged,
    AgentUpdated,
)

QUARTERS = 4
"""Quarter units in one unit of weight: a paused ticket keeps a quarter of its weight."""

DEFAULT_MAX_WEIGHT = 10
DEFAULT_MAX_OFFERS = 1
MAX_LEVEL = 5

PRESENCES = ("online", "away", "busy", "offline")
"""Only an agent who is online is given work unasked."""

_NO_SKILLS: Mapping[str, int] = MappingProxyType({})

Change = tuple["Agent", tuple[Body, ...]]
"""The agent afterwards and the events that tell it."""


class AgentInactive(Conflict):
    """The agent has left and takes no work any more."""

    code = "agent_inactive"


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """One agent.

    `version` counts commands on the directory entry; `facts_version` counts every change that may make the agent
    eligible or not, so that a decision made on older facts is noticed. `offers_missed` counts expiries in a row.
    """

    agent_id: UUID
    name: str
    email: str
    tier: int
    max_weight: int
    max_offers: int
    teams: tuple[str, ...]
    languages: tuple[str, ...]
    presence_since: datetime
    idle_since: datetime
    created_at: datetime
    active: bool = True
    presence: str = "offline"
    presence_set_by: str = "agent"
    load_quarters: int = 0
    open_offers: int = 0
    offers_missed: int = 0
    facts_version: int = 1
    version: int = 1
    skills: Mapping[str, int] = field(default_factory=lambda: _NO_SKILLS)

    @property
    def capacity_quarters(self) -> int:
        """How much load the agent takes."""
        return self.max_weight * QUARTERS

    def has_room(self, quarters: int) -> bool:
        """Whether a new assignment of this weight fits beside what the agent already has."""
        return self.load_quarters + quarters <= self.capacity_quarters


class EntryChanges(TypedDict, total=False):
    """What a command may change of an agent's directory entry."""

    name: str
    email: str
    tier: int
    max_weight: int
    max_offers: int
    teams: tuple[str, ...]
    languages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Skill:
    """A skill that agents can have and work can ask for."""

    name: str
    category: str
    parent: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """By how much an agent's load and number of open offers change; `taken_at` is set by a new assignment."""

    quarters: int = 0
    offers: int = 0
    taken_at: datetime | None = None

    def plus(self, other: "Load") -> "Load":
        """Both changes together."""
        taken = [at for at in (self.taken_at, other.taken_at) if at is not None]
        return Load(
            quarters=self.quarters + other.quarters,
            offers=self.offers + other.offers,
            taken_at=max(taken, default=None),
        )

    @property
    def is_nothing(self) -> bool:
        """Whether it changes nothing."""
        return not self.quarters and not self.offers and self.taken_at is None


def register(agent: Agent) -> Change:
    """A new agent, with the skills and the presence that come along."""
    entry = AgentRegistered(
        agent_id=agent.agent_id,
        tier=agent.tier,
        max_weight=agent.max_weight,
        teams=agent.teams,
        languages=agent.languages,
    )
    skills = (
        AgentSkillChanged(agent_id=agent.agent_id, skill=skill, old=0, new=level)
        for skill, level in sorted(agent.skills.items())
    )
    # Everybody counts as offline until told otherwise.
    presence = ()
    if agent.presence != "offline":
        presence = (
            AgentPresenceChanged(agent_id=agent.agent_id, old="offline", new=agent.presence, set_by="supervisor"),
        )
    return agent, (entry, *skills, *presence)


def change_entry(agent: Agent, changes: EntryChanges) -> Change:
    """The directory entry as it shall be; no event where nothing differs.

    Raises:
        AgentInactive: the agent has left.
    """
    _require_active(agent)
    changed = replace(agent, **changes)
    if changed == agent:
        return agent, ()
    changed = replace(changed, version=agent.version + 1, facts_version=agent.facts_version + 1)
    events: list[Body] = []
    if changed.tier != agent.tier:
        events.append(AgentTierChanged(agent_id=agent.agent_id, old=agent.tier, new=changed.tier))
    entry = AgentUpdated(
        agent_id=agent.agent_id,
        tier=changed.tier,
        max_weight=changed.max_weight,
        teams=changed.teams,
        languages=changed.languages,
    )
    return changed, (*events, entry)


def set_skill(agent: Agent, skill: str, level: int, *, approved_by: str) -> Change:
    """Give the agent a skill at a level from 1 to 5, or take it away with 0.

    Raises:
        AgentInactive: the agent has left.
    """
    _require_active(agent)
    old = agent.skills.get(skill, 0)
    if old == level:
        return agent, ()
    skills = {name: known for name, known in agent.skills.items() if name != skill}
    if level:
        skills[skill] = level
    changed = replace(
        agent,
        skills=MappingProxyType(skills),
        version=agent.version + 1,
        facts_version=agent.facts_version + 1,
    )
    event = AgentSkillChanged(agent_id=agent.agent_id, skill=skill, old=old, new=level, approved_by=approved_by)
    return changed, (event,)


def set_presence(agent: Agent, presence: str, *, set_by: str, at: datetime) -> Change:
    """Move the presence; the version stays, because nobody's view of the entry becomes stale by it.

    Raises:
        AgentInactive: the agent has left.
    """
    _require_active(agent)
    if presence == agent.presence:
        return agent, ()
    event = AgentPresenceChanged(agent_id=agent.agent_id, old=agent.presence, new=presence, set_by=set_by)
    changed = replace(
        agent,
        presence=presence,
        presence_since=at,
        presence_set_by=set_by,
        offers_missed=0,
        facts_version=agent.facts_version + 1,
    )
    return changed, (event,)


def deactivate(agent: Agent, *, at: datetime) -> Change:
    """The agent leaves; a repeat changes nothing."""
    if not agent.active:
        return agent, ()
    gone, events = set_presence(agent, "offline", set_by="supervisor", at=at)
    gone = replace(gone, active=False, version=agent.version + 1, facts_version=agent.facts_version + 1)
    return gone, (*events, AgentDeactivated(agent_id=agent.agent_id))


def _require_active(agent: Agent) -> None:
    if not agent.active:
        raise AgentInactive
