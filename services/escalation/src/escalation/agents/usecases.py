"""What can be done with the projection: fold a batch of events into it, and read it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Transaction
from contracts.envelope import Event
from contracts.registry import decode_body
from escalation.agents import store
from escalation.agents.domain import Agent, follow


async def follow_agents(tx: Transaction, events: Sequence[Event]) -> None:
    """Fold events, in their order per agent, into the projection; refuses nothing.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    ids = sorted({UUID(event.subject_id) for event in events})
    known = await store.list_agents(tx.connection, ids)
    agents: dict[UUID, Agent | None] = {agent_id: known.get(agent_id) for agent_id in ids}
    for event in events:
        body = decode_body(event)
        if body is not None:
            agent_id = UUID(event.subject_id)
            agents[agent_id] = follow(agents[agent_id], body)
    changed = [agent for agent_id, agent in agents.items() if agent is not None and agent != known.get(agent_id)]
    if changed:
        await store.save_agents(tx.connection, changed)


async def list_agents(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Agent]:
    """Those of the given agents that are known."""
    return await store.list_agents(connection, ids)


async def find_agent(connection: AsyncConnection, agent_id: UUID) -> Agent | None:
    """One agent, None where routing has not told of them (yet)."""
    return (await store.list_agents(connection, [agent_id])).get(agent_id)


async def list_fitting(
    connection: AsyncConnection, *, tier: int, teams: Sequence[str] = (), limit: int = 20
) -> Sequence[Agent]:
    """Active agents of at least this tier, in one of the teams (any where none is named).

    Returns:
        Those online first, then by tier: at most `limit`, none where nobody fits.
    """
    return await store.list_fitting(connection, tier=tier, teams=teams, limit=limit)


async def list_highest(connection: AsyncConnection, *, teams: Sequence[str] = (), limit: int = 20) -> Sequence[Agent]:
    """The active agents of the highest tier that there is in these teams (anywhere where none is named): their leads.

    Returns:
        Those online first: at most `limit`, none where the teams have nobody.
    """
    return await store.list_highest(connection, teams=teams, limit=limit)
