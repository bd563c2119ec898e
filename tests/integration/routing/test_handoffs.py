"""Handoffs: work beside the ticket's own, always offered, that ends in a new owner or in none."""

from datetime import timedelta

from contracts.escalation import (
    EscalationLevelChanged,
    HandoffRecalled,
)
from contracts.intake import TicketPriorityChanged, TicketUpdated
from contracts.routing import (
    AssignmentAccepted,
    AssignmentAssigned,
    AssignmentOffered,
    AssignmentUnassigned,
    WorkEnqueued,
    WorkUnroutable,
)
from contracts.words import Change
from routing.work import usecases
from routing.work.item import FOR_EVER
from tests.integration.routing.conftest import Routing, handoff_request, needs, owned


async def test_the_owner_stays_until_a_receiver_accepts(routing: Routing) -> None:
    ticket, owner = await owned(routing, priority="normal")
    mid, senior = await routing.agent(tier=2), await routing.agent(tier=3)
    decider = await routing.decider()
    routing.clock.move(timedelta(minutes=5))
    handoff = await routing.hand_over(ticket)
    await decider.decide_once()

    offer_id, to = await routing.offer(handoff)
    assert to == mid, "the cheapest tier that is high enough; at a desk that assigns at once too"
    assert await routing.owner(ticket) == owner
    assert [await routing.load(each) for each in (owner, mid, senior)] == [8, 8, 0]
    enqueued, offered = (await routing.bodies(ticket))[-2:]
    assert isinstance(enqueued, WorkEnqueued)
    assert (enqueued.kind, enqueued.handoff_id, enqueued.cause) == ("handoff", handoff, "handoff")
    assert enqueued.enqueued_at == (await routing.work(ticket)).item.enqueued_at
    assert isinstance(offered, AssignmentOffered)
    assert (offered.kind, offered.handoff_id, offered.agent_id) == ("handoff", handoff, mid)

    old = (await routing.work(ticket)).assignment
    assert old is not None
    async with routing.begin(f"agent:{mid}") as tx:
        answered = await usecases.accept_offer(tx, offer_id)
    assert answered.item.work_id == ticket
    assert await routing.owner(ticket) == mid
    assert (await routing.work(handoff)).item.state == "done"
    assert [await routing.load(each) for each in (owner, mid, senior)] == [0, 8, 0]
    accepted, assigned, unassigned = (await routing.bodies(ticket))[-3:]
    assert isinstance(accepted, AssignmentAccepted)
    assert (accepted.kind, accepted.handoff_id) == ("handoff", handoff)
    assert isinstance(assigned, AssignmentAssigned)
    assert (assigned.method, assigned.kind, assigned.handoff_id) == ("handoff", "handoff", handoff)
    assert (assigned.replaces, assigned.agent_id, assigned.agent_tier) == (old.assignment_id, mid, 2)
    assert isinstance(unassigned, AssignmentUnassigned)
    assert (unassigned.assignment_id, unassigned.reason) == (old.assignment_id, "handoff")
    assert await routing.violations() == {}
    await decider.decide_once()
    await routing.move(ticket, "open", "resolved")
    assert (await routing.told(ticket))[-2:] == ["assignment.unassigned", "work.dequeued"]
    assert await routing.load(mid) == 0
    assert await routing.violations() == {}


async def test_who_is_named_is_asked_first_and_passed_over_who_declines(routing: Routing) -> None:
    ticket, _ = await owned(routing)
    mid, named = await routing.agent(tier=2), await routing.agent(tier=3)
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket, to_agent_id=named)
    await decider.decide_once()
    assert await routing.decline(handoff) == named
    routing.clock.move(timedelta(hours=1))
    await decider.decide_once()
    assert await routing.accept(handoff) == mid
    assert await routing.owner(ticket) == mid
    [shown] = await routing.sql(
        "select packed from decision where handoff_id = :id and agent_id = :a", id=handoff, a=mid
    )
    assert b"3000000" in bytes(shown.packed), "the price of not being the one who is named"


async def test_who_declined_is_never_asked_again_and_with_nobody_left_it_is_told_at_once(routing: Routing) -> None:
    ticket, _ = await owned(routing)
    await routing.agent(tier=1)
    first, second = await routing.agent(tier=2), await routing.agent(tier=2, presence="away")
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket)
    await decider.decide_once()
    assert await routing.decline(handoff) == first
    routing.clock.move(timedelta(days=1))
    await decider.decide_once()
    assert (await routing.work(handoff)).offer is None, "the other one is away, but known"
    assert "work.unroutable" not in await routing.told(ticket)
    async with routing.begin() as tx:
        await usecases.set_presence(tx, second, "online", set_by="agent")
    await decider.decide_once()
    assert await routing.decline(handoff) == second
    await decider.decide_once()
    last = (await routing.bodies(ticket))[-1]
    assert isinstance(last, WorkUnroutable)
    assert (last.kind, last.handoff_id) == ("handoff", handoff)
    assert "an agent who is not excluded" in last.missing
    third = await routing.agent(tier=2)
    await decider.decide_once()
    assert (await routing.offer(handoff))[1] == third
    assert await routing.violations() == {}


