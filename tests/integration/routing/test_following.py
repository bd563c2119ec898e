"""What intake's events do to work that is queued or owned."""

from datetime import timedelta
from uuid import UUID

from common.ids import new_id
from contracts.intake import TicketClassified, TicketStatusChanged, TicketUpdated
from contracts.words import Change
from routing.queues.schemas import AddQueueBody
from routing.queues.usecases import add_queue, list_queues
from routing.work.explanation import unpack_decision
from tests.integration.routing.conftest import Routing, needs, public_reply


async def test_pause_and_resume_move_the_owners_load(routing: Routing) -> None:
    agent = await routing.agent(max_weight=2)
    decider = await routing.decider()
    ticket = await routing.open(priority="normal")
    await decider.decide_once()
    assert await routing.load(agent) == 8

    await routing.move(ticket, "open", "pending_customer")
    assert await routing.load(agent) == 2
    await routing.move(ticket, "pending_customer", "on_hold")
    assert await routing.load(agent) == 2

    other = await routing.open(priority="low")
    await decider.decide_once()
    assert await routing.owner(other) == agent
    await routing.move(ticket, "on_hold", "open")
    assert await routing.load(agent) == 12, "resuming is never refused"
    assert (await routing.told(ticket)).count("assignment.weight_changed") == 2
    assert await routing.violations() == {}


async def test_paused_work_is_not_given_away_and_its_pause_is_not_wait(routing: Routing) -> None:
    await routing.agent(presence="offline")
    decider = await routing.decider()
    ticket = await routing.open(priority="normal", status="on_hold")
    await decider.decide_once()
    agent = await routing.agent()
    await decider.decide_once()
    assert await routing.owner(ticket) is None

    routing.clock.move(timedelta(hours=5))
    await routing.move(ticket, "on_hold", "open")
    work = await routing.work(ticket)
    assert work.item.paused_s == 5 * 3600
    await decider.decide_once()
    assert await routing.owner(ticket) == agent
    [row] = await routing.sql("select packed from decision")
    assert unpack_decision(row.packed).wait == 0


async def test_the_end_of_a_ticket_ends_its_work_and_a_reopened_one_waits_anew(routing: Routing) -> None:
    agent = await routing.agent()
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    await routing.move(ticket, "open", "resolved")
    assert await routing.load(agent) == 0
    assert (await routing.work(ticket)).item.state == "done"

    routing.clock.move(timedelta(days=1))
    await routing.move(ticket, "resolved", "open")
    work = await routing.work(ticket)
    assert work.item.enqueued_at == routing.clock.now()
    await decider.decide_once()
    await routing.move(ticket, "open", "resolved")
    await routing.move(ticket, "resolved", "closed")
    assert await routing.told(ticket) == [
        "work.enqueued",
        "assignment.assigned",
        "assignment.unassigned",
        "work.dequeued",
        "work.enqueued",
        "assignment.assigned",
        "assignment.unassigned",
        "work.dequeued",
    ]
    assert await routing.violations() == {}


async def test_a_cancelled_ticket_that_waits_is_dequeued(routing: Routing) -> None:
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    await routing.move(ticket, "new", "cancelled")
    agent = await routing.agent()
    await decider.decide_once()
    assert await routing.load(agent) == 0
    assert (await routing.told(ticket))[-1] == "work.dequeued"


async def test_a_reply_pulls_an_ownerless_ticket_even_beyond_capacity(routing: Routing) -> None:
    agent = await routing.agent(max_weight=1, presence="away")
    first, second = await routing.open(), await routing.open()
    await routing.apply(*(routing.event(ticket, public_reply(ticket, agent)) for ticket in (first, second)))
    assert [await routing.owner(ticket) for ticket in (first, second)] == [agent, agent]
    assert await routing.load(agent) == 8
    works = [(await routing.work(ticket)).assignment for ticket in (first, second)]
    assert sorted(each.override_reason for each in works if each) == ["", "reply"]
    assert {each.method for each in works if each} == {"reply"}
    assert await routing.violations() == {}


