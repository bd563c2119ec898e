"""Clocks on a real database: followed from events, told by timers, shown and proved."""

from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from common.ids import new_id
from contracts.envelope import Event
from contracts.escalation import HandoffAccepted, HandoffRequested, SlaMet
from contracts.intake import MessageAdded, TicketPriorityChanged, TicketStatusChanged
from escalation.sla import store
from escalation.sla.book import read_book
from escalation.sla.domain import VOID
from escalation.sla.fold import fold
from escalation.tickets.usecases import list_log
from tests.integration.escalation.conftest import Escalation

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def message(ticket_id: UUID, direction: str = "inbound", **given: Any) -> MessageAdded:
    """A message by the customer, or by an agent to the customer."""
    values: dict[str, Any] = {
        "ticket_id": ticket_id,
        "message_id": new_id(),
        "direction": direction,
        "author_type": "requester" if direction == "inbound" else "agent",
        "channel": "web",
        "counts_as_response": direction == "outbound",
        "awaits_customer": False,
        "ack_only": False,
    }
    return MessageAdded(**{**values, **given})


def moved(ticket_id: UUID, old: str, new: str, **given: Any) -> TicketStatusChanged:
    """A status move."""
    return TicketStatusChanged(ticket_id=ticket_id, old=old, new=new, **given)


def requested(ticket_id: UUID, handoff_id: UUID, at: datetime) -> HandoffRequested:
    """A handoff that waits for somebody."""
    return HandoffRequested(
        ticket_id=ticket_id,
        handoff_id=handoff_id,
        from_agent_id=new_id(),
        tier_required=2,
        reason_code="other",
        completeness=1.0,
        emergency=False,
        deadline=at + HOUR,
        expires_at=at + HOUR,
    )


def accepted(ticket_id: UUID, handoff_id: UUID) -> HandoffAccepted:
    """Somebody took it."""
    return HandoffAccepted(
        ticket_id=ticket_id,
        handoff_id=handoff_id,
        from_agent_id=None,
        agent_id=new_id(),
        assignment_id=new_id(),
        agent_tier=2,
    )


async def pass_time(escalation: Escalation, by: timedelta, *, step: timedelta = MINUTE) -> None:
    """Let time pass in steps, each followed by what is due."""
    end = escalation.clock.now() + by
    while escalation.clock.now() < end:
        escalation.clock.move(min(step, end - escalation.clock.now()))
        await escalation.fire_due()


async def test_clocks_run_from_the_first_second(escalation: Escalation) -> None:
    """A new ticket has a policy and both clocks at once, and a reply ends one of them."""
    ticket_id = await escalation.open(priority="urgent")
    assert await escalation.told(ticket_id, "sla") == [
        "sla.policy_applied",
        "sla.clock_started",
        "sla.clock_started",
    ]
    escalation.clock.move(10 * MINUTE)
    await escalation.tell(ticket_id, message(ticket_id, "outbound"))
    [met] = await escalation.bodies(ticket_id, "sla.met")
    assert (met.kind, met.consumed_s, met.target_s) == ("first_response", 600, 900)


async def test_each_warning_comes_once_and_then_the_breach(escalation: Escalation) -> None:
    """50, 75, 90 %, then the breach a moment behind the deadline."""
    ticket_id = await escalation.open(priority="urgent")
    await pass_time(escalation, HOUR * 2)
    warned = [(body.kind, body.percent) for body in await escalation.bodies(ticket_id, "sla.warning")]
    assert warned == [
        ("first_response", 50),
        ("first_response", 75),
        ("first_response", 90),
        ("resolution", 50),
        ("resolution", 75),
        ("resolution", 90),
    ]
    assert [body.kind for body in await escalation.bodies(ticket_id, "sla.breached")] == [
        "first_response",
        "resolution",
    ]
    assert not await escalation.sql("select 1 from timer where kind = 'sla_clocks'")


