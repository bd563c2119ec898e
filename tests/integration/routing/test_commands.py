"""What people do with work by hand, also at the same time as the decider and each other."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from common.errors import Conflict, Refused, StaleVersion
from common.transaction import Origin
from routing.agents.domain import AgentInactive
from routing.queues.domain import CATCH_ALL_ID
from routing.work import pulling, usecases
from routing.work.item import NotAssigned, WorkDone
from routing.work.usecases import NoRoom, NotEligible
from tests.integration.routing.conftest import Routing, needs


async def test_assigning_by_hand_counts_capacity_and_skills_unless_overridden(routing: Routing) -> None:
    novice = await routing.agent(tier=1, max_weight=1, presence="away")
    expert = await routing.agent(tier=2, skills={"net": 5}, max_weight=1)
    ticket = await routing.open(tier_required=2, skills_hint=needs(net=3))
    other = await routing.open(tier_required=2, skills_hint=needs(net=3))

    async def assign(to: UUID, *, why: str = "", which: UUID = ticket) -> None:
        version = (await routing.work(which)).item.version
        async with routing.begin() as tx:
            await usecases.assign_by_hand(tx, which, to, if_match=version, override_reason=why)

    with pytest.raises(NotEligible):
        await assign(novice)
    await assign(expert)
    with pytest.raises(NoRoom):
        await assign(expert, which=other)
    await assign(novice, why="nobody else is left")

    assert await routing.owner(ticket) == novice
    assert await routing.load(expert) == 0
    assert await routing.told(ticket) == [
        "work.enqueued",
        "assignment.assigned",
        "assignment.assigned",
        "assignment.unassigned",
    ]
    work = await routing.work(ticket)
    assert work.assignment is not None
    assert work.assignment.override_reason == "nobody else is left"
    with pytest.raises(StaleVersion):
        async with routing.begin() as tx:
            await usecases.unassign(tx, ticket, if_match=1)


async def test_unassigning_keeps_the_place_and_excludes_the_owner_for_a_while(routing: Routing) -> None:
    agent = await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open(priority="normal")
    await decider.decide_once()
    before = (await routing.work(ticket)).item
    routing.clock.move(timedelta(minutes=5))

    async with routing.begin() as tx:
        await usecases.unassign(tx, ticket, if_match=before.version)
    after = (await routing.work(ticket)).item
    assert (after.enqueued_at, after.deadline) == (before.enqueued_at, before.deadline)
    await decider.decide_once()
    assert await routing.owner(ticket) is None

    routing.clock.move(timedelta(minutes=10))
    await decider.decide_once()
    assert await routing.owner(ticket) == agent
    with pytest.raises(StaleVersion):
        async with routing.begin() as tx:
            await usecases.requeue(tx, ticket, if_match=before.version, queue_id=None)


async def test_requeueing_to_a_desk_pins_the_ticket_there(routing: Routing) -> None:
    agent = await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    async with routing.begin() as tx:
        version = (await routing.work(ticket)).item.version
        work = await usecases.requeue(tx, ticket, if_match=version, queue_id=CATCH_ALL_ID)
    assert work.item.pinned
    assert work.item.state == "queued"
    assert agent in work.item.excluded
    assert await routing.load(agent) == 0
    assert await routing.violations() == {}


async def test_what_is_not_possible_is_refused_aloud(routing: Routing) -> None:
    agent = await routing.agent()
    async with routing.begin() as tx:
        await usecases.let_go(tx, agent)
    ticket = await routing.open()
    version = (await routing.work(ticket)).item.version
    with pytest.raises(AgentInactive):
        async with routing.begin() as tx:
            await usecases.assign_by_hand(tx, ticket, agent, if_match=version, override_reason="please")
    with pytest.raises(NotAssigned):
        async with routing.begin() as tx:
            await usecases.unassign(tx, ticket, if_match=version)
    await routing.move(ticket, "new", "cancelled")
    version = (await routing.work(ticket)).item.version
    with pytest.raises(WorkDone):
        async with routing.begin() as tx:
            await usecases.requeue(tx, ticket, if_match=version, queue_id=None)


async def test_pulling_takes_the_tickets_in_the_order_of_the_rule(routing: Routing) -> None:
    """T4 of the reference without the guard turn: close to its deadline, then fresh and urgent, then old and low."""
    late = await routing.open(priority="normal")
    routing.clock.move(timedelta(minutes=13))
    close = await routing.open(priority="normal")
    routing.clock.move(timedelta(minutes=57))
    urgent = await routing.open(priority="urgent")
    agent = await routing.agent(presence="away")
    pulled = []
    for _ in range(3):
        async with routing.begin() as tx:
            pulled.append((await pulling.pull_next(tx, CATCH_ALL_ID, agent)).item.ticket_id)
    assert pulled == [close, urgent, late]
    with pytest.raises(Conflict, match="nothing waits"):
        async with routing.begin() as tx:
            await pulling.pull_next(tx, CATCH_ALL_ID, agent)
    assert await routing.violations() == {}


async def test_a_take_by_hand_and_the_decider_never_overshoot(routing: Routing) -> None:
    """T6 of the reference, many times: room for one more, two takers at once, exactly one succeeds."""
    decider = await routing.decider()
    for _ in range(15):
        agent = await routing.agent(max_weight=3)
        first = await routing.open(priority="normal")
        await decider.decide_once()
        assert await routing.load(agent) == 8
        by_hand, by_rule = await routing.open(), await routing.open()
        version = (await routing.work(by_hand)).item.version

        async def take(ticket: UUID = by_hand, to: UUID = agent, seen: int = version) -> bool:
            try:
                async with routing.begin() as tx:
                    await usecases.assign_by_hand(tx, ticket, to, if_match=seen, override_reason="")
            except Refused:
                return False
            return True

        await asyncio.gather(take(), decider.decide_once())
        await decider.decide_once()
        await decider.decide_once()
        assert await routing.load(agent) == 12
        owners = [await routing.owner(ticket) for ticket in (first, by_hand, by_rule)]
        assert owners.count(agent) == 2
        assert await routing.violations() == {}
        for ticket in (first, by_hand, by_rule):
            await routing.move(ticket, "open", "cancelled")
        async with routing.begin() as tx:
            await usecases.set_presence(tx, agent, "offline", set_by="agent")


async def test_fifty_takers_and_the_decider_on_twenty_agents(routing: Routing) -> None:
    """B16 of the reference in small: capacity is never exceeded and every ticket has one owner at most."""
    agents = [await routing.agent(max_weight=4) for _ in range(20)]
    decider = await routing.decider(batch=20)
    events = [routing.created() for _ in range(100)]
    await routing.apply(*events)
    tickets = [
        (await routing.sql("select ticket_id from work_item order by ticket_id"))[n].ticket_id for n in range(50)
    ]

    async def take(number: int) -> bool:
        try:
            async with routing.database.begin(Origin(actor="client:taker")) as tx:
                await usecases.assign_by_hand(tx, tickets[number], agents[number % 20], if_match=2, override_reason="")
        except Refused:
            return False
        return True

    async def decide() -> None:
        for _ in range(30):
            await decider.decide_once()

    took, _ = await asyncio.gather(asyncio.gather(*(take(number) for number in range(50))), decide())
    assert any(took)
    await decide()
    loads = [await routing.load(agent) for agent in agents]
    assert all(load <= 16 for load in loads)
    assert sum(loads) == 20 * 16
    assert await routing.violations() == {}
    [row] = await routing.sql("select count(*) as n, count(distinct ticket_id) as d from assignment")
    assert row.n == row.d == 80


async def test_many_pull_at_once_and_each_gets_another_ticket(routing: Routing) -> None:
    agents = [await routing.agent(presence="away") for _ in range(10)]
    await routing.apply(*(routing.created() for _ in range(25)))

    async def pull(number: int) -> UUID:
        async with routing.begin() as tx:
            return (await pulling.pull_next(tx, CATCH_ALL_ID, agents[number % 10])).item.ticket_id

    pulled = await asyncio.gather(*(pull(number) for number in range(20)))
    assert len(set(pulled)) == 20
    assert await routing.violations() == {}