async def test_neither_sender_nor_excluded_are_asked(routing: Routing) -> None:
    ticket, owner = await owned(routing)
    excluded = await routing.agent(tier=2)
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket, tier_required=1, excluded=(excluded,))
    await decider.decide_once()
    told = (await routing.bodies(ticket))[-1]
    assert isinstance(told, WorkUnroutable)
    assert dict((await routing.work(handoff)).item.excluded) == {owner: FOR_EVER, excluded: FOR_EVER}


async def test_only_the_named_agent_is_asked_where_the_request_says_so(routing: Routing) -> None:
    ticket, _ = await owned(routing)
    other, named = await routing.agent(tier=2), await routing.agent(tier=2, presence="offline")
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket, to_agent_id=named, only_agent=True)
    await decider.decide_once()
    assert (await routing.work(handoff)).offer is None
    why = (await routing.http.get(f"/v1/work-items/{ticket}")).json()["handoff"]["why"]
    assert (why["funnel"]["team"], why["funnel"]["not_excluded"]) == (1, 0)
    async with routing.begin() as tx:
        await usecases.set_presence(tx, named, "online", set_by="agent")
    await decider.decide_once()
    assert await routing.decline(handoff) == named
    await decider.decide_once()
    assert (await routing.told(ticket))[-1] == "work.unroutable"
    assert await routing.load(other) == 0


async def test_teams_and_skills_of_the_request_decide_and_not_those_of_the_desk(routing: Routing) -> None:
    ticket, _ = await owned(routing)
    await routing.agent(tier=2, teams=("red",), skills={"net": 1})
    await routing.agent(tier=2, teams=("blue",), skills={"net": 5})
    right = await routing.agent(tier=3, teams=("red",), skills={"net": 4})
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket, to_teams=("red",), skills=needs(net=3))
    await decider.decide_once()
    assert await routing.accept(handoff) == right


async def test_a_handoff_never_goes_below_what_the_ticket_asks_but_a_return_may(routing: Routing) -> None:
    ticket, owner = await owned(routing)
    senior = await routing.agent(tier=3)
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket, tier_required=3)
    await decider.decide_once()
    assert await routing.accept(handoff) == senior
    escalated = EscalationLevelChanged(ticket_id=ticket, old=0, new=1, tier_required=3, reason="handoff")
    await routing.tell(ticket, escalated)
    lower = await routing.hand_over(ticket, tier_required=1)
    assert (await routing.work(lower)).item.tier_required == 3
    await routing.tell(
        ticket, HandoffRecalled(ticket_id=ticket, handoff_id=lower, from_agent_id=senior, reason="sender")
    )
    back = await routing.hand_over(ticket, tier_required=1, to_agent_id=owner, return_of=handoff)
    await decider.decide_once()
    assert await routing.accept(back) == owner
    assert await routing.owner(ticket) == owner


async def test_a_repeated_request_changes_nothing_and_a_second_one_ends_the_first(routing: Routing) -> None:
    ticket, owner = await owned(routing)
    request = handoff_request(ticket, sender=owner, at=routing.clock.now())
    await routing.tell(ticket, request, request)
    await routing.tell(ticket, request)
    assert (await routing.told(ticket)).count("work.enqueued") == 2
    second = await routing.hand_over(ticket)
    assert (await routing.work(request.handoff_id)).item.state == "done"
    assert (await routing.work(second)).item.state == "queued"
    assert (await routing.told(ticket))[-2:] == ["work.dequeued", "work.enqueued"]
    assert await routing.violations() == {}


async def test_a_pause_does_not_stop_a_handoff_and_the_new_owner_keeps_a_quarter(routing: Routing) -> None:
    ticket, owner = await owned(routing, priority="normal")
    mid = await routing.agent(tier=2)
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket)
    await decider.decide_once()
    await routing.move(ticket, "open", "pending_customer")
    assert await routing.load(owner) == 2
    assert await routing.load(mid) == 8
    assert await routing.accept(handoff) == mid
    assert [await routing.load(owner), await routing.load(mid)] == [0, 2]
    await routing.move(ticket, "pending_customer", "open")
    assert await routing.load(mid) == 8
    assert await routing.violations() == {}


async def test_a_raised_priority_moves_the_reservation_too(routing: Routing) -> None:
    ticket, _ = await owned(routing)
    mid = await routing.agent(tier=2, languages=("en",))
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket)
    await decider.decide_once()
    await routing.tell(ticket, TicketPriorityChanged(ticket_id=ticket, old="low", new="urgent", reason="manual"))
    assert await routing.load(mid) == 16
    assert (await routing.work(handoff)).item.deadline == (await routing.work(ticket)).item.deadline
    spoken = TicketUpdated(ticket_id=ticket, changed=(Change(field="language", old="", new="de"),), language="de")
    await routing.tell(ticket, spoken)
    assert await routing.load(mid) == 0
    await decider.decide_once()
    assert (await routing.told(ticket))[-1] == "work.unroutable"
    assert await routing.violations() == {}


