"""All SQL of the directory."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import Conflict, NotFound
from common.statement import Statement
from routing.agents.domain import Agent, Load, Skill
from routing.agents.tables import agent as agent_table
from routing.agents.tables import skill as skill_table

_COLUMNS = tuple(each.name for each in fields(Agent) if each.name != "skills")

_SELECT = f"""
    select {", ".join(f"a.{name}" for name in _COLUMNS)},
           (select jsonb_object_agg(s.skill, s.level) from agent_skill s where s.agent_id = a.agent_id) as skills
      from agent a
"""  # noqa: S608 - column names come from the dataclass

_LIST = text(_SELECT + " where a.agent_id = any(cast(:ids as uuid[])) order by a.agent_id").columns(skills=JSONB)
_LOCK = text(_SELECT + " where a.agent_id = any(cast(:ids as uuid[])) order by a.agent_id for update of a").columns(
    skills=JSONB
)
_LIST_ACTIVE = text(_SELECT + " where a.active and a.agent_id > :after order by a.agent_id limit :limit").columns(
    skills=JSONB
)
_PAGE = text(
    _SELECT
    + """
     where a.agent_id > :after
       and (cast(:active as boolean) is null or a.active = :active)
       and (cast(:presence as text) is null or a.presence = :presence)
       and (cast(:team as text) is null or cast(:team as text) = any(a.teams))
       and (cast(:skill as text) is null
            or exists (select from agent_skill k where k.agent_id = a.agent_id and k.skill = :skill))
     order by a.agent_id limit :limit
    """
).columns(skills=JSONB)

_SAVE_SKILL = text("""
    insert into agent_skill (agent_id, skill, level)
    select :agent_id, skill, level from unnest(cast(:skills as text[]), cast(:levels as smallint[])) as s(skill, level)
    on conflict (agent_id, skill) do update set level = excluded.level
""")
_DROP_SKILLS = text("delete from agent_skill where agent_id = :agent_id and skill <> all(cast(:skills as text[]))")

_CHANGE_LOADS = Statement("""
    with change as (
        select * from unnest(
            cast(:ids as uuid[]), cast(:quarters as integer[]), cast(:offers as integer[]),
            cast(:taken as timestamptz[])
        ) as c(agent_id, quarters, offers, taken_at)
    ), held as materialized (
        select a.agent_id from agent a join change c using (agent_id) order by a.agent_id for update of a
    )
    update agent a
       set load_quarters = a.load_quarters + c.quarters,
           open_offers = a.open_offers + c.offers,
           idle_since = greatest(a.idle_since, c.taken_at)
      from change c join held using (agent_id)
     where a.agent_id = c.agent_id
""")

_TAKE_CAPACITY = Statement("""
    with wish as (
        select * from unnest(
            cast(:ids as uuid[]), cast(:facts_versions as bigint[]), cast(:quarters as integer[]),
            cast(:offers as integer[]), cast(:taken as timestamptz[])
        ) as w(agent_id, facts_version, quarters, offers, taken_at)
    ), held as materialized (
        select a.agent_id
          from agent a join wish w using (agent_id)
         where a.facts_version = w.facts_version
           and a.load_quarters + w.quarters <= a.max_weight * 4
           and a.open_offers + w.offers <= a.max_offers
         order by a.agent_id for update of a
    )
    update agent a
       set load_quarters = a.load_quarters + w.quarters,
           open_offers = a.open_offers + w.offers,
           idle_since = greatest(a.idle_since, w.taken_at)
      from wish w join held using (agent_id)
     where a.agent_id = w.agent_id
    returning a.agent_id
""")

_LIST_SKILLS = text("""
    select name, category, coalesce(parent, '') as parent, created_at from skill
     where name > :after order by name limit :limit
""")
_KNOWN_SKILLS = text("select name from skill where name = any(cast(:names as text[]))")
_TEAMS = text("""
    select team, count(*) as agents, count(*) filter (where presence = 'online') as online
      from agent, unnest(teams) as team where active group by team order by team
