"""What the decider notes of tickets that go on waiting: told once each, and never of what it does not know."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from common.ids import new_id
from contracts.intake import TicketClassified, TicketPriorityChanged
from contracts.words import SkillNeed
from routing.pools.domain import InputKind
from routing.pools.usecases import note_changes
from routing.queues.domain import DEFAULT_TAU_S, Queue
from routing.queues.usecases import add_queue
from routing.work import usecases
from routing.work.decider import Decider
from routing.work.memory import Memory
from tests.integration.routing.conftest import Routing, needs

INPUTS_AT_ONCE = 1_000
SOFT = (SkillNeed(skill="net", level=5, hard_level=1),)


async def desk(routing: Routing, **given: Any) -> UUID:
    """A desk that is asked after all others, for tickets of category "moved"."""
    values: dict[str, Any] = {
        "queue_id": new_id(),
        "pool": "default",
        "name": "second",
        "match": {"category": {"eq": "moved"}},
        "priority": 99,
        "mode": "auto",
        "required_skills": (),
        "primary_teams": (),
        "overflow_teams": (),
        "tau_s": DEFAULT_TAU_S,
        "offer_life_s": 120,
        "exclusion_s": 600,
    }
    async with routing.begin() as tx:
        return (await add_queue(tx, Queue(created_at=tx.now, **{**values, **given}))).queue_id


async def fill_inputs(routing: Routing, agent: UUID) -> None:
    """Fill the decider's page of inputs, so that what follows waits for its next look."""
    [found] = await routing.sql("select count(*) as n from routing_input")
    async with routing.begin() as tx:
        await note_changes(tx, InputKind.AGENT, [agent] * (INPUTS_AT_ONCE - found.n))


async def test_a_note_does_not_make_old_facts_look_true(routing: Routing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring opens while the priority moves; an agent who comes then must be charged the new weight."""
    agent = await routing.agent(skills={"net": 4}, presence="away")
    ticket = await routing.open(priority="low", impact=4, skills_hint=SOFT)
    decider = await routing.decider()
    await decider.decide_once()
    routing.clock.move(timedelta(seconds=14_400 / 4 + 1))
    other = await routing.agent(presence="offline")
    await fill_inputs(routing, other)
    refresh = Memory.refresh
    meanwhile = [TicketPriorityChanged(ticket_id=ticket, old="low", new="urgent", reason="override")]

    async def refresh_then_change(memory: Memory, *args: Any) -> None:
        await refresh(memory, *args)
        if meanwhile:
            async with routing.begin() as tx:
                await usecases.set_presence(tx, agent, "online", set_by="agent")
                await note_changes(tx, InputKind.AGENT, [other] * INPUTS_AT_ONCE)
            await routing.tell(ticket, meanwhile.pop())

    monkeypatch.setattr(Memory, "refresh", refresh_then_change)
    for _ in range(4):
        await decider.decide_once()
    work = await routing.work(ticket)
    assert work.assignment is not None
    assert (work.assignment.agent_id, work.assignment.quarters) == (agent, 16)
    assert await routing.load(agent) == 16
    assert await routing.violations() == {}


async def test_a_note_that_came_too_early_is_told_later(routing: Routing, monkeypatch: pytest.MonkeyPatch) -> None:
    await routing.agent(skills={"net": 1}, presence="offline")
    relaxed = await routing.open(skills_hint=SOFT)
    decider = await routing.decider()
    await decider.decide_once()
    lost = await routing.open(skills_hint=needs(x=5))
    routing.clock.move(timedelta(seconds=14_400 / 4 + 1))
    refresh = Memory.refresh
    meanwhile = [relaxed, lost]

    async def refresh_then_change(memory: Memory, *args: Any) -> None:
        await refresh(memory, *args)
        while meanwhile:
            ticket = meanwhile.pop()
            await routing.tell(ticket, TicketPriorityChanged(ticket_id=ticket, old="low", new="normal", reason="x"))

    monkeypatch.setattr(Memory, "refresh", refresh_then_change)
    await decider.decide_once()
    assert await routing.told(relaxed) == ["work.enqueued"]
    assert await routing.told(lost) == ["work.enqueued"]
    for _ in range(3):
        await decider.decide_once()
    assert await routing.told(relaxed) == ["work.enqueued", "work.requirements_relaxed"]
    assert (await routing.told(lost)).count("work.unroutable") == 1
    assert await decider.decide_once() == 0, "and then there is nothing left to do"


async def test_many_notes_are_told_in_batches(routing: Routing) -> None:
    tickets = [await routing.open(skills_hint=needs(x=5)) for _ in range(5)]
    decider: Decider = await routing.decider(batch=2)
    for _ in range(3):
        await decider.decide_once()
    for ticket in tickets:
        assert await routing.told(ticket) == ["work.enqueued", "work.unroutable"]
    assert await decider.decide_once() == 0


@pytest.mark.parametrize("by_hand", [True, False])
async def test_still_unroutable_at_another_desk_is_told_again(routing: Routing, by_hand: bool) -> None:
    second = await desk(routing)
    ticket = await routing.open(skills_hint=needs(net=5))
    decider = await routing.decider()
    await decider.decide_once()
    if by_hand:
        version = (await routing.work(ticket)).item.version
        async with routing.begin() as tx:
            await usecases.requeue(tx, ticket, if_match=version, queue_id=second)
    else:
        moved = TicketClassified(
            ticket_id=ticket,
            category="moved",
            component="",
            skills_required=needs(net=5),
            tier_required=1,
            by="agent",
        )
        await routing.tell(ticket, moved)
    for _ in range(3):
        await decider.decide_once()
    assert (await routing.work(ticket)).item.queue_id == second
    assert (await routing.work(ticket)).item.missing != ()
    assert await routing.told(ticket) == ["work.enqueued", "work.unroutable"] * 2
    listed = await routing.http.get("/v1/work-items?state=unroutable")
    assert len(listed.json()["items"]) == 1