async def test_a_warning_comes_once_after_replay(escalation: Escalation) -> None:
    """Events that are applied again, timers that fire again or late: nothing is told twice."""
    body = escalation.created(priority="urgent")
    first = escalation.event(body.ticket_id, body)
    await escalation.apply(first)
    await pass_time(escalation, 12 * MINUTE)
    told = await escalation.told(body.ticket_id)
    assert told.count("sla.warning") == 2
    await escalation.apply(first, first)
    await escalation.sql(
        "insert into timer (kind, aggregate_id, generation, due_at) values ('sla_clocks', :id, 1, :now)"
        " on conflict (kind, aggregate_id) do update set due_at = excluded.due_at",
        id=body.ticket_id,
        now=escalation.clock.now(),
    )
    await escalation.fire_due()
    assert await escalation.told(body.ticket_id) == told
    await pass_time(escalation, 2 * HOUR)
    assert (await escalation.told(body.ticket_id)).count("sla.warning") == 6


async def test_a_late_reply_takes_a_breach_back_aloud(escalation: Escalation) -> None:
    """The reply was in time and its event was not: the breach is withdrawn, and the clock met."""
    ticket_id = await escalation.open(priority="urgent")
    reply = escalation.event(ticket_id, message(ticket_id, "outbound"), at=escalation.clock.now() + 5 * MINUTE)
    await pass_time(escalation, 20 * MINUTE)
    assert [body.kind for body in await escalation.bodies(ticket_id, "sla.breached")] == ["first_response"]
    await escalation.apply(reply)
    [withdrawn] = await escalation.bodies(ticket_id, "sla.breach_withdrawn")
    assert (withdrawn.kind, withdrawn.cause_event_id) == ("first_response", reply.id)
    [met] = await escalation.bodies(ticket_id, "sla.met")
    assert (met.kind, met.consumed_s) == ("first_response", 300)


async def test_an_event_that_another_topic_has_overtaken_folds_anew(escalation: Escalation) -> None:
    """A priority that fell before the handoff was requested, and is heard of after it, moves the handoff's deadline."""
    body = escalation.created()
    ticket_id, handoff_id, start = body.ticket_id, new_id(), escalation.clock.now()
    opened = escalation.event(ticket_id, body)
    escalation.clock.move(HOUR)
    # Our own topic brings the request before intake's brings the ticket at all, and the pause comes last of all.
    paused = escalation.event(
        ticket_id, TicketStatusChanged(ticket_id=ticket_id, old="new", new="pending_customer"), at=start + 5 * MINUTE
    )
    await escalation.apply(escalation.event(ticket_id, requested(ticket_id, handoff_id, start), at=start + 10 * MINUTE))
    assert await escalation.told(ticket_id, "sla") == []
    await escalation.apply(opened)
    assert (await escalation.told(ticket_id)).count("sla.clock_started") == 3
    await escalation.apply(escalation.event(ticket_id, accepted(ticket_id, handoff_id), at=start + 20 * MINUTE))
    await escalation.apply(paused)
    [stood] = await escalation.bodies(ticket_id, "sla.clock_paused")
    assert (stood.kind, stood.at, stood.consumed_s) == ("resolution", start + 5 * MINUTE, 300)
    assert [each.kind for each in await escalation.bodies(ticket_id, "sla.met")] == ["handoff_accept"]
    found = (await escalation.http.get(f"/v1/tickets/{ticket_id}/sla/handoff_accept/proof")).json()
    assert found["clock"]["handoff_id"] == str(handoff_id)
    assert found["consumed_s"] == 600


async def test_another_priority_breaches_and_says_why(escalation: Escalation) -> None:
    """A new target that has passed already is a breach by policy change; the deadline is told before it."""
    ticket_id = await escalation.open()
    await pass_time(escalation, 2 * HOUR, step=10 * MINUTE)
    await escalation.tell(
        ticket_id, TicketPriorityChanged(ticket_id=ticket_id, old="normal", new="urgent", reason="override")
    )
    changed, *_ = [each for each in await escalation.bodies(ticket_id, "sla.deadline_changed") if each.target_s == 3600]
    assert (changed.kind, changed.cause) == ("resolution", "policy")
    breached = {each.kind: each for each in await escalation.bodies(ticket_id, "sla.breached")}
    assert breached["resolution"].cause == "policy_change"
    assert breached["resolution"].consumed_s == 7_200
    assert breached["first_response"].cause == "time"


