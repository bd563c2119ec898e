"""One decider at a time: leases, fences, standbys, rebuilding, and what happens when something changed meanwhile."""

from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from common.ids import new_id
from common.runtime import Runtime
from contracts.words import SkillNeed
from routing.agents.usecases import change_agent
from routing.pools.domain import DEFAULT_POOL, LeaseLost
from routing.pools.usecases import INPUTS
from routing.queues.domain import CATCH_ALL_ID
from routing.queues.usecases import change_queue
from routing.work import usecases
from routing.work.decider import Decider, run_decider
from tests.integration.routing.conftest import Routing, needs
from tests.support.backbone import running
from tests.support.eventually import eventually


async def test_a_standby_waits_until_the_owner_stops(routing: Routing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routing.pools.usecases.LEASE_LIFE", timedelta(minutes=10))
    owner = await routing.decider()
    standby = Decider(routing.database, pool=DEFAULT_POOL, owner="standby", batch=100)
    assert not await standby.start()
    await owner.stop()
    assert await standby.start()


async def test_a_commit_of_its_own_process_wakes_a_decider(routing: Routing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("routing.work.decider._FIRST_PAUSE", timedelta(minutes=10))
    monkeypatch.setattr("routing.work.decider._LONGEST_PAUSE", timedelta(minutes=10))
    agent = await routing.agent()
    settings = routing.service.settings
    async with running(
        lambda stop: run_decider(
            Runtime(settings=settings, database=routing.database, clock=routing.clock, stopping=stop), batch=10
        )
    ):
        for _ in range(2):
            ticket = await routing.open()
            await eventually(partial(_is_owned, routing, ticket, agent))
        routing.database.bells.ring([INPUTS])


async def _is_owned(routing: Routing, ticket: UUID, agent: UUID) -> bool:
    return await routing.owner(ticket) == agent


async def test_a_zombie_commits_nothing(routing: Routing) -> None:
    """T12 of the reference: epoch 1 sleeps after its last look, epoch 2 decides, epoch 1 wakes up and is fenced."""
    first_agent = await routing.agent()
    zombie = await routing.decider()
    async with routing.begin() as tx:
        await usecases.set_presence(tx, first_agent, "away", set_by="agent")
    await zombie.decide_once()
    second_agent = await routing.agent()
    ticket = await routing.open()

    successor = await routing.take_over()
    await successor.decide_once()
    assert await routing.owner(ticket) == second_agent
    late = await routing.open()
    with pytest.raises(LeaseLost):
        await zombie.decide_once()

    assert await routing.owner(late) is None
    assert [row.epoch for row in await routing.sql("select distinct epoch from decision")] == [2]
    await successor.decide_once()
    assert await routing.owner(late) == second_agent
    assert await routing.violations() == {}


async def test_a_zombie_that_has_nothing_to_decide_finds_out_when_it_renews(routing: Routing) -> None:
    zombie = await routing.decider()
    await routing.take_over()
    assert await zombie.decide_once() == 0
    routing.clock.move(timedelta(seconds=2))
    with pytest.raises(LeaseLost):
        await zombie.decide_once()


async def test_a_new_owner_knows_what_waits_and_who_is_full(routing: Routing) -> None:
    agent = await routing.agent(max_weight=2)
    first = await routing.decider()
    tickets = [await routing.open() for _ in range(3)]
    await first.decide_once()
    await first.stop()
    [waiting] = [ticket for ticket in tickets if await routing.owner(ticket) is None]

    second = await routing.decider()
    await second.decide_once()
    assert await routing.owner(waiting) is None
    done = next(ticket for ticket in tickets if ticket != waiting)
    await routing.move(done, "open", "resolved")
    await second.decide_once()
    assert await routing.owner(waiting) == agent


async def test_a_lower_input_that_is_committed_late_is_not_missed(routing: Routing) -> None:
    agent = await routing.agent()
    decider = await routing.decider()
    async with routing.begin() as slow:
        [handler] = routing.service.handlers
        early = routing.created()
        await handler.apply(slow, [early])
        late = await routing.open()
        await decider.decide_once()
        assert await routing.owner(late) == agent
    await decider.decide_once()
    assert await routing.owner(UUID(early.subject_id)) == agent


async def test_facts_that_changed_since_the_last_look_are_noticed(routing: Routing) -> None:
    """The engine believes that the agent is tier 2; the commit sees that it is not, and decides anew."""
    agent = await routing.agent(tier=2)
    decider = await routing.decider()
    await decider.decide_once()
    ticket = await routing.open(tier_required=2)
    async with routing.begin() as tx:
        await change_agent(tx, agent, if_match=1, changes={"tier": 1})
    await routing.sql("delete from routing_input where kind = 'agent'")
    for _ in range(3):
        await decider.decide_once()
        assert await routing.owner(ticket) is None
    assert await routing.sql("select 1 from assignment") == []


async def test_work_that_changed_since_the_last_look_is_noticed(routing: Routing) -> None:
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    await routing.move(ticket, "new", "cancelled")
    await routing.sql("delete from routing_input where kind = 'work'")
    await routing.agent()
    for _ in range(3):
        await decider.decide_once()
    assert await routing.owner(ticket) is None
    assert await routing.violations() == {}


async def test_a_changed_policy_reaches_waiting_work(routing: Routing) -> None:
    agent = await routing.agent(teams=("day",))
    decider = await routing.decider()
    async with routing.begin() as tx:
        await change_queue(tx, CATCH_ALL_ID, if_match=1, changes={"primary_teams": ("night",)})
    ticket = await routing.open()
    await decider.decide_once()
    assert await routing.owner(ticket) is None
    assert (await routing.told(ticket))[-1] == "work.unroutable"
    async with routing.begin() as tx:
        await change_queue(tx, CATCH_ALL_ID, if_match=2, changes={"primary_teams": ("day", "night")})
    await decider.decide_once()
    assert await routing.owner(ticket) == agent


async def test_a_crash_before_the_commit_leaves_nothing_and_loses_nothing(routing: Routing) -> None:
    """T13 of the reference, first point: the transaction ends in an error, the next owner decides the same."""
    agent = await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open()
    await routing.sql("alter table decision add constraint no check (false) not valid")
    with pytest.raises(Exception, match="no"):
        await decider.decide_once()
    assert await routing.sql("select 1 from assignment") == []
    assert await routing.load(agent) == 0
    await routing.sql("alter table decision drop constraint no")
    again = await routing.take_over()
    await again.decide_once()
    assert await routing.owner(ticket) == agent
    assert (await routing.told(ticket)).count("assignment.assigned") == 1
    assert await routing.violations() == {}


async def test_the_same_owner_may_start_again_at_once(routing: Routing) -> None:
    decider = Decider(routing.database, pool=DEFAULT_POOL, owner=str(new_id()), batch=10)
    assert await decider.start()
    assert await decider.start()
    [row] = await routing.sql("select epoch from routing_pool")
    assert row.epoch == 2


async def test_events_of_a_decision_belong_to_the_conversation_that_asked(routing: Routing) -> None:
    await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    rows = await routing.sql("select event_id, headers from event where key = :key order by seq", key=str(ticket))
    assert b"conversation" in rows[1].headers
    assert str(rows[0].event_id).encode() in rows[1].headers, "caused by work.enqueued"


async def test_what_happened_while_nobody_decided_is_told(routing: Routing) -> None:
    """A ticket became routable, and the ring of another one opened."""
    first = await routing.decider()
    ticket = await routing.open(skills_hint=needs(net=1))
    await routing.agent(skills={"x": 2}, presence="offline")
    other = await routing.open(skills_hint=(SkillNeed(skill="x", level=3, hard_level=1),))
    await first.decide_once()
    assert (await routing.told(ticket))[-1] == "work.unroutable"
    await first.stop()

    agent = await routing.agent(skills={"net": 1}, presence="away")
    routing.clock.move(timedelta(hours=1))
    second = await routing.decider()
    for _ in range(3):
        await second.decide_once()
    assert (await routing.work(ticket)).item.missing == ()
    assert (await routing.told(ticket))[-1] == "work.enqueued"
    assert await routing.told(other) == ["work.enqueued", "work.requirements_relaxed"]
    async with routing.begin() as tx:
        await usecases.set_presence(tx, agent, "online", set_by="agent")
    await second.decide_once()
    assert await routing.owner(ticket) == agent
