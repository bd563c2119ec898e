"""Desks that offer: reserve, answer, expire, hand back."""

from datetime import timedelta
from uuid import UUID

import pytest

from common.errors import Forbidden
from common.transaction import Transaction
from routing.agents.domain import Agent
from routing.work import usecases
from routing.work.offering import OfferEnded
from tests.integration.routing.conftest import Routing


async def offered(routing: Routing, ticket: UUID) -> tuple[UUID, UUID]:
    """The ticket's open offer and whom it is made to."""
    offer = (await routing.work(ticket)).offer
    assert offer is not None
    return offer.offer_id, offer.agent_id


async def test_an_offer_reserves_and_becomes_an_assignment_when_accepted(routing: Routing) -> None:
    await routing.offer_mode()
    agent = await routing.agent()
    decider = await routing.decider()
    ticket, second = await routing.open(), await routing.open()
    await decider.decide_once()
    offer_id, to = await offered(routing, ticket)
    assert to == agent
    assert await routing.load(agent) == 4, "the offer reserves its weight"
    assert (await routing.work(second)).offer is None, "one unanswered offer at a time"

    with pytest.raises(Forbidden):
        async with routing.begin("agent:00000000-0000-7000-8000-00000000dead") as tx:
            await usecases.accept_offer(tx, offer_id)
    async with routing.begin(f"agent:{agent}") as tx:
        await usecases.accept_offer(tx, offer_id)
    assert await routing.owner(ticket) == agent
    assert await routing.load(agent) == 4
    assert await routing.told(ticket) == [
        "work.enqueued",
        "assignment.offered",
        "assignment.accepted",
        "assignment.assigned",
    ]
    with pytest.raises(OfferEnded):
        async with routing.begin() as tx:
            await usecases.accept_offer(tx, offer_id)
    await decider.decide_once()
    await offered(routing, second)
    assert await routing.violations() == {}


async def test_a_declined_offer_goes_to_another_and_the_place_is_kept(routing: Routing) -> None:
    await routing.offer_mode()
    first = await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    second = await routing.agent()
    before = (await routing.work(ticket)).item
    offer_id, _ = await offered(routing, ticket)
    async with routing.begin() as tx:
        await usecases.decline_offer(tx, offer_id, reason="not my field")
    await decider.decide_once()
    _, to = await offered(routing, ticket)
    after = (await routing.work(ticket)).item

    assert to == second
    assert await routing.load(first) == 0
    assert (after.enqueued_at, after.attempt, after.hand_backs) == (before.enqueued_at, 2, 1)
    assert (await routing.told(ticket))[1:] == [
        "assignment.offered",
        "assignment.declined",
        "work.enqueued",
        "assignment.offered",
    ]
    assert await routing.violations() == {}


async def test_two_expired_offers_in_a_row_set_the_agent_away(routing: Routing) -> None:
    await routing.offer_mode()
    agent = await routing.agent()
    decider = await routing.decider()
    ticket, second = await routing.open(), await routing.open()
    await decider.decide_once()
    routing.clock.move(timedelta(seconds=119))
    await routing.fire_due()
    offer_id, _ = await offered(routing, ticket)
    routing.clock.move(timedelta(seconds=1))
    with pytest.raises(OfferEnded):
        async with routing.begin() as tx:
            await usecases.accept_offer(tx, offer_id)
    await routing.fire_due()
    assert (await routing.look_at_agent(agent)).offers_missed == 1

    await decider.decide_once()
    await offered(routing, second)
    routing.clock.move(timedelta(seconds=120))
    await routing.fire_due()
    shown = await routing.look_at_agent(agent)
    assert (shown.presence, shown.presence_set_by, shown.load_quarters) == ("away", "offer_timeout", 0)
    assert await routing.told(ticket) == [
        "work.enqueued",
        "assignment.offered",
        "assignment.offer_expired",
        "work.enqueued",
    ]
    assert (await routing.told(agent))[-1] == "agent.presence_changed"
    assert await routing.violations() == {}


async def test_an_answer_breaks_the_row_of_missed_offers(routing: Routing) -> None:
    await routing.offer_mode()
    agent = await routing.agent()
    decider = await routing.decider()
    ticket, second = await routing.open(), await routing.open()
    await decider.decide_once()
    routing.clock.move(timedelta(seconds=120))
    await routing.fire_due()
    await decider.decide_once()
    offer_id, _ = await offered(routing, second)
    async with routing.begin() as tx:
        await usecases.accept_offer(tx, offer_id)
    shown = await routing.look_at_agent(agent)
    assert (shown.offers_missed, shown.presence) == (0, "online")
    assert (await routing.work(ticket)).item.hand_backs == 1


