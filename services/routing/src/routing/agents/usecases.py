"""What can be done with agents and skills. Whatever may make an agent eligible or not is told to the decider."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import Conflict, InvalidInput, NotFound, StaleVersion
from common.transaction import Transaction
from contracts.envelope import subject_of
from contracts.registry import Body
from routing.agents import domain, store
from routing.agents.domain import Agent, EntryChanges, Load, Skill
from routing.pools.domain import InputKind
from routing.pools.usecases import note_changes


async def register_agent(tx: Transaction, agent: Agent) -> Agent:
    """Add an agent to the directory, with the skills it brings.

    Raises:
        InvalidInput: a skill is not known.
        Conflict: `email_taken`.
    """
    await check_skills(tx.connection, {name: f"/skills/{name}" for name in agent.skills})
    agent, events = domain.register(agent)
    if not await store.add_agent(tx.connection, agent):
        raise Conflict("another agent has this email address", code="email_taken")
    await _tell(tx, agent, events)
    return agent


async def change_agent(tx: Transaction, agent_id: UUID, *, if_match: int, changes: EntryChanges) -> Agent:
    """Change fields of the directory entry.

    Args:
        changes: already checked.
    Raises:
        NotFound: there is no such agent.
        StaleVersion: `if_match` is not the entry's version.
        AgentInactive: the agent has left.
        Conflict: `email_taken`.
    """
    before = await store.lock_agent(tx.connection, agent_id)
    if before.version != if_match:
        raise StaleVersion
    agent, events = domain.change_entry(before, changes)
    if events:
        await store.save_entry(tx.connection, agent)
        await _tell(tx, agent, events)
    return agent


async def set_skill(tx: Transaction, agent_id: UUID, skill: str, level: int, *, approved_by: str) -> Agent:
    """Set an agent's level in a skill; 0 takes the skill away.

    Raises:
        NotFound: there is no such agent or skill.
        AgentInactive: the agent has left.
    """
    if not await store.known_skills(tx.connection, [skill]):
        raise NotFound("there is no such skill")
    agent = await store.lock_agent(tx.connection, agent_id)
    agent, events = domain.set_skill(agent, skill, level, approved_by=approved_by)
    if events:
        await store.save_skills(tx.connection, agent)
        await _save(tx, agent, events)
    return agent


async def set_presence(tx: Transaction, agent: Agent, presence: str, *, set_by: str) -> Agent:
    """Move the presence of an agent that this transaction has locked.

    Raises:
        AgentInactive: the agent has left.
    """
    agent, events = domain.set_presence(agent, presence, set_by=set_by, at=tx.now)
    await _save(tx, agent, events)
    return agent


async def deactivate_agent(tx: Transaction, agent: Agent) -> Agent:
    """Let an agent that this transaction has locked leave; what it owned is requeued by whoever calls this."""
    agent, events = domain.deactivate(agent, at=tx.now)
    await _save(tx, agent, events)
    return agent


async def count_missed_offer(tx: Transaction, agent: Agent, *, limit: int) -> Agent:
    """Note that a locked agent let an offer expire; the `limit`-th in a row sets the presence to away."""
    missed = agent.offers_missed + 1
    if missed >= limit and agent.active and agent.presence == "online":
        return await set_presence(tx, agent, "away", set_by="offer_timeout")
    agent = replace(agent, offers_missed=missed)
    await store.save_agent(tx.connection, agent)
    return agent


async def forget_missed_offers(tx: Transaction, agent: Agent) -> None:
    """A locked agent answered an offer, so the row of missed ones is broken."""
    if agent.offers_missed:
        await store.save_agent(tx.connection, replace(agent, offers_missed=0))


async def lock_agent(tx: Transaction, agent_id: UUID) -> Agent:
    """One agent, locked until the transaction ends.

    Raises:
        NotFound: there is no such agent.
    """
    return await store.lock_agent(tx.connection, agent_id)


async def lock_agents(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Agent]:
    """Those of the given agents that exist, locked in id order; lock work items before agents."""
    return await store.lock_agents(tx.connection, ids)


async def get_agent(connection: AsyncConnection, agent_id: UUID) -> Agent:
    """One agent.

    Raises:
        NotFound: there is no such agent.
    """
    return await store.get_agent(connection, agent_id)


async def list_agents(connection: AsyncConnection, ids: Sequence[UUID]) -> list[Agent]:
    """Those of the given agents that exist, by id."""
    return await store.list_agents(connection, ids)


async def list_active_agents(connection: AsyncConnection, *, after: UUID, limit: int) -> list[Agent]:
    """A page of the active agents by id."""
    return await store.list_active(connection, after=after, limit=limit)


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
    return await store.list_page(
        connection, after=after, limit=limit, active=active, presence=presence, team=team, skill=skill
    )


async def list_skills(connection: AsyncConnection, *, after: str, limit: int) -> list[Skill]:
    """A page of the skills by name."""
    return await store.list_skills(connection, after=after, limit=limit)


async def list_teams(connection: AsyncConnection) -> list[tuple[str, int, int]]:
    """Every team that an active agent is in: its name, agents, and how many of them are online."""
    return await store.list_teams(connection)


async def change_loads(tx: Transaction, changes: Mapping[UUID, Load]) -> None:
    """Change loads by difference and tell the decider. Never refused: only new unasked work is bound by capacity."""
    real = {agent_id: load for agent_id, load in changes.items() if not load.is_nothing}
    if real:
        await store.change_loads(tx.connection, real)
        await note_changes(tx, InputKind.AGENT, sorted(real))


async def take_capacity(tx: Transaction, wishes: Mapping[UUID, Load], facts_versions: Mapping[UUID, int]) -> set[UUID]:
    """Raise loads for new work where capacity and unchanged facts allow; returns the agents for whom they did.

    The decider's own guard: it already knows, so no input is written.
    """
    return await store.take_capacity(tx.connection, wishes, facts_versions)


async def add_skill(tx: Transaction, skill: Skill) -> Skill:
    """Make a skill known.

    Raises:
        Conflict: `skill_exists`.
        InvalidInput: the parent is not known.
    """
    if skill.parent and not await store.known_skills(tx.connection, [skill.parent]):
        raise InvalidInput("the parent is not known", pointers=[("/parent", "no such skill")])
    if not await store.add_skill(tx.connection, skill):
        raise Conflict("there is a skill of this name", code="skill_exists")
    return skill


async def check_skills(connection: AsyncConnection, pointers: Mapping[str, str]) -> None:
    """Refuse skills that nobody has made known.

    Args:
        pointers: by skill, where the request names it.
    Raises:
        InvalidInput: with a pointer to each unknown one.
    """
    known = await store.known_skills(connection, list(pointers))
    unknown = [(pointer, "no such skill") for name, pointer in pointers.items() if name not in known]
    if unknown:
        raise InvalidInput("some skills are not known", code="unknown_skill", pointers=unknown)


async def _save(tx: Transaction, agent: Agent, events: tuple[Body, ...]) -> None:
    if events:
        await store.save_agent(tx.connection, agent)
        await _tell(tx, agent, events)


async def _tell(tx: Transaction, agent: Agent, events: tuple[Body, ...]) -> None:
    tx.add_events(subject_of("agent", agent.agent_id), events)
    await note_changes(tx, InputKind.AGENT, [agent.agent_id])
