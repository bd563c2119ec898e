"""Tickets that change desks, and what they ask for, while they are offered, owned or pinned."""

from uuid import UUID

import pytest

from common.errors import InvalidInput
from common.ids import new_id
from contracts.intake import TicketClassified, TicketPriorityChanged
from contracts.words import SkillNeed
from routing.work import usecases
from routing.work.offering import OfferEnded
from tests.integration.routing.conftest import Routing, needs
from tests.integration.routing.test_notes import desk


def classified(
    ticket: UUID, *, category: str = "", skills: tuple[SkillNeed, ...] = (), tier: int = 1
) -> TicketClassified:
    """What intake tells when a person classified the ticket."""
    return TicketClassified(
        ticket_id=ticket, category=category, component="", skills_required=skills, tier_required=tier, by="agent"
    )


async def test_an_offer_ends_when_the_ticket_asks_for_more(routing: Routing) -> None:
    await routing.offer_mode()
    await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    offer = (await routing.work(ticket)).offer
    assert offer is not None
    await routing.tell(ticket, classified(ticket, skills=needs(net=5), tier=3))
    assert (await routing.told(ticket))[-1] == "assignment.offer_rescinded"
    with pytest.raises(OfferEnded):
        async with routing.begin() as tx:
            await usecases.accept_offer(tx, offer.offer_id)
    await decider.decide_once()
    assert (await routing.work(ticket)).offer is None
    assert await routing.violations() == {}


async def test_an_offered_ticket_that_changes_desks_is_told_there(routing: Routing) -> None:
    second = await desk(routing, priority=1)
    await routing.offer_mode()
    await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    await routing.tell(ticket, classified(ticket, category="moved"))
    assert (await routing.work(ticket)).item.queue_id == second
    assert (await routing.told(ticket))[-2:] == ["assignment.offer_rescinded", "work.enqueued"]
    rows = await routing.sql("select payload from event where key = :key order by seq desc limit 1", key=str(ticket))
    assert str(second).encode() in bytes(rows[0].payload)


async def test_what_does_not_touch_the_agent_leaves_the_offer(routing: Routing) -> None:
    await routing.offer_mode()
    await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    await routing.tell(ticket, classified(ticket, category="other"))
    assert (await routing.work(ticket)).offer is not None


async def test_an_owned_ticket_requeued_to_another_desk_is_told_once(routing: Routing) -> None:
    second = await desk(routing)
    await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    version = (await routing.work(ticket)).item.version
    async with routing.begin() as tx:
        work = await usecases.requeue(tx, ticket, if_match=version, queue_id=second)
    assert (work.item.queue_id, work.item.pinned) == (second, True)
    assert (await routing.told(ticket))[-2:] == ["assignment.unassigned", "work.enqueued"]
    assert (await routing.told(ticket)).count("work.enqueued") == 2
    assert await routing.violations() == {}


async def test_requeueing_without_a_desk_lets_the_rules_choose_again(routing: Routing) -> None:
    second = await desk(routing)
    ticket = await routing.open()
    first = (await routing.work(ticket)).item
    async with routing.begin() as tx:
        there = await usecases.requeue(tx, ticket, if_match=first.version, queue_id=second)
    async with routing.begin() as tx:
        back = await usecases.requeue(tx, ticket, if_match=there.item.version, queue_id=None)
    assert (back.item.queue_id, back.item.pinned) == (first.queue_id, False)
    await routing.tell(ticket, classified(ticket, category="moved"))
    assert (await routing.work(ticket)).item.queue_id == second
    with pytest.raises(InvalidInput):
        async with routing.begin() as tx:
            await usecases.requeue(tx, ticket, if_match=(await routing.work(ticket)).item.version, queue_id=new_id())


async def test_a_pinned_ticket_takes_the_targets_of_its_own_desk(routing: Routing) -> None:
    second = await desk(routing, tau_s={"urgent": 61, "high": 62, "normal": 63, "low": 64})
    ticket = await routing.open()
    version = (await routing.work(ticket)).item.version
    async with routing.begin() as tx:
        await usecases.requeue(tx, ticket, if_match=version, queue_id=second)
    await routing.tell(ticket, TicketPriorityChanged(ticket_id=ticket, old="low", new="urgent", reason="override"))
    assert (await routing.work(ticket)).item.tau_s == 61


async def test_three_hand_backs_ask_for_attention_until_an_agent_answers(routing: Routing) -> None:
    decider = await routing.decider()
    ticket = await routing.open()
    agent = await routing.agent()
    for count in range(1, 4):
        await decider.decide_once()
        version = (await routing.work(ticket)).item.version
        async with routing.begin() as tx:
            assert (await usecases.unassign(tx, ticket, if_match=version)).item.hand_backs == count
        agent = await routing.agent()
    listed = await routing.http.get("/v1/work-items?state=attention")
    assert len(listed.json()["items"]) == 1
    await routing.reply(ticket, agent)
    assert (await routing.work(ticket)).item.hand_backs == 0
    assert await routing.violations() == {}
