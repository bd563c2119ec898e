"""Who is meant by the targets of a step: agents who are there now. Mail goes to its address whoever is there."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.agents.domain import Agent
from escalation.agents.usecases import list_agents, list_fitting, list_highest
from escalation.escalations.policy import TARGET, Action, Step, Version
from escalation.tickets.domain import Ticket


def addresses_of(step: Step) -> tuple[str, ...]:
    """The mail addresses among a step's targets."""
    found = (TARGET.fullmatch(target) for target in step.targets)
    return tuple(match["email"] for match in found if match and match["email"])


class Reach:
    """Finds out who can be reached for one ticket, each target once."""

    def __init__(self, connection: AsyncConnection, ticket: Ticket, version: Version) -> None:
        """Args: version: says who leads where that is configured."""
        self._connection = connection
        self._ticket = ticket
        self._version = version
        self._known: dict[str, tuple[UUID, ...]] = {}

    async def agents(self, step: Step) -> tuple[UUID, ...]:
        """The agents whom a step's targets mean and who are there, each once."""
        found: dict[UUID, None] = {}
        for target in step.targets:
            if target not in self._known:
                self._known[target] = _present(await self._find(target))
            found |= dict.fromkeys(self._known[target])
        return tuple(found)

    async def unreachable(self, steps: Sequence[Step]) -> frozenset[int]:
        """The numbers (from 1) of those steps that would notify and have nobody to reach."""
        return frozenset(
            [
                number
                for number, step in enumerate(steps, start=1)
                if step.action is Action.NOTIFY and not addresses_of(step) and not await self.agents(step)
            ]
        )

    async def _find(self, target: str) -> Sequence[Agent]:
        match = TARGET.fullmatch(target)
        assert match is not None, "targets are checked when a policy is made"
        if target == "owner":
            return await self._owner()
        if target == "team_lead":
            return await self._leads()
        if match["tier"]:
            tier = int(match["tier"])
            fitting = await list_fitting(self._connection, tier=tier)
            return [agent for agent in fitting if agent.tier == tier]
        if match["team"]:
            return await list_fitting(self._connection, tier=1, teams=[match["team"]])
        if match["agent"]:
            return list((await list_agents(self._connection, [UUID(match["agent"])])).values())
        return ()

    async def _owner(self) -> Sequence[Agent]:
        owner = self._ticket.owner_id
        return list((await list_agents(self._connection, [owner])).values()) if owner else ()

    async def _leads(self) -> Sequence[Agent]:
        """Those whom the policy names; else the highest tier of the owner's teams, or of all where that is nobody."""
        if self._version.leads:
            return list((await list_agents(self._connection, self._version.leads)).values())
        owner = next(iter(await self._owner()), None)
        for teams in ((owner.teams,) if owner and owner.teams else ()) + ((),):
            leads = await list_highest(self._connection, teams=teams)
            others = [agent for agent in leads if agent.agent_id != self._ticket.owner_id]
            if _present(others):
                return others
        return ()


def _present(agents: Sequence[Agent]) -> tuple[UUID, ...]:
    return tuple(agent.agent_id for agent in agents if agent.active and agent.presence != "offline")