async def test_a_reply_on_an_owned_ticket_or_by_a_stranger_changes_nothing(routing: Routing) -> None:
    owner = await routing.agent()
    other = await routing.agent(presence="away")
    decider = await routing.decider()
    ticket = await routing.open()
    await decider.decide_once()
    await routing.reply(ticket, other)
    await routing.reply(ticket, new_id())
    assert await routing.owner(ticket) == owner


async def test_the_first_desk_whose_rule_holds_gets_the_ticket_and_a_change_moves_it(routing: Routing) -> None:
    async with routing.begin() as tx:
        for name, priority, match in (
            ("Network, urgent", 10, {"category": {"eq": "network"}, "priority": {"in": ["urgent", "high"]}}),
            ("Network", 20, {"category": {"eq": "network"}}),
            ("VIP", 30, {"tags": {"in": ["vip"]}}),
        ):
            body = AddQueueBody.model_validate({"name": name, "priority": priority, "match": match})
            await add_queue(tx, body.queue(tx.now))
    async with routing.database.read() as connection:
        names = {queue.queue_id: queue.name for queue in await list_queues(connection)}

    async def desk(ticket: UUID) -> str:
        return names[(await routing.work(ticket)).item.queue_id]

    network = await routing.open(category="network", tags=("vip",))
    assert await desk(network) == "Network"
    assert await desk(await routing.open(category="network", priority="urgent")) == "Network, urgent"
    plain = await routing.open(category="other")
    assert await desk(plain) == "Everything else"
    enqueued_at = (await routing.work(plain)).item.enqueued_at

    routing.clock.move(timedelta(minutes=3))
    tagged = TicketUpdated(ticket_id=plain, changed=(Change(field="tags", old=(), new=("vip",)),), tags=("vip",))
    await routing.tell(plain, tagged)
    assert await desk(plain) == "VIP"
    classified = TicketClassified(
        ticket_id=plain, category="network", component="", skills_required=needs(net=1), tier_required=1, by="agent"
    )
    await routing.tell(plain, classified)
    assert await desk(plain) == "Network"
    assert await routing.told(plain) == ["work.enqueued"] * 3
    assert (await routing.work(plain)).item.enqueued_at == enqueued_at


async def test_repeated_events_change_nothing_more(routing: Routing) -> None:
    agent = await routing.agent()
    decider = await routing.decider()
    created = routing.created()
    await routing.apply(created, created)
    ticket = (await routing.sql("select ticket_id from work_item"))[0].ticket_id
    await decider.decide_once()
    await routing.apply(created)
    await routing.move(ticket, "new", "open")
    await routing.move(ticket, "new", "open")
    for _ in range(3):
        await routing.move(ticket, "open", "resolved")
    assert await routing.load(agent) == 0
    assert (await routing.told(ticket)).count("work.dequeued") == 1
    assert (await routing.told(ticket)).count("work.enqueued") == 1


async def test_events_about_a_ticket_that_is_not_known_are_passed_over(routing: Routing) -> None:
    ticket = new_id()
    await routing.move(ticket, "new", "open")
    await routing.reply(ticket, new_id())
    assert await routing.told(ticket) == []


async def test_a_whole_life_in_one_batch(routing: Routing) -> None:
    created = routing.created()
    ticket_id = UUID(created.subject_id)
    moves = [
        routing.event(ticket_id, TicketStatusChanged(ticket_id=ticket_id, old=old, new=new))
        for old, new in (("new", "cancelled"), ("cancelled", "open"), ("open", "on_hold"))
    ]
    await routing.apply(created, *moves)
    work = await routing.work(ticket_id)
    assert work.item.state == "queued"
    assert work.item.paused_at is not None
    assert await routing.told(ticket_id) == ["work.enqueued", "work.dequeued", "work.enqueued"]