async def test_a_reopened_ticket_takes_its_verdict_back(escalation: Escalation) -> None:
    """Met, reopened, met again: the first verdict is withdrawn, the resolved time does not count."""
    ticket_id = await escalation.open()
    escalation.clock.move(HOUR)
    await escalation.tell(ticket_id, TicketStatusChanged(ticket_id=ticket_id, old="open", new="resolved"))
    escalation.clock.move(30 * HOUR)
    await escalation.tell(
        ticket_id, message(ticket_id), TicketStatusChanged(ticket_id=ticket_id, old="resolved", new="open")
    )
    escalation.clock.move(HOUR)
    await escalation.tell(ticket_id, TicketStatusChanged(ticket_id=ticket_id, old="open", new="resolved"))
    assert (await escalation.told(ticket_id, "sla"))[3:] == [
        "sla.clock_cancelled",
        "sla.met",
        "sla.clock_started",
        "sla.met_withdrawn",
        "sla.clock_resumed",
        "sla.clock_cancelled",
        "sla.met",
    ]
    met = [each for each in await escalation.bodies(ticket_id, "sla.met") if isinstance(each, SlaMet)]
    assert [each.consumed_s for each in met] == [3_600, 7_200]


async def test_a_week_of_clock_time(escalation: Escalation) -> None:
    """Office hours in Vienna over a week whose Thursday is closed, quarter by quarter, in seconds of real time."""
    week = {
        day: [{"start": "09:00", "end": "17:00"}] for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
    }
    added = await escalation.http.post(
        "/v1/calendars",
        json={
            "name": "Vienna",
            "zone": "Europe/Vienna",
            "country": "AT",
            "week": week,
            "exceptions": [{"on": "2026-03-05", "spans": []}],
        },
        headers={"idempotency-key": "vienna"},
    )
    assert added.status_code == 201, added.text
    hours = {"urgent": 32 * 3_600, "high": 32 * 3_600, "normal": 32 * 3_600, "low": 32 * 3_600}
    drafted = await escalation.http.post(
        "/v1/sla-policies",
        json={"name": "Week", "targets_s": {"resolution": hours}, "calendar_id": added.json()["calendar_id"]},
        headers={"idempotency-key": "week"},
    )
    assert drafted.status_code == 201, drafted.text
    activated = await escalation.http.post(f"{drafted.headers['location']}/activate")
    assert activated.json()["state"] == "active"

    ticket_id = await escalation.open()
    seen: list[tuple[Any, str]] = []
    for _ in range(8 * 24 * 4):
        escalation.clock.move(15 * MINUTE)
        if await escalation.fire_due():
            new = (await escalation.told(ticket_id, "sla"))[len(seen) + 2 :]
            seen += [(escalation.clock.now(), name) for name in new]
    # 32 hours of work from Monday 11:00 in Vienna: six on Monday, eight each on Tuesday and Wednesday, none on the
    # Thursday that is closed, eight on Friday, and the last two on Monday, until 11:00.
    assert [(f"{at:%a %d %H:%M}", name) for at, name in seen] == [
        ("Wed 04 10:00", "sla.warning"),
        ("Fri 06 10:00", "sla.warning"),
        ("Fri 06 15:00", "sla.warning"),
        ("Mon 09 10:15", "sla.breached"),
    ]
    [breached] = await escalation.bodies(ticket_id, "sla.breached")
    assert f"{breached.at:%a %d %H:%M}" == "Mon 09 10:00"


