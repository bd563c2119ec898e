"""Which events concern agents."""

from common.backbone.consumer import Handler
from contracts.routing import (
    AgentDeactivated,
    AgentPresenceChanged,
    AgentRegistered,
    AgentTierChanged,
    AgentUpdated,
)
from escalation.agents.usecases import follow_agents

HANDLER = Handler(
    name="agents",
    types=frozenset(
        body.event_type
        for body in (AgentDeactivated, AgentPresenceChanged, AgentRegistered, AgentTierChanged, AgentUpdated)
    ),
    apply=follow_agents,
)
