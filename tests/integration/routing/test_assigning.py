"""A ticket comes in and goes to the right agent, through the tables and the decider."""

from datetime import timedelta

from contracts.intake import TicketClassified, TicketPriorityChanged
from contracts.words import SkillNeed
from routing.agents.usecases import set_skill
from tests.integration.routing.conftest import Routing, needs


async def test_a_new_ticket_is_assigned_to_the_agent_who_is_there(routing: Routing) -> None:
    agent = await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open()

    assert await decider.decide_once() > 0

    assert await routing.owner(ticket) == agent
    assert await routing.load(agent) == 4
    assert await routing.told(ticket) == ["work.enqueued", "assignment.assigned"]
    assert await routing.violations() == {}
    assert await decider.decide_once() == 0


async def test_the_cheapest_qualified_tier_takes_it(routing: Routing) -> None:
    """T1 of the reference: entry, mid, senior, and the fourth ticket waits."""
    senior = await routing.agent(tier=3, skills={"net": 5}, max_weight=1)
    mid = await routing.agent(tier=2, skills={"net": 4}, max_weight=1)
    entry = await routing.agent(tier=1, skills={"net": 3}, max_weight=1)
    await routing.agent(tier=1, skills={"billing": 5}, max_weight=1)
    decider = await routing.decider()
    owners = []
    for _ in range(4):
        ticket = await routing.open(skills_hint=needs(net=3))
        await decider.decide_once()
        owners.append(await routing.owner(ticket))

    assert owners == [entry, mid, senior, None]


async def test_a_hard_need_that_nobody_has_is_unroutable_at_once(routing: Routing) -> None:
    """T3 of the reference."""
    agent = await routing.agent(skills={"net": 3})
    decider = await routing.decider()
    ticket = await routing.open(skills_hint=needs(net=4))
    await decider.decide_once()

    assert await routing.owner(ticket) is None
    assert await routing.told(ticket) == ["work.enqueued", "work.unroutable"]
    assert (await routing.work(ticket)).item.missing != ()

    async with routing.begin() as tx:
        await set_skill(tx, agent, "net", 4, approved_by="")
    await decider.decide_once()
    assert await routing.owner(ticket) == agent


async def test_a_ring_opens_in_time_and_is_told(routing: Routing) -> None:
    """T9 of the reference: need 4, hard 2, a target of an hour, an idle agent at 3."""
    agent = await routing.agent(skills={"net": 3})
    decider = await routing.decider()
    ticket = await routing.open(priority="normal", skills_hint=(SkillNeed(skill="net", level=4, hard_level=2),))
    await decider.decide_once()
    assert await routing.owner(ticket) is None

    routing.clock.move(timedelta(minutes=14, seconds=59))
    await decider.decide_once()
    assert await routing.owner(ticket) is None

    routing.clock.move(timedelta(seconds=1))
    await decider.decide_once()
    assert await routing.owner(ticket) == agent


async def test_a_ring_without_anybody_is_told_once(routing: Routing) -> None:
    await routing.agent(skills={"net": 1})
    decider = await routing.decider()
    ticket = await routing.open(
        priority="normal", skills_hint=(SkillNeed(skill="net", level=4, hard_level=2),), tier_required=1
    )
    await routing.agent(tier=1, skills={"net": 5}, presence="offline")
    await decider.decide_once()
    routing.clock.move(timedelta(minutes=15))
    await decider.decide_once()
    await decider.decide_once()
    assert (await routing.told(ticket)).count("work.requirements_relaxed") == 1


async def test_classification_and_priority_change_what_waiting_work_asks_for(routing: Routing) -> None:
    novice = await routing.agent(tier=1, presence="away")
    expert = await routing.agent(tier=2, skills={"net": 3})
    decider = await routing.decider()
    ticket = await routing.open(tier_required=3)
    await decider.decide_once()
    assert await routing.owner(ticket) is None

    classified = TicketClassified(
        ticket_id=ticket, category="c", component="", skills_required=needs(net=2), tier_required=2, by="agent"
    )
    await routing.tell(
        ticket, classified, TicketPriorityChanged(ticket_id=ticket, old="low", new="urgent", reason="matrix")
    )
    await decider.decide_once()

    assert await routing.owner(ticket) == expert
    assert await routing.load(expert) == 16
    assert await routing.load(novice) == 0
    assert (await routing.work(ticket)).item.tau_s == 900


async def test_a_raised_priority_fills_an_owner_beyond_capacity(routing: Routing) -> None:
    agent = await routing.agent(max_weight=1)
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    await routing.tell(ticket, TicketPriorityChanged(ticket_id=ticket, old="low", new="high", reason="matrix"))

    assert await routing.load(agent) == 12
    assert await routing.told(ticket) == ["work.enqueued", "assignment.assigned", "assignment.weight_changed"]
    assert await routing.violations() == {}


async def test_many_tickets_are_committed_in_bounded_batches(routing: Routing) -> None:
    agents = [await routing.agent(max_weight=30) for _ in range(2)]
    decider = await routing.decider(batch=7)
    events = [routing.created() for _ in range(50)]
    await routing.apply(*events)
    while await decider.decide_once():
        pass

    assert sum([await routing.load(agent) for agent in agents]) == 200
    assert await routing.violations() == {}
    [row] = await routing.sql("select count(*) as n, max(length(packed)) as longest from decision")
    assert row.n == 50
    assert row.longest <= 500
    [log] = await routing.sql("select count(*) as batches, sum(inputs) as inputs from routing_log")
    assert log.batches == 8
    assert log.inputs == 52
