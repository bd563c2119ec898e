"""How a handoff ends without a receiver: taken back, recalled, overtaken by its ticket, or too late."""

import pytest

from common.ids import new_id
from contracts.escalation import (
    HandoffDeclined,
    HandoffExpired,
    HandoffRecalled,
    HandoffWithdrawn,
)
from contracts.routing import (
    WorkDequeued,
)
from routing.work import usecases
from routing.work.offering import OfferEnded
from tests.integration.routing.conftest import Routing, handoff_request, owned


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (HandoffWithdrawn, "withdrawn"),
        (HandoffDeclined, "declined"),
        (HandoffExpired, "expired"),
        (HandoffRecalled, "withdrawn"),
    ],
)
async def test_what_escalation_ends_is_taken_back(routing: Routing, ended: type, reason: str) -> None:
    ticket, owner = await owned(routing)
    mid = await routing.agent(tier=2)
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket)
    await decider.decide_once()
    offer_id, _ = await routing.offer(handoff)
    words = {HandoffWithdrawn: {"reason": "sender"}, HandoffRecalled: {"reason": "sender"}}
    more = {HandoffDeclined: {"reason_code": "declined"}}
    body = ended(
        ticket_id=ticket, handoff_id=handoff, from_agent_id=owner, **words.get(ended, {}), **more.get(ended, {})
    )
    await routing.tell(ticket, body)
    await routing.tell(ticket, body)
    last = (await routing.bodies(ticket))[-1]
    assert isinstance(last, WorkDequeued)
    assert (last.kind, last.handoff_id, last.reason) == ("handoff", handoff, reason)
    assert (await routing.told(ticket))[-2] == "assignment.offer_rescinded"
    with pytest.raises(OfferEnded):
        async with routing.begin() as tx:
            await usecases.accept_offer(tx, offer_id)
    assert await routing.owner(ticket) == owner
    assert await routing.load(mid) == 0
    assert await routing.violations() == {}


@pytest.mark.parametrize("reason", ["declined", "expired", "resolved"])
async def test_a_recall_says_how_it_ends(routing: Routing, reason: str) -> None:
    ticket, owner = await owned(routing)
    handoff = await routing.hand_over(ticket)
    await routing.tell(
        ticket, HandoffRecalled(ticket_id=ticket, handoff_id=handoff, from_agent_id=owner, reason=reason)
    )
    last = (await routing.bodies(ticket))[-1]
    assert isinstance(last, WorkDequeued)
    assert last.reason == (reason if reason != "resolved" else "withdrawn")


async def test_the_end_of_the_ticket_ends_its_handoff(routing: Routing) -> None:
    ticket, _ = await owned(routing)
    mid = await routing.agent(tier=2)
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket)
    await decider.decide_once()
    await routing.move(ticket, "open", "resolved")
    assert (await routing.work(handoff)).item.state == "done"
    assert await routing.load(mid) == 0
    assert (await routing.told(ticket))[-4:] == [
        "assignment.unassigned",
        "work.dequeued",
        "assignment.offer_rescinded",
        "work.dequeued",
    ]
    assert await routing.violations() == {}


async def test_a_request_that_comes_late_or_for_a_stranger_ends_at_once(routing: Routing) -> None:
    ticket, _ = await owned(routing)
    await routing.move(ticket, "open", "resolved")
    handoff = await routing.hand_over(ticket)
    stranger = handoff_request(new_id(), sender=new_id(), at=routing.clock.now())
    await routing.tell(stranger.ticket_id, stranger)
    for told, of, reason in (
        ((await routing.bodies(ticket))[-1], handoff, "resolved"),
        ((await routing.bodies(stranger.ticket_id))[-1], stranger.handoff_id, "withdrawn"),
    ):
        assert isinstance(told, WorkDequeued)
        assert (told.kind, told.handoff_id, told.reason) == ("handoff", of, reason)
    assert await routing.sql("select 1 from handoff_item") == []
