"""Routes of the directory. What moves work too (presence, leaving) is a route of the work slice."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from common.web import (
    CurrentConnection,
    CurrentDatabase,
    CurrentLongPoll,
    CurrentTransaction,
    Cursor,
    IdempotencyKey,
    IfMatch,
    Limit,
    Page,
    ReadRoute,
    TransactionalRoute,
    decode_cursor,
    encode_cursor,
    needs_scope,
    set_etag,
)
from routing import queries
from routing.agents import usecases
from routing.agents.domain import Skill
from routing.agents.schemas import (
    AddSkillBody,
    AgentShown,
    AgentWorkShown,
    ChangeAgentBody,
    LoadShown,
    OfferShown,
    OffersShown,
    PresenceWord,
    RegisterAgentBody,
    SetSkillBody,
    SkillName,
    SkillShown,
    TeamName,
    TeamShown,
    show_agent,
    show_need,
    show_skill,
)

READ = needs_scope("agents:read")
WRITE = needs_scope("agents:write")
_FIRST_ID = UUID(int=0)

reads = APIRouter(prefix="/v1", route_class=ReadRoute, tags=["agents"])
commands = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["agents"])


@commands.post("/agents", status_code=201, dependencies=[WRITE])
async def register_agent(
    command: RegisterAgentBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> AgentShown:
    """Add an agent to the directory."""
    agent = await usecases.register_agent(tx, command.agent(tx.now))
    response.headers["location"] = f"/v1/agents/{agent.agent_id}"
    set_etag(response, agent.version)
    return show_agent(agent)


@reads.get("/agents", dependencies=[READ])
async def list_agents(
    connection: CurrentConnection,
    active: bool | None = None,
    presence: PresenceWord | None = None,
    team: TeamName | None = None,
    skill: SkillName | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[AgentShown]:
    """The directory, oldest entries first."""
    after = decode_cursor(cursor, UUID)
    agents = await usecases.list_page(
        connection,
        after=after[0] if after else _FIRST_ID,
        limit=limit + 1,
        active=active,
        presence=presence,
        team=team,
        skill=skill,
    )
    items = [show_agent(agent) for agent in agents[:limit]]
    more = len(agents) > limit
    return Page(items=items, next_cursor=encode_cursor(items[-1].agent_id) if more else None)


@reads.get("/agents/{agent_id}", dependencies=[READ])
async def get_agent(agent_id: UUID, connection: CurrentConnection, response: Response) -> AgentShown:
    """One agent."""
    agent = await usecases.get_agent(connection, agent_id)
    set_etag(response, agent.version)
    return show_agent(agent)


@commands.patch("/agents/{agent_id}", dependencies=[WRITE])
async def change_agent(
    agent_id: UUID, command: ChangeAgentBody, tx: CurrentTransaction, version: IfMatch, response: Response
) -> AgentShown:
    """Change fields of the directory entry."""
    agent = await usecases.change_agent(tx, agent_id, if_match=version, changes=command.changes())
    set_etag(response, agent.version)
    return show_agent(agent)


@commands.put("/agents/{agent_id}/skills/{skill}", dependencies=[WRITE])
async def set_skill(
    agent_id: UUID,
    skill: Annotated[SkillName, Path()],
    command: SetSkillBody,
    tx: CurrentTransaction,
    response: Response,
) -> AgentShown:
    """Set a level in a skill; 0 takes the skill away."""
    agent = await usecases.set_skill(tx, agent_id, skill, command.level, approved_by=tx.origin.actor)
    set_etag(response, agent.version)
    return show_agent(agent)


@reads.get("/agents/{agent_id}/load", dependencies=[READ])
async def get_load(agent_id: UUID, connection: CurrentConnection) -> LoadShown:
    """What the agent carries, and what is free."""
    agent = await usecases.get_agent(connection, agent_id)
    held = await queries.get_held(connection, agent_id)
    return LoadShown(
        agent_id=agent_id,
        capacity_quarters=agent.capacity_quarters,
        load_quarters=agent.load_quarters,
        reserved_quarters=held.reserved_quarters,
        free_quarters=max(0, agent.capacity_quarters - agent.load_quarters),
        tickets=held.tickets,
        offers=held.offers,
    )


@reads.get("/agents/{agent_id}/work", dependencies=[READ])
async def list_agent_work(
    agent_id: UUID, connection: CurrentConnection, cursor: Cursor = None, limit: Limit = 50
) -> Page[AgentWorkShown]:
    """The tickets that the agent owns, oldest first."""
    await usecases.get_agent(connection, agent_id)
    after = decode_cursor(cursor, UUID)
    owned = await queries.list_owned(connection, agent_id, after=after[0] if after else _FIRST_ID, limit=limit + 1)
    items = [AgentWorkShown(**asdict(each)) for each in owned[:limit]]
    more = len(owned) > limit
    return Page(items=items, next_cursor=encode_cursor(items[-1].ticket_id) if more else None)


@reads.get("/agents/{agent_id}/offers", dependencies=[READ])
async def list_offers(
    agent_id: UUID,
    database: CurrentDatabase,
    poll: CurrentLongPoll,
    wait_s: Annotated[int, Query(ge=0, le=30, description="How long to wait for an offer where there is none")] = 0,
) -> OffersShown:
    """The agent's open offers; with `wait_s` the answer comes as soon as there is one."""
    async with database.read() as connection:
        await usecases.get_agent(connection, agent_id)

    async def look() -> list[queries.OpenOffer]:
        async with database.read() as connection:
            return await queries.list_open_offers(connection, agent_id, now=database.clock.now())

    found = await poll.until(look, within=timedelta(seconds=wait_s))
    return OffersShown(items=[_show_offer(each) for each in found])


@commands.post("/skills", status_code=201, dependencies=[WRITE])
async def add_skill(command: AddSkillBody, tx: CurrentTransaction, _key: IdempotencyKey) -> SkillShown:
    """Make a skill known."""
    skill = Skill(name=command.name, category=command.category, parent=command.parent, created_at=tx.now)
    return show_skill(await usecases.add_skill(tx, skill))


@reads.get("/skills", dependencies=[READ])
async def list_skills(connection: CurrentConnection, cursor: Cursor = None, limit: Limit = 50) -> Page[SkillShown]:
    """All skills by name."""
    after = decode_cursor(cursor, str)
    skills = await usecases.list_skills(connection, after=after[0] if after else "", limit=limit + 1)
    items = [show_skill(skill) for skill in skills[:limit]]
    return Page(items=items, next_cursor=encode_cursor(items[-1].name) if len(skills) > limit else None)


@reads.get("/teams", dependencies=[READ])
async def list_teams(connection: CurrentConnection) -> Page[TeamShown]:
    """Every team that an active agent is in."""
    teams = await usecases.list_teams(connection)
    return Page(items=[TeamShown(name=name, agents=agents, online=online) for name, agents, online in teams])


def _show_offer(offer: queries.OpenOffer) -> OfferShown:
    values: dict[str, Any] = asdict(offer)
    values["kind"] = "own" if offer.handoff_id is None else "handoff"
    values["needs"] = [show_need(need) for need in offer.needs]
    return OfferShown(**values)
