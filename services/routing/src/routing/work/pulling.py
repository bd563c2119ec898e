"""Agents who ask for work: the ticket of a desk that the rule would give them first."""

from datetime import datetime
from uuid import UUID

import msgspec

from common.errors import Conflict, InvalidInput
from common.ids import new_id
from common.transaction import Transaction
from routing.agents.domain import Agent, AgentInactive
from routing.agents.usecases import list_agents, lock_agent
from routing.queues.domain import Queue
from routing.queues.usecases import get_queue
from routing.work import moves, store
from routing.work.domain import Policy
from routing.work.engine import Engine
from routing.work.facts import agent_facts, to_micros, work_facts
from routing.work.item import Work
from routing.work.keeping import keep_one, tell
from routing.work.moves import Taking

_PULL_LOOKS_AT = 500
"""Tickets of a desk, those due first, that a pull chooses from."""


async def pull_next(tx: Transaction, queue_id: UUID, agent_id: UUID) -> Work:
    """Give an agent the ticket of a desk that the rule would give first, now and without asking others.

    Exclusions and presence do not count, since the agent asks; capacity, tier, skills and language do.

    Raises:
        NotFound: there is no such desk.
        InvalidInput: there is no such agent.
        AgentInactive: the agent has left.
        Conflict: `nothing_to_pull`.
    """
    queue = await get_queue(tx.connection, queue_id)
    found = await list_agents(tx.connection, [agent_id])
    if not found:
        raise InvalidInput("there is no such agent", pointers=[("/agent_id", "no such agent")])
    [asking] = found
    if not asking.active:
        raise AgentInactive
    room = asking.capacity_quarters - asking.load_quarters
    for ticket_id, quarters in await _rank_for(tx, queue, asking, room=room):
        if quarters > room:
            continue
        # Passing over what another transaction holds keeps the order of locks: no waiting with a lock in hand.
        before = (await store.lock_works(tx.connection, [ticket_id], skip_locked=True)).get(ticket_id)
        if before is None or not before.item.is_waiting or before.item.queue_id != queue_id:
            continue
        agent = await lock_agent(tx, agent_id)
        if not agent.active:
            raise AgentInactive
        room = agent.capacity_quarters - agent.load_quarters
        if before.item.quarters <= room:
            return await keep_one(tx, before, tell(tx, moves.assign(before, taking_of(agent, "pull", at=tx.now))))
    raise Conflict("nothing waits here that this agent can take now", code="nothing_to_pull")


async def _rank_for(tx: Transaction, queue: Queue, agent: Agent, *, room: int) -> list[tuple[UUID, int]]:
    """Tickets of a desk in the order in which the rule gives them to one agent who asks, with their weight in quarters.

    Those that fit are ranked with room for all of them, since others may take those in front meanwhile.

    Args:
        room: what the agent can take, in quarters.
    """
    if room <= 0:
        return []
    engine = Engine(Policy())
    now = to_micros(tx.now)
    for item in await store.list_first_waiting(tx.connection, queue.queue_id, limit=_PULL_LOOKS_AT):
        work = work_facts(item, queue, excluded={})
        if work.weight_quarters <= room:
            engine.put_work(msgspec.structs.replace(work, offered=False), now)
    facts = agent_facts(agent)
    enough = facts.load_quarters + facts.capacity_quarters * _PULL_LOOKS_AT
    asking = msgspec.structs.replace(facts, present=True, offers_left=1, capacity_quarters=enough)
    engine.put_agent(asking, now)
    return [(decision.work_id, decision.work.weight_quarters) for decision in engine.decide(now)]


def taking_of(agent: Agent, method: str, *, at: datetime, override_reason: str = "") -> Taking:
    """An agent, of whom everything is known, takes a ticket."""
    return Taking(
        agent_id=agent.agent_id,
        agent_tier=agent.tier,
        assignment_id=new_id(),
        method=method,
        at=at,
        override_reason=override_reason,
    )
