"""What escalation knows of an agent, folded from routing's events. Tiers: 1 entry, 2 mid, 3 senior."""

from dataclasses import dataclass, replace
from uuid import UUID

from contracts.registry import Body
from contracts.routing import (
    AgentDeactivated,
    AgentPresenceChanged,
    AgentRegistered,
    AgentTierChanged,
    AgentUpdated,
)

HIGHEST_TIER = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """One agent. `presence` is `online, away, busy` or `offline`; one who is not `active` has left for good."""

    agent_id: UUID
    tier: int
    teams: tuple[str, ...]
    languages: tuple[str, ...]
    presence: str = "offline"
    active: bool = True


def follow(agent: Agent | None, body: Body) -> Agent | None:
    """The agent after one more event; None as long as nothing says who that is."""
    match body:
        case AgentRegistered() | AgentUpdated():
            return _entered(agent, body)
        case AgentTierChanged(new=tier) if agent is not None:
            return replace(agent, tier=tier)
        case AgentPresenceChanged(new=presence) if agent is not None:
            return replace(agent, presence=presence)
        case AgentDeactivated() if agent is not None:
            return replace(agent, active=False, presence="offline")
        case _:
            return agent


def _entered(agent: Agent | None, body: AgentRegistered | AgentUpdated) -> Agent:
    if agent is None:
        return Agent(agent_id=body.agent_id, tier=body.tier, teams=body.teams, languages=body.languages)
    return replace(agent, tier=body.tier, teams=body.teams, languages=body.languages)