""")


async def list_agents(connection: AsyncConnection, ids: Sequence[UUID]) -> list[Agent]:
    """Those of the given agents that exist, active or not, by id."""
    return [_agent(row) for row in (await connection.execute(_LIST, {"ids": list(ids)})).mappings()]


async def lock_agents(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Agent]:
    """Those of the given agents that exist, locked in id order until the transaction ends."""
    found = await connection.execute(_LOCK, {"ids": list(ids)})
    return {agent.agent_id: agent for agent in map(_agent, found.mappings())}


async def lock_agent(connection: AsyncConnection, agent_id: UUID) -> Agent:
    """One agent, locked.

    Raises:
        NotFound: there is none of that id.
    """
    found = await lock_agents(connection, [agent_id])
    if agent_id not in found:
        raise NotFound("there is no such agent")
    return found[agent_id]


async def get_agent(connection: AsyncConnection, agent_id: UUID) -> Agent:
    """One agent.

    Raises:
        NotFound: there is none of that id.
    """
    found = await list_agents(connection, [agent_id])
    if not found:
        raise NotFound("there is no such agent")
    return found[0]


async def list_active(connection: AsyncConnection, *, after: UUID, limit: int) -> list[Agent]:
    """A page of the active agents by id."""
    found = await connection.execute(_LIST_ACTIVE, {"after": after, "limit": limit})
    return [_agent(row) for row in found.mappings()]


async def list_page(
    connection: AsyncConnection,
    *,
    after: UUID,
    limit: int,
    active: bool | None,
    presence: str | None,
    team: str | None,
    skill: str | None,
) -> list[Agent]:
    """A page of the directory by id, filtered where a filter is given."""
    values = {"after": after, "limit": limit, "active": active, "presence": presence, "team": team, "skill": skill}
    return [_agent(row) for row in (await connection.execute(_PAGE, values)).mappings()]


async def add_agent(connection: AsyncConnection, agent: Agent) -> bool:
    """Insert an agent with its skills; False where another one has the email address."""
    values = _values(agent)
    added = await connection.execute(
        insert(agent_table).values(values).on_conflict_do_nothing().returning(agent_table.c.agent_id)
    )
    if added.first() is None:
        return False
    await save_skills(connection, agent)
    return True


async def save_agent(connection: AsyncConnection, agent: Agent) -> None:
    """Write the entry of a locked agent, but not its load, which only changes by difference."""
    values = _values(agent)
    for name in ("agent_id", "load_quarters", "open_offers", "idle_since", "created_at"):
        del values[name]
    await connection.execute(agent_table.update().where(agent_table.c.agent_id == agent.agent_id).values(values))


async def save_entry(connection: AsyncConnection, agent: Agent) -> None:
    """Write the entry of a locked agent, whose email address may be another one than before.

    Raises:
        Conflict: `email_taken`.
    """
    try:
        async with connection.begin_nested():
            await save_agent(connection, agent)
    except IntegrityError as taken:
        raise Conflict("another agent has this email address", code="email_taken") from taken


async def save_skills(connection: AsyncConnection, agent: Agent) -> None:
    """Write the agent's skills, all of them."""
    names = list(agent.skills)
    await connection.execute(_DROP_SKILLS, {"agent_id": agent.agent_id, "skills": names})
    if names:
        values = {"agent_id": agent.agent_id, "skills": names, "levels": [agent.skills[name] for name in names]}
        await connection.execute(_SAVE_SKILL, values)


async def change_loads(connection: AsyncConnection, changes: Mapping[UUID, Load]) -> None:
    """Change loads by difference, whatever the capacity; agents are locked in id order."""
    ids = sorted(changes)
    values = {
        "ids": ids,
        "quarters": [changes[each].quarters for each in ids],
        "offers": [changes[each].offers for each in ids],
        "taken": [changes[each].taken_at for each in ids],
    }
    await _CHANGE_LOADS.fetch(connection, values)


async def take_capacity(
    connection: AsyncConnection, wishes: Mapping[UUID, Load], facts_versions: Mapping[UUID, int]
) -> set[UUID]:
    """Raise loads where the capacity allows it and nothing else changed; returns the agents for whom it did.

    Under READ COMMITTED the guards are evaluated again on the newest row after a wait for its lock, so that a manual
    take that commits meanwhile is never overshot. Source: PostgreSQL manual, 13.2.1.
    """
    ids = sorted(wishes)
    values = {
        "ids": ids,
        "facts_versions": [facts_versions[each] for each in ids],
        "quarters": [wishes[each].quarters for each in ids],
        "offers": [wishes[each].offers for each in ids],
        "taken": [wishes[each].taken_at for each in ids],
    }
    return {row["agent_id"] for row in await _TAKE_CAPACITY.fetch(connection, values)}


async def add_skill(connection: AsyncConnection, skill: Skill) -> bool:
    """Insert a skill; False where it exists."""
    values = {
        "name": skill.name,
        "category": skill.category,
        "parent": skill.parent or None,
        "created_at": skill.created_at,
    }
    added = await connection.execute(
        insert(skill_table).values(values).on_conflict_do_nothing().returning(skill_table.c.name)
    )
    return added.first() is not None


async def list_skills(connection: AsyncConnection, *, after: str, limit: int) -> list[Skill]:
    """A page of the skills by name."""
    found = await connection.execute(_LIST_SKILLS, {"after": after, "limit": limit})
    return [Skill(name=row.name, category=row.category, parent=row.parent, created_at=row.created_at) for row in found]


async def known_skills(connection: AsyncConnection, names: Sequence[str]) -> set[str]:
    """Those of the names that are skills."""
    return set((await connection.execute(_KNOWN_SKILLS, {"names": list(names)})).scalars())


async def list_teams(connection: AsyncConnection) -> list[tuple[str, int, int]]:
    """Every team that an active agent is in: its name, agents, and how many of them are online."""
    return [(row.team, row.agents, row.online) for row in await connection.execute(_TEAMS)]


def _agent(row: RowMapping) -> Agent:
    values: dict[str, Any] = dict(row)
    values["teams"] = tuple(values["teams"])
    values["languages"] = tuple(values["languages"])
    values["skills"] = MappingProxyType(values["skills"] or {})
    return Agent(**values)


def _values(agent: Agent) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(agent, name) for name in _COLUMNS}
    values["teams"] = list(agent.teams)
    values["languages"] = list(agent.languages)
    return values
