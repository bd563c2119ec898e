"""All SQL of the agents' projection."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.agents.domain import Agent
from escalation.agents.tables import agent as agent_table

_COLUMNS = tuple(column.name for column in agent_table.columns)
_NAMES = ", ".join(_COLUMNS)
_MOVED = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "agent_id")

_LIST = text(f"select {_NAMES} from agent where agent_id = any(cast(:ids as uuid[]))")  # noqa: S608 - own names
_FITTING = text(
    f"""
    select {_NAMES} from agent
    where active and tier >= :tier and (cardinality(cast(:teams as text[])) = 0 or teams && cast(:teams as text[]))
    order by presence <> 'online', tier, agent_id limit :limit
    """  # noqa: S608 - own names
)
_HIGHEST = text(
    f"""
    with concerned as (
      select {_NAMES} from agent
      where active and (cardinality(cast(:teams as text[])) = 0 or teams && cast(:teams as text[]))
    )
    select {_NAMES} from concerned where tier = (select max(tier) from concerned)
    order by presence <> 'online', agent_id limit :limit
    """  # noqa: S608 - own names
)
_SAVE = text(
    f"""
    insert into agent ({_NAMES})
    select {_NAMES} from jsonb_populate_recordset(null::agent, cast(:rows as jsonb)) order by agent_id
    on conflict (agent_id) do update set {_MOVED}
    """  # noqa: S608 - own names
)


async def list_agents(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Agent]:
    """Those of the given agents that are known."""
    found = await connection.execute(_LIST, {"ids": list(ids)})
    agents = msgspec.convert([dict(row) for row in found.mappings()], list[Agent])
    return {agent.agent_id: agent for agent in agents}


async def list_fitting(connection: AsyncConnection, *, tier: int, teams: Sequence[str], limit: int) -> Sequence[Agent]:
    """See the use case of this name."""
    found = await connection.execute(_FITTING, {"tier": tier, "teams": list(teams), "limit": limit})
    return msgspec.convert([dict(row) for row in found.mappings()], list[Agent])


async def list_highest(connection: AsyncConnection, *, teams: Sequence[str], limit: int) -> Sequence[Agent]:
    """See the use case of this name."""
    found = await connection.execute(_HIGHEST, {"teams": list(teams), "limit": limit})
    return msgspec.convert([dict(row) for row in found.mappings()], list[Agent])


async def save_agents(connection: AsyncConnection, agents: Iterable[Agent]) -> None:
    """Insert or replace, in one statement."""
    await connection.execute(_SAVE, {"rows": msgspec.json.encode(list(agents)).decode()})