async def test_the_proof_is_printed_or_shown(escalation: Escalation) -> None:
    """The same arithmetic as text and as JSON; an unknown ticket or clock is not found."""
    ticket_id = await escalation.open()
    escalation.clock.move(HOUR)
    address = f"/v1/tickets/{ticket_id}/sla/resolution/proof"
    printed = await escalation.http.get(address, headers={"accept": "text/plain"})
    assert printed.headers["content-type"].startswith("text/plain")
    assert "deadline = 2026-03-02T11:00:00Z + 25200 s of open time = 2026-03-02T18:00:00Z" in printed.text
    shown = (await escalation.http.get(address)).json()
    assert shown["text"] == printed.text
    assert (shown["consumed_s"], shown["remaining_s"]) == (3_600, 25_200)
    by_id = await escalation.http.get(f"/v1/tickets/{ticket_id}/sla/{shown['clock']['clock_id']}/proof")
    assert by_id.json() == shown
    summary = (await escalation.http.get(f"/v1/tickets/{ticket_id}/sla")).json()
    assert [clock["kind"] for clock in summary["clocks"]] == ["first_response", "resolution"]
    for missing in (f"/v1/tickets/{new_id()}/sla", f"/v1/tickets/{ticket_id}/sla/next_response/proof"):
        assert (await escalation.http.get(missing)).status_code == 404


async def test_what_is_kept_is_what_the_log_gives(escalation: Escalation) -> None:
    """Random lives of tickets, their topics interleaved in batches with repeats: rows, log and one fold agree."""
    random = Random(11)  # noqa: S311 - a seeded story, no secret
    for _ in range(12):
        ticket_id = new_id()
        queues = _random_life(escalation, ticket_id, random)
        arrived: list[Event] = []
        while any(queues):
            batch = [queue.pop(0) for queue in random.sample(queues, random.randint(1, 2)) if queue]
            arrived += batch
            repeats = random.sample(arrived, min(2, len(arrived)))
            await escalation.apply(*batch)
            await escalation.apply(*repeats)
            escalation.clock.move(random.choice([MINUTE, HOUR]))
            await escalation.fire_due()
        async with escalation.database.read() as connection:
            kept = await store.list_clocks(connection, [ticket_id])
            log = await list_log(connection, [ticket_id])
            book = await read_book(connection)
        [standing] = msgspec.convert(
            [
                {str(name): value for name, value in row._mapping.items()}
                for row in await escalation.sql("select * from sla_ticket where ticket_id = :id", id=ticket_id)
            ],
            list[store.Standing],
        )
        folded, clocks = fold(arrived, book)
        assert standing.folded == folded
        assert {
            each.clock.clock_id: each.clock for each in kept[ticket_id].values() if each.clock.state != VOID
        } == clocks
        assert fold(log[ticket_id], book) == (folded, clocks)
        warned = [
            (each.clock_id, each.percent, each.policy_version)
            for each in await escalation.bodies(ticket_id, "sla.warning")
        ]
        assert len(warned) == len(set(warned))


def _random_life(escalation: Escalation, ticket_id: UUID, random: Random) -> list[list[Event]]:
    """What intake and escalation tell of a ticket, each in its order; their clocks go back a little now and then."""
    at = escalation.clock.now()
    created = escalation.created(ticket_id=ticket_id, priority=random.choice(["low", "normal", "urgent"]))
    intake, own = [escalation.event(ticket_id, created, at=at)], list[Event]()
    status = "new"
    for _ in range(random.randint(4, 14)):
        at += timedelta(seconds=random.uniform(-30, 5_000))
        match random.choice(["in", "out", "move", "move", "priority", "handoff"]):
            case "in":
                intake.append(escalation.event(ticket_id, message(ticket_id), at=at))
            case "out":
                intake.append(escalation.event(ticket_id, message(ticket_id, "outbound"), at=at))
            case "priority":
                raised = random.choice(["low", "normal", "high", "urgent"])
                body = TicketPriorityChanged(ticket_id=ticket_id, old="low", new=raised, reason="override")
                intake.append(escalation.event(ticket_id, body, at=at))
            case "handoff":
                handoff_id = new_id()
                own.append(escalation.event(ticket_id, requested(ticket_id, handoff_id, at), at=at))
                own.append(escalation.event(ticket_id, accepted(ticket_id, handoff_id), at=at + 20 * MINUTE))
            case _:
                new = random.choice(["open", "pending_customer", "on_hold", "resolved"])
                reason = "third_party" if new == "on_hold" else None
                body = TicketStatusChanged(ticket_id=ticket_id, old=status, new=new, hold_reason=reason)
                intake.append(escalation.event(ticket_id, body, at=at))
                status = new
    return [intake, own]
