"""What people and timers do with work: assign, hand back, pull, answer offers, come and go.

Locks are taken in one order everywhere: work items by id, then agents by id. The decider's guards are the same rows.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import Conflict, Forbidden, InvalidInput, NotFound, StaleVersion
from common.ids import new_id
from common.timers import set_timers
from common.transaction import Transaction
from routing.agents.domain import Agent, AgentInactive
from routing.agents.usecases import (
    count_missed_offer,
    deactivate_agent,
    forget_missed_offers,
    lock_agent,
    lock_agents,
)
from routing.agents.usecases import set_presence as move_presence
from routing.queues.domain import Queue, choose_queue
from routing.queues.usecases import get_queue, list_queues
from routing.tickets.domain import Ticket
from routing.tickets.usecases import list_tickets
from routing.work import moves, offering, store
from routing.work.domain import WorkFacts
from routing.work.facts import shortfalls, work_facts
from routing.work.item import DONE, OWN, Work, WorkDone, new_item
from routing.work.keeping import AGENT_LEFT_TIMER, keep, keep_one, tell
from routing.work.offering import MISSED_IN_A_ROW, OfferEnded
from routing.work.pulling import taking_of

_LEAVING_PAGE = 200
"""Tickets of an agent who left that one transaction takes back."""


class NotEligible(Conflict):
    """The agent lacks what the ticket asks for; give an override_reason to assign all the same."""

    code = "not_eligible"


class NoRoom(Conflict):
    """The agent's capacity is used up; give an override_reason to assign all the same."""

    code = "no_capacity"


async def assign_by_hand(
    tx: Transaction, ticket_id: UUID, agent_id: UUID, *, if_match: int, override_reason: str
) -> Work:
    """Make an agent the owner; an owner before is replaced.

    Args:
        override_reason: where not empty, capacity and eligibility do not count, and the event says why.
    Raises:
        NotFound: routing knows no such ticket.
        InvalidInput: there is no such agent.
        StaleVersion: the work changed since `if_match`.
        WorkDone: the ticket needs no agent.
        AgentInactive: the agent has left; no override helps.
        NotEligible, NoRoom: see there.
    """
    before = await _lock_for(tx, ticket_id, if_match)
    agents = await lock_agents(tx, sorted({agent_id, before.holder or agent_id}))
    agent = agents.get(agent_id)
    if agent is None:
        raise InvalidInput("there is no such agent", pointers=[("/agent_id", "no such agent")])
    work = tell(tx, offering.rescind(before, at=tx.now, reason="assigned"))
    if work.assignment is None or work.assignment.agent_id != agent_id:
        held = before.offer.quarters if before.offer and before.offer.agent_id == agent_id else 0
        queue = await get_queue(tx.connection, before.item.queue_id)
        _check_by_hand(agent, work, queue, held=held, override_reason=override_reason)
    taking = taking_of(agent, "manual", at=tx.now, override_reason=override_reason)
    return await keep_one(tx, before, tell(tx, moves.assign(work, taking)))


async def unassign(tx: Transaction, ticket_id: UUID, *, if_match: int) -> Work:
    """Take the owner off; the ticket waits again where it stood, and the owner is not given it unasked for a while.

    Raises:
        NotFound, StaleVersion: as in `assign_by_hand`.
        NotAssigned: nobody owns the ticket.
    """
    before = await _lock_for(tx, ticket_id, if_match)
    until = tx.now + (await get_queue(tx.connection, before.item.queue_id)).exclusion
    change = moves.hand_back(before, at=tx.now, reason="manual", cause="returned", excluded_until=until)
    return await keep_one(tx, before, tell(tx, change))


async def requeue(tx: Transaction, ticket_id: UUID, *, if_match: int, queue_id: UUID | None) -> Work:
    """Put the ticket back into a queue, whoever has it; its enqueue time stays.

    Args:
        queue_id: the desk to wait at from now on, whatever its facts; None lets the match rules choose, now and
            whenever the facts change.
    Raises:
        NotFound: routing knows no such ticket.
        InvalidInput: there is no such desk.
        StaleVersion: the work changed since `if_match`.
        WorkDone: the ticket needs no agent.
    """
    before = await _lock_for(tx, ticket_id, if_match)
    if before.item.state == DONE:
        raise WorkDone
    queue = await _named_queue(tx.connection, queue_id) if queue_id else await _choose(tx, ticket_id)
    desk, pinned = (queue.queue_id, queue.pool), queue_id is not None
    work = tell(tx, offering.rescind(before, at=tx.now, reason="requeued"))
    if work.assignment is not None:
        until = tx.now + (await get_queue(tx.connection, work.item.queue_id)).exclusion
        work = moves.settle(work, desk=desk, pinned=pinned)
        work = tell(tx, moves.hand_back(work, at=tx.now, reason="requeued", cause="requeued", excluded_until=until))
    elif pinned or work.item.pinned or queue.queue_id != work.item.queue_id:
        work = tell(tx, moves.move(work, desk=desk, pinned=pinned))
    return await keep_one(tx, before, work)


