"""Raised tiers and preferred agents: what escalation and an earlier owner mean to a ticket's own work."""

from functools import partial
from uuid import UUID

import pytest

from common.transaction import Transaction
from contracts.envelope import Event
from contracts.escalation import EscalationLevelChanged
from contracts.intake import TicketClassified
from contracts.routing import WorkEnqueued
from tests.integration.routing.conftest import Routing, needs, owned
from tests.integration.routing.overlapping import overlap


async def test_escalation_raises_the_tier_and_nothing_lowers_it(routing: Routing) -> None:
    ticket, owner = await owned(routing)
    waiting = await routing.open(skills_hint=needs(net=1))
    decider = await routing.decider()
    await decider.decide_once()
    for each in (ticket, waiting):
        raised = EscalationLevelChanged(ticket_id=each, old=0, new=1, tier_required=3, reason="breach")
        await routing.tell(each, raised, raised)
    assert await routing.owner(ticket) == owner
    assert [(await routing.work(each)).item.tier_required for each in (ticket, waiting)] == [3, 3]
    enqueued = (await routing.bodies(waiting))[-1]
    assert isinstance(enqueued, WorkEnqueued)
    assert (enqueued.cause, enqueued.tier_required) == ("escalated", 3)
    assert (await routing.told(waiting)).count("work.enqueued") == 2

    classified = TicketClassified(
        ticket_id=waiting, category="x", component="", skills_required=needs(net=1), tier_required=1, by="agent"
    )
    await routing.tell(waiting, classified)
    lower = EscalationLevelChanged(ticket_id=waiting, old=1, new=0, tier_required=1, reason="manual")
    await routing.tell(waiting, lower)
    assert (await routing.work(waiting)).item.tier_required == 3
    senior = await routing.agent(tier=3, skills={"net": 1})
    await routing.agent(tier=2, skills={"net": 1})
    await decider.decide_once()
    assert await routing.owner(waiting) == senior


async def test_escalation_takes_an_offer_back_that_is_below_it(routing: Routing) -> None:
    await routing.offer_mode()
    entry = await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    senior = await routing.agent(tier=3)
    await routing.tell(ticket, EscalationLevelChanged(ticket_id=ticket, old=0, new=1, tier_required=2, reason="manual"))
    await decider.decide_once()
    assert (await routing.offer(ticket))[1] == senior
    assert await routing.load(entry) == 0
    assert (await routing.told(ticket))[2:] == ["assignment.offer_rescinded", "work.enqueued", "assignment.offered"]


async def test_an_escalation_that_is_heard_before_its_ticket_counts(routing: Routing) -> None:
    created = routing.created()
    ticket = UUID(created.subject_id)
    await routing.tell(ticket, EscalationLevelChanged(ticket_id=ticket, old=0, new=1, tier_required=3, reason="manual"))
    assert await routing.told(ticket) == []
    await routing.apply(created)
    assert (await routing.work(ticket)).item.tier_required == 3


@pytest.mark.parametrize("first", ["intake", "escalation"])
@pytest.mark.parametrize("is_known", [False, True])
async def test_news_of_both_services_about_a_ticket_wait_for_each_other(
    routing: Routing, first: str, is_known: bool
) -> None:
    """They come by different topics, so two processes may read them at once: neither undoes what the other says."""
    created = routing.created()
    ticket = UUID(created.subject_id)
    news = created
    if is_known:
        await routing.apply(created)
        body = TicketClassified(
            ticket_id=ticket, category="x", component="", skills_required=needs(net=1), tier_required=1, by="agent"
        )
        news = routing.event(ticket, body)
    raised = routing.event(
        ticket, EscalationLevelChanged(ticket_id=ticket, old=0, new=1, tier_required=3, reason="manual")
    )
    [handler] = routing.service.handlers

    async def hear(tx: Transaction, *, event: Event) -> None:
        await handler.apply(tx, [event])

    steps = [partial(hear, event=news), partial(hear, event=raised)]
    assert await overlap(routing, *(steps if first == "intake" else reversed(steps)))
    item = (await routing.work(ticket)).item
    assert item.tier_required == 3
    assert [need.skill for need in item.needs] == (["net"] if is_known else [])


async def test_a_reopened_ticket_goes_to_its_last_owner_if_there_is_room(routing: Routing) -> None:
    decider = await routing.decider()
    last = await routing.agent(tier=3)
    ticket, full = await routing.open(), await routing.open(priority="urgent")
    await decider.decide_once()
    await routing.agent(tier=1, skills={"net": 1})
    for each in (ticket, full):
        await routing.move(each, "open", "resolved")
        await routing.move(each, "resolved", "open")
    await routing.sql("update agent set max_weight = 4, facts_version = facts_version + 1 where agent_id = :a", a=last)
    again = await routing.take_over()
    await again.decide_once()
    owners = {await routing.owner(ticket), await routing.owner(full)}
    assert last in owners
    assert len(owners) == 2
    assert (await routing.work(ticket)).item.preferred is None