async def test_who_goes_away_loses_offers_but_keeps_owned_work(routing: Routing) -> None:
    agent = await routing.agent()
    decider = await routing.decider()
    owned = await routing.open()
    await decider.decide_once()
    await routing.offer_mode()
    ticket = await routing.open()
    await decider.decide_once()
    await offered(routing, ticket)
    async with routing.begin() as tx:
        await usecases.set_presence(tx, agent, "offline", set_by="agent")
    assert await routing.owner(owned) == agent
    assert await routing.load(agent) == 4
    assert (await routing.told(ticket))[-1] == "assignment.offer_rescinded"
    other = await routing.agent()
    await decider.decide_once()
    assert (await offered(routing, ticket))[1] == other
    assert await routing.violations() == {}


async def test_a_ticket_that_ends_or_pauses_takes_its_offer_back(routing: Routing) -> None:
    await routing.offer_mode()
    agent = await routing.agent(max_offers=2)
    decider = await routing.decider()
    ends, pauses = await routing.open(), await routing.open()
    await decider.decide_once()
    assert await routing.load(agent) == 8
    await routing.move(ends, "new", "cancelled")
    await routing.move(pauses, "new", "on_hold")
    shown = await routing.look_at_agent(agent)
    assert (shown.load_quarters, shown.open_offers) == (0, 0)
    assert (await routing.told(ends))[-2:] == ["assignment.offer_rescinded", "work.dequeued"]
    assert await routing.sql("select 1 from timer where kind = 'offer'") == []
    assert await routing.violations() == {}


async def test_who_leaves_hands_everything_back(routing: Routing) -> None:
    agent = await routing.agent(max_weight=50, max_offers=5)
    decider = await routing.decider()
    await routing.apply(*(routing.created() for _ in range(5)))
    await decider.decide_once()
    await routing.offer_mode()
    ticket = await routing.open()
    await decider.decide_once()
    assert await routing.load(agent) == 24
    async with routing.begin() as tx:
        await usecases.let_go(tx, agent)
    await routing.fire_due()
    shown = await routing.look_at_agent(agent)
    assert (shown.active, shown.load_quarters, shown.open_offers) == (False, 0, 0)
    assert (await routing.told(agent))[-2:] == ["agent.presence_changed", "agent.deactivated"]
    assert (await routing.told(ticket))[-1] == "assignment.offer_rescinded"
    heir = await routing.agent()
    await decider.decide_once()
    assert await routing.load(heir) > 0
    assert await routing.violations() == {}


async def test_an_offer_made_while_the_agent_leaves_is_taken_back(
    routing: Routing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decider commits between the list of the agent's offers and the lock of the agent."""
    await routing.offer_mode()
    agent = await routing.agent()
    ticket = await routing.open()
    decider = await routing.decider()
    lock = usecases.lock_agent

    async def decide_then_lock(tx: Transaction, agent_id: UUID) -> Agent:
        await decider.decide_once()
        return await lock(tx, agent_id)

    with monkeypatch.context() as patch:
        patch.setattr(usecases, "lock_agent", decide_then_lock)
        async with routing.begin() as tx:
            await usecases.set_presence(tx, agent, "offline", set_by="agent")
    await offered(routing, ticket)
    await routing.fire_due()
    assert (await routing.look_at_agent(agent)).open_offers == 0
    assert (await routing.told(ticket))[-1] == "assignment.offer_rescinded"
    assert await routing.violations() == {}


async def test_who_is_set_away_loses_the_other_offers_too(routing: Routing) -> None:
    await routing.offer_mode()
    agent = await routing.agent(max_offers=3)
    decider = await routing.decider()
    tickets: list[UUID] = []
    for _ in range(3):
        tickets.append(await routing.open())
        await decider.decide_once()
        routing.clock.move(timedelta(seconds=30))
    assert (await routing.look_at_agent(agent)).open_offers == 3
    routing.clock.move(timedelta(seconds=65))
    await routing.fire_due()
    shown = await routing.look_at_agent(agent)
    assert (shown.presence, shown.open_offers, shown.load_quarters) == ("away", 0, 0)
    assert (await routing.told(tickets[-1]))[-1] == "assignment.offer_rescinded"
    assert await routing.violations() == {}