async def accept_offer(tx: Transaction, offer_id: UUID) -> Work:
    """The agent takes an offer, and owns the ticket; of a handoff, in place of its owner.

    Returns:
        The ticket's own work.
    Raises:
        NotFound: there is no such offer.
        OfferEnded: it was answered, has expired or was taken back.
        Forbidden: another agent acts.
        AgentInactive: the agent has left.
    """
    before, own = await _lock_offered(tx, offer_id)
    offer = before.offer
    assert offer is not None
    owner = own.assignment.agent_id if own.assignment else offer.agent_id
    agent = (await lock_agents(tx, sorted({offer.agent_id, owner})))[offer.agent_id]
    if not agent.active:
        raise AgentInactive
    await forget_missed_offers(tx, agent)
    if offer.kind == OWN:
        accepted = offering.accept(before, agent_tier=agent.tier, assignment_id=new_id(), at=tx.now)
        return await keep_one(tx, before, tell(tx, accepted))
    done, taken = offering.accept_handoff(before, own, agent_tier=agent.tier, assignment_id=new_id(), at=tx.now)
    handoff, work = tell(tx, done), tell(tx, taken)
    await keep(tx, {before.item.work_id: before, own.item.work_id: own}, [work, handoff])
    return work


async def decline_offer(tx: Transaction, offer_id: UUID, *, reason: str) -> Work:
    """The agent hands an offer back.

    Returns:
        The work that was offered: the ticket's own, or its handoff.
    Raises:
        NotFound, OfferEnded, Forbidden: as in `accept_offer`.
    """
    before, _ = await _lock_offered(tx, offer_id)
    assert before.offer is not None
    queue = await get_queue(tx.connection, before.item.queue_id)
    agent = await lock_agent(tx, before.offer.agent_id)
    declined = offering.decline(before, at=tx.now, reason=reason, exclusion=queue.exclusion)
    await forget_missed_offers(tx, agent)
    return await keep_one(tx, before, tell(tx, declined))


async def expire_offer(tx: Transaction, offer_id: UUID, _generation: int) -> None:
    """Timer: an offer's time is over; nothing happens where it was answered."""
    offer = await store.find_offer(tx.connection, offer_id)
    if offer is None:
        return
    found = await store.lock_works(tx.connection, [offer.work_id])
    before = found.get(offer.work_id)
    if before is None or before.offer is None or before.offer.offer_id != offer_id:
        return
    queue = await get_queue(tx.connection, before.item.queue_id)
    agent = await lock_agent(tx, offer.agent_id)
    work = tell(tx, offering.expire(before, at=tx.now, exclusion=queue.exclusion))
    await keep_one(tx, before, work)
    agent = await count_missed_offer(tx, agent, limit=MISSED_IN_A_ROW)
    if agent.presence != "online":
        await _take_back_later(tx, agent.agent_id)


async def set_presence(tx: Transaction, agent_id: UUID, presence: str, *, set_by: str) -> Agent:
    """Move an agent's presence. Owned work stays; open offers are taken back from who is not online any more.

    Raises:
        NotFound: there is no such agent.
        AgentInactive: the agent has left.
    """
    before: dict[UUID, Work] = {}
    if presence != "online":
        before = await store.lock_works(tx.connection, await store.list_offered_to(tx.connection, agent_id))
    agent = await move_presence(tx, await lock_agent(tx, agent_id), presence, set_by=set_by)
    taken_back = await _rescind_all(tx, before, agent_id, reason=presence)
    if presence != "online" and agent.open_offers > taken_back:
        # An offer was made after the list was read; its lock would come after the agent's.
        await _take_back_later(tx, agent_id)
    return agent


async def let_go(tx: Transaction, agent_id: UUID) -> Agent:
    """The agent leaves: nothing new comes, and a timer takes back what the agent has.

    The work is taken back in transactions of their own, because there may be much of it and because its locks come
    before the agent's. A repeat changes nothing.

    Raises:
        NotFound: there is no such agent.
    """
    agent = await deactivate_agent(tx, await lock_agent(tx, agent_id))
    await _take_back_later(tx, agent_id)
    return agent


async def take_back_work(tx: Transaction, agent_id: UUID, _generation: int) -> None:
    """Timer: an agent is not online, so open offers are taken back; of one who left, a page of owned work too."""
    owned = await store.list_owned_by(tx.connection, agent_id, limit=_LEAVING_PAGE)
    offered = await store.list_offered_to(tx.connection, agent_id)
    before = await store.lock_works(tx.connection, sorted({*owned, *offered}))
    agent = await lock_agent(tx, agent_id)
    if agent.active and agent.presence == "online":
        return
    await _rescind_all(tx, before, agent_id, reason=agent.presence if agent.active else "agent_left")
    if agent.active:
        return
    mine = {
        work_id: work
        for work_id, work in before.items()
        if work.assignment is not None and work.assignment.agent_id == agent_id
    }
    after = [
        tell(tx, moves.hand_back(work, at=tx.now, reason="agent_left", cause="agent_left", excluded_until=None))
        for work in mine.values()
    ]
    await keep(tx, mine, after)
    if len(owned) == _LEAVING_PAGE:
        await _take_back_later(tx, agent_id)