async def test_no_offer_without_room(routing: Routing) -> None:
    ticket, _ = await owned(routing, priority="urgent")
    full = await routing.agent(tier=2, max_weight=3)
    roomy = await routing.agent(tier=3)
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket)
    await decider.decide_once()
    assert (await routing.offer(handoff))[1] == roomy
    assert await routing.load(full) == 0


async def test_when_the_sender_leaves_whoever_accepts_owns_the_ticket(routing: Routing) -> None:
    ticket, owner = await owned(routing)
    await routing.offer_mode()
    mid, other = await routing.agent(tier=2), await routing.agent(tier=1)
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket)
    await decider.decide_once()
    async with routing.begin() as tx:
        await usecases.let_go(tx, owner)
    await routing.fire_due()
    assert await routing.owner(ticket) is None
    await decider.decide_once()
    assert (await routing.offer(ticket))[1] == other
    assert await routing.accept(handoff) == mid
    assert await routing.owner(ticket) == mid
    assert [await routing.load(each) for each in (owner, mid, other)] == [0, 4, 0]
    assert (await routing.told(ticket))[-3:] == [
        "assignment.accepted",
        "assignment.offer_rescinded",
        "assignment.assigned",
    ]
    await decider.decide_once()
    assert await routing.owner(ticket) == mid
    assert await routing.violations() == {}


async def test_who_owns_the_ticket_already_may_accept_its_handoff(routing: Routing) -> None:
    ticket, _ = await owned(routing)
    mid = await routing.agent(tier=2)
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket)
    await decider.decide_once()
    version = (await routing.work(ticket)).item.version
    async with routing.begin() as tx:
        await usecases.assign_by_hand(tx, ticket, mid, if_match=version, override_reason="")
    assert await routing.load(mid) == 8
    assert await routing.accept(handoff) == mid
    assert await routing.load(mid) == 4
    assigned = (await routing.bodies(ticket))[-2]
    assert isinstance(assigned, AssignmentAssigned)
    assert assigned.handoff_id == handoff
    assert await routing.violations() == {}


async def test_an_offer_that_expires_excludes_for_a_while_only(routing: Routing) -> None:
    ticket, _ = await owned(routing)
    mid = await routing.agent(tier=2)
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket)
    await decider.decide_once()
    routing.clock.move(timedelta(seconds=120))
    await routing.fire_due()
    assert await routing.load(mid) == 0
    await decider.decide_once()
    assert (await routing.work(handoff)).offer is None
    assert "work.unroutable" not in await routing.told(ticket)
    routing.clock.move(timedelta(minutes=10))
    await decider.decide_once()
    assert (await routing.offer(handoff))[1] == mid


async def test_a_new_decider_knows_the_handoffs_that_wait(routing: Routing) -> None:
    ticket, _ = await owned(routing)
    first = await routing.decider()
    handoff = await routing.hand_over(ticket)
    await first.decide_once()
    await first.stop()
    mid = await routing.agent(tier=2)
    second = await routing.decider()
    await second.decide_once()
    assert (await routing.offer(handoff))[1] == mid


async def test_the_receiver_sees_what_is_offered(routing: Routing) -> None:
    ticket, owner = await owned(routing)
    mid = await routing.agent(tier=2, skills={"net": 4})
    decider = await routing.decider()
    handoff = await routing.hand_over(ticket, skills=needs(net=2))
    await decider.decide_once()
    [offer] = (await routing.http.get(f"/v1/agents/{mid}/offers")).json()["items"]
    assert (offer["kind"], offer["handoff_id"], offer["tier_required"]) == ("handoff", str(handoff), 2)
    assert offer["needs"] == [{"skill": "net", "level": 2, "hard_level": 2}]
    shown = (await routing.http.get(f"/v1/work-items/{ticket}")).json()
    assert (shown["kind"], shown["assignment"]["agent_id"]) == ("own", str(owner))
    assert (shown["handoff"]["state"], shown["handoff"]["offer"]["offer_id"]) == ("offered", offer["offer_id"])

    answer = await routing.http.post(f"/v1/offers/{offer['offer_id']}/accept")
    assert (answer.status_code, answer.json()["assignment"]["handoff_id"]) == (200, str(handoff))
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    shown = (await routing.http.get(f"/v1/work-items/{ticket}")).json()
    assert (shown["handoff"], shown["assignment"]["method"]) == (None, "handoff")
    [decision, _] = (await routing.http.get(f"/v1/work-items/{ticket}/decisions")).json()["items"]
    assert (decision["kind"], decision["handoff_id"]) == ("handoff", str(handoff))