async def get_work(connection: AsyncConnection, ticket_id: UUID) -> Work:
    """One ticket's work as it is.

    Raises:
        NotFound: routing knows no such ticket.
    """
    found = await store.read_works(connection, [ticket_id])
    if ticket_id not in found:
        raise NotFound("routing knows no such ticket")
    return found[ticket_id]


async def find_handoff_of(connection: AsyncConnection, ticket_id: UUID) -> Work | None:
    """The ticket's handoff that somebody may still accept; None without one."""
    return await store.find_handoff_of(connection, ticket_id)


async def read_works(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Work]:
    """Those of the given tickets that have a work item, as they are."""
    return await store.read_works(connection, ids)


async def facts_of_waiting(connection: AsyncConnection, ticket_id: UUID) -> WorkFacts:
    """What the engine is told of a ticket that waits.

    Raises:
        NotFound: routing knows no such ticket.
        WorkDone: the ticket does not wait.
    """
    item = (await get_work(connection, ticket_id)).item
    if not item.is_waiting:
        raise WorkDone("the ticket does not wait for an agent")
    return work_facts(item, await get_queue(connection, item.queue_id))


async def facts_of(connection: AsyncConnection, ticket: Ticket, *, queue_id: UUID | None) -> WorkFacts:
    """What the engine would be told of a ticket that arrived now.

    Args:
        queue_id: the desk to imagine it at; None lets the match rules choose.
    Raises:
        InvalidInput: there is no such desk.
    """
    if queue_id is not None:
        queue = await _named_queue(connection, queue_id)
    else:
        queue = choose_queue(await list_queues(connection), ticket.facts())
    return work_facts(new_item(ticket, queue, at=ticket.created_at), queue)


async def _take_back_later(tx: Transaction, agent_id: UUID) -> None:
    """In a transaction of its own, because the locks of work come before the agent's."""
    await set_timers(tx, AGENT_LEFT_TIMER, [(agent_id, 0, tx.now)])


async def _rescind_all(tx: Transaction, works: dict[UUID, Work], agent_id: UUID, *, reason: str) -> int:
    """Take back what is offered to the agent; returns how many offers that were."""
    mine = {
        work_id: work for work_id, work in works.items() if work.offer is not None and work.offer.agent_id == agent_id
    }
    after = [tell(tx, offering.rescind(work, at=tx.now, reason=reason)) for work in mine.values()]
    await keep(tx, mine, after)
    return len(mine)


async def _lock_for(tx: Transaction, ticket_id: UUID, if_match: int) -> Work:
    work = await store.lock_work(tx.connection, ticket_id)
    if work.item.version != if_match:
        raise StaleVersion
    return work


async def _lock_offered(tx: Transaction, offer_id: UUID) -> tuple[Work, Work]:
    """What an open offer offers, and the ticket's own work, which for an own offer is the same."""
    offer = await store.find_offer(tx.connection, offer_id)
    if offer is None:
        raise NotFound("there is no such offer")
    if tx.origin.actor.startswith("agent:") and tx.origin.actor != f"agent:{offer.agent_id}":
        raise Forbidden("the offer was made to another agent", code="not_your_offer")
    works = await store.lock_works(tx.connection, [offer.ticket_id, offer.work_id])
    work = works[offer.work_id]
    if work.offer is None or work.offer.offer_id != offer_id:
        raise OfferEnded
    return work, works[offer.ticket_id]


async def _named_queue(connection: AsyncConnection, queue_id: UUID) -> Queue:
    """The desk that a request's body names."""
    try:
        return await get_queue(connection, queue_id)
    except NotFound as unknown:
        raise InvalidInput("there is no such queue", pointers=[("/queue_id", "no such queue")]) from unknown


async def _choose(tx: Transaction, ticket_id: UUID) -> Queue:
    ticket = (await list_tickets(tx.connection, [ticket_id]))[ticket_id]
    return choose_queue(await list_queues(tx.connection), ticket.facts())


def _check_by_hand(agent: Agent, work: Work, queue: Queue, *, held: int, override_reason: str) -> None:
    """Raises what keeps a person from assigning; `held` is what an offer to the same agent has reserved."""
    if not agent.active:
        raise AgentInactive
    if override_reason:
        return
    missing: Sequence[str] = shortfalls(agent, work.item, queue)
    if missing:
        raise NotEligible(f"the agent lacks {', '.join(missing)}; give an override_reason to assign all the same")
    if not agent.has_room(work.item.quarters - held):
        raise NoRoom
