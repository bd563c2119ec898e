"""What escalation's and feedback's events do to tickets in the database, and what ends a ticket by itself."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from common.ids import new_id
from common.timers import set_timers
from common.transaction import Origin
from contracts.envelope import Event
from contracts.feedback import FollowupOpened, FollowupReopenRequested
from contracts.registry import Body
from contracts.routing import AssignmentAssigned
from intake.tickets.usecases import CLOSE_TIMER
from tests.integration.intake.conftest import Intake, Told
from tests.support.escalations import H1, H2, Clock, ends, level, requested

RESOLUTION = {"resolution_code": "fixed", "resolution_summary": "Reset the password.", "skip_reason": "plain case"}
SHOWN = ("tier_required", "escalation_level", "escalation_tier", "escalation_event_id", "handoff", "sla", "sla_state")
WEEK = timedelta(days=7)


async def owned(intake: Intake, **changes: Any) -> dict[str, Any]:
    """An open ticket that somebody owns."""
    ticket = await intake.open(**changes)
    assigned = AssignmentAssigned(
        ticket_id=UUID(ticket["id"]), assignment_id=new_id(), agent_id=new_id(), agent_tier=1, method="auto", weight=1
    )
    await intake.apply(Told(ticket["id"]).event(assigned))
    return await intake.show(ticket["id"])


async def resolved(intake: Intake) -> dict[str, Any]:
    """A ticket that was just resolved."""
    ticket = await owned(intake)
    answer = await intake.post(ticket["id"], "resolve", RESOLUTION)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def timers(intake: Intake) -> int:
    """How many tickets are to close by themselves."""
    async with intake.database.read() as connection:
        found = await connection.scalar(text("select count(*) from timer where kind = :kind"), {"kind": CLOSE_TIMER})
    return int(found or 0)


def story(ticket_id: UUID, chance: random.Random) -> list[Body]:
    """What escalation may say of one ticket, in any order."""
    handoffs = [requested(ticket_id, H1), requested(ticket_id, H2)]
    handoffs += [*ends(ticket_id, H1).values(), *ends(ticket_id, H2).values()]
    clocks = [body for kind in ("resolution", "next_response") for body in Clock(ticket_id, kind).all()]
    levels = [level(ticket_id, 0, 1, 2), level(ticket_id, 1, 2, 3)]
    return chance.choices(handoffs + clocks + levels * 3, k=20)


@pytest.mark.parametrize("seed", range(4))
async def test_batches_show_what_single_events_show(intake: Intake, seed: int) -> None:
    """In batches of any size, and all of it twice: the same ticket, every event once in the timeline, no version."""
    chance = random.Random(seed)  # noqa: S311 - a seeded choice of test cases
    ticket, twin = await intake.open(), await intake.open()
    told = Told(ticket["id"], service="escalation")
    events = [told.event(body) for body in story(UUID(ticket["id"]), chance)]
    for event in events:
        await intake.apply(_about(event, twin["id"]))
    for _ in range(2):
        rest = list(events)
        while rest:
            size = chance.randint(1, 8)
            await intake.apply(*rest[:size])
            rest = rest[size:]
    shown = await intake.show(ticket["id"])
    after = await intake.show(twin["id"])
    assert {name: shown[name] for name in SHOWN} == {name: after[name] for name in SHOWN}
    assert shown["version"] == 1
    timeline = (await intake.http.get(f"/v1/tickets/{ticket['id']}/timeline?limit=200")).json()["items"]
    assert [entry["id"] for entry in timeline[2:]] == [str(event.id) for event in events]


def _about(event: Event, ticket_id: str) -> Event:
    """The same event about another ticket; the ticket id inside its body is not looked at."""
    return Event(
        id=event.id,
        source=event.source,
        type=event.type,
        subject=f"ticket/{ticket_id}",
        seq=event.seq,
        time=event.time,
        data=event.data,
    )


async def test_what_is_shown_survives_commands(intake: Intake) -> None:
    """A command in between saves it as it was, and each value still names its event."""
    ticket = await owned(intake)
    ticket_id = UUID(ticket["id"])
    told, clock = Told(ticket["id"], service="escalation"), Clock(ticket_id)
    raised = told.event(level(ticket_id, 0, 1, 2))
    asked = told.event(requested(ticket_id, H1))
    warned = [told.event(clock.started()), told.event(clock.warned(75))]
    await intake.apply(raised, asked, *warned)
    before = await intake.show(ticket["id"])
    assert (before["tier_required"], before["escalation_level"]) == (2, 1)
    assert before["escalation_event_id"] == str(raised.id)
    assert (before["handoff"]["state"], before["handoff"]["event_id"]) == ("requested", str(asked.id))
    assert (before["sla_state"], before["sla"]["resolution"]["event_id"]) == ("warned", str(warned[1].id))
    await intake.http.put(f"/v1/tickets/{ticket['id']}/tags/vip")
    after = await intake.show(ticket["id"])
    assert {name: after[name] for name in SHOWN} == {name: before[name] for name in SHOWN}
    assert after["version"] == before["version"] + 1


async def test_the_list_knows_what_is_shown(intake: Intake) -> None:
    """By the level, the latest handoff's state and the worst clock."""
    plain, late, fine = await intake.open(), await intake.open(), await intake.open()
    late_id, fine_id = UUID(late["id"]), UUID(fine["id"])
    told = Told(late["id"], service="escalation")
    bodies = [level(late_id, 0, 2, 2), requested(late_id, H1), ends(late_id, H1)["declined"]]
    bodies += [Clock(late_id).started(), Clock(late_id).breached()]
    await intake.apply(*(told.event(body) for body in bodies))
    await intake.apply(Told(fine["id"], service="escalation").event(Clock(fine_id).started()))
    expected: dict[str, list[str]] = {
        "escalation_level=2": [late["id"]],
        "escalation_level=0&sla_state=ok": [fine["id"]],
        "handoff_state=declined&handoff_state=expired": [late["id"]],
        "handoff_state=requested": [],
        "sla_state=breached": [late["id"]],
        "sla_state=breached&sla_state=ok": [late["id"], fine["id"]],
        "sla_state=warned": [],
        "escalation_level=0": [plain["id"], fine["id"]],
        "tier=2": [late["id"]],
    }
    for query, ids in expected.items():
        answer = await intake.http.get(f"/v1/tickets?sort=created_at&{query}")
        assert [item["id"] for item in answer.json()["items"]] == ids, query
    for wrong in ("sla_state=late", "handoff_state=draft", "escalation_level=-1", "escalation_level=x"):
        assert (await intake.http.get(f"/v1/tickets?{wrong}")).status_code == 400


async def test_nothing_is_resolved_while_a_handoff_is_open(intake: Intake) -> None:
    """409 handoff_open, and again once it ended."""
    ticket = await owned(intake)
    told = Told(ticket["id"], service="escalation")
    await intake.apply(told.event(requested(UUID(ticket["id"]), H1)))
    refused = await intake.post(ticket["id"], "resolve", RESOLUTION)
    assert (refused.status_code, refused.json()["code"]) == (409, "handoff_open")
    await intake.apply(told.event(ends(UUID(ticket["id"]), H1)["withdrawn"]))
    assert (await intake.post(ticket["id"], "resolve", RESOLUTION)).status_code == 200


async def test_a_priority_is_raised_without_a_version(intake: Intake) -> None:
    """Many at once, each under its own key and up to one priority: one event; above it nothing happens."""
    ticket = await intake.open()
    path = f"/v1/tickets/{ticket['id']}/raise-priority"
    body = {"to": "high", "reason": "breached"}
    answers = await asyncio.gather(*(intake.http.post(path, json=body) for _ in range(5)))
    assert {(answer.status_code, answer.json()["priority"], answer.json()["version"]) for answer in answers} == {
        (200, "high", 2)
    }
    step = await intake.http.post(path, json={"reason": "breached again"})
    assert (step.json()["priority"], step.json()["priority_reason"]) == ("urgent", "breached again")
    assert (await intake.http.post(path, json={"reason": "x"})).json()["version"] == 3
    moves = [e["data"] for e in await intake.events(ticket["id"]) if e["type"].endswith("priority_changed.v1")]
    assert [(move["from"], move["to"], move["reason"]) for move in moves] == [
        ("normal", "high", "escalation"),
        ("high", "urgent", "escalation"),
    ]
    await intake.post(ticket["id"], "cancel", {"reason": "test"})
    assert (await intake.http.post(path, json=body)).json()["code"] == "ticket_final"
    for wrong in ({}, {"reason": ""}, {"reason": "x", "to": "highest"}, {"reason": "x", "by": 1}):
        assert (await intake.http.post(path, json=wrong)).status_code == 400


async def test_silence_closes_a_resolved_ticket(intake: Intake) -> None:
    """After seven days, not before; told once, however many workers look."""
    ticket = await resolved(intake)
    intake.clock.move(WEEK - timedelta(seconds=1))
    await intake.fire_due()
    assert (await intake.show(ticket["id"]))["status"] == "resolved"
    intake.clock.move(timedelta(seconds=2))
    await asyncio.gather(intake.fire_due(), intake.fire_due())
    closed = await intake.show(ticket["id"])
    assert (closed["status"], closed["version"]) == ("closed", ticket["version"] + 1)
    told = [e for e in await intake.events(ticket["id"]) if e["type"] == "support.ticket.closed.v1"]
    assert [(e["data"]["closure"], e["actor"]) for e in told] == [("auto", "service:intake")]


async def test_the_end_of_a_resolution_takes_its_timer_along(intake: Intake) -> None:
    """Confirmed, reopened by an agent, by a word, by a survey; a second resolution has its own week."""
    first = await resolved(intake)
    assert await timers(intake) == 1
    await intake.post(first["id"], "confirm")
    assert await timers(intake) == 0
    ticket = await resolved(intake)
    await intake.post(ticket["id"], "reopen")
    assert await timers(intake) == 0
    await intake.post(ticket["id"], "resolve", RESOLUTION)
    await intake.say(ticket["id"], "inbound")
    assert await timers(intake) == 0
    await intake.post(ticket["id"], "resolve", RESOLUTION)
    await intake.apply(Told(ticket["id"], service="feedback").event(consent(ticket["id"], seq=3)))
    assert await timers(intake) == 0
    await intake.post(ticket["id"], "resolve", RESOLUTION)
    intake.clock.move(timedelta(days=3))
    await intake.post(ticket["id"], "reopen")
    await intake.post(ticket["id"], "resolve", RESOLUTION)
    intake.clock.move(timedelta(days=5))
    await intake.fire_due()
    assert (await intake.show(ticket["id"]))["status"] == "resolved"
    intake.clock.move(timedelta(days=2))
    await intake.fire_due()
    assert (await intake.show(ticket["id"]))["status"] == "closed"


async def test_a_resolved_ticket_without_its_timer_closes_too(intake: Intake) -> None:
    """As an earlier release leaves it: the periodic look finds it once its week is over. A timer too early waits."""
    ticket = await resolved(intake)
    [look] = [each for each in intake.service.periodic if each.name == "close-overdue"]
    async with intake.database.begin(Origin(actor="test")) as tx:
        await set_timers(tx, CLOSE_TIMER, [(UUID(ticket["id"]), 1, tx.now)])
    await intake.fire_due()
    assert (await intake.show(ticket["id"]))["status"] == "resolved"
    async with intake.database.begin(Origin(actor="test")) as tx:
        await tx.connection.execute(text("delete from timer"))
        await look.run(tx)
    assert await timers(intake) == 0
    intake.clock.move(WEEK + timedelta(seconds=1))
    async with intake.database.begin(Origin(actor="test")) as tx:
        await look.run(tx)
    await intake.fire_due()
    assert (await intake.show(ticket["id"]))["status"] == "closed"


def consent(ticket_id: str, *, seq: int = 1) -> FollowupReopenRequested:
    """The requester agrees that the ticket is opened again."""
    return FollowupReopenRequested(
        ticket_id=UUID(ticket_id), followup_id=new_id(), survey_id=new_id(), resolution_seq=seq
    )


async def test_a_survey_reopens(intake: Intake) -> None:
    """Once, told with its cause; all else that feedback tells is kept and moves nothing."""
    ticket = await resolved(intake)
    intake.clock.move(timedelta(days=1))
    told = Told(ticket["id"], service="feedback", start=intake.clock.now())
    opened = FollowupOpened(
        ticket_id=UUID(ticket["id"]), followup_id=new_id(), survey_id=new_id(), score=1, due_at=intake.clock.now()
    )
    agreed = told.event(consent(ticket["id"]))
    await intake.apply(told.event(opened), agreed, told.event(consent(ticket["id"])))
    now = await intake.show(ticket["id"])
    assert (now["status"], now["reopen_count"], now["resolved_at"]) == ("open", 1, None)
    assert (now["owner_id"], now["version"]) == (ticket["owner_id"], ticket["version"] + 1)
    reopened = [e for e in await intake.events(ticket["id"]) if e["type"] == "support.ticket.reopened.v1"]
    assert [(e["data"]["trigger"], e["causationid"]) for e in reopened] == [("survey", str(agreed.id))]
    assert reopened[0]["data"]["since_resolved_s"] == 86400


async def test_a_survey_that_comes_too_late_is_kept_and_moves_nothing(intake: Intake) -> None:
    """After the window, on another resolution, on a closed ticket."""
    late, other, closed = await resolved(intake), await resolved(intake), await resolved(intake)
    await intake.post(closed["id"], "confirm")
    for ticket, seq in ((other, 2), (closed, 1)):
        await intake.apply(Told(ticket["id"], service="feedback").event(consent(ticket["id"], seq=seq)))
    intake.clock.move(WEEK + timedelta(seconds=1))
    await intake.apply(Told(late["id"], service="feedback").event(consent(late["id"])))
    statuses = [(await intake.show(ticket["id"]))["status"] for ticket in (late, other, closed)]
    assert statuses == ["resolved", "resolved", "closed"]
    for ticket in (late, other, closed):
        timeline = (await intake.http.get(f"/v1/tickets/{ticket['id']}/timeline")).json()["items"]
        assert [e["type"] for e in timeline].count("support.followup.reopen_requested.v1") == 1


async def test_a_survey_races_a_confirmation(intake: Intake) -> None:
    """One of the two decides; the moves chain."""
    tickets = [await resolved(intake) for _ in range(6)]

    async def agree(ticket: dict[str, Any]) -> None:
        await intake.apply(Told(ticket["id"], service="feedback").event(consent(ticket["id"])))

    async def confirm(ticket: dict[str, Any]) -> int:
        return (await intake.post(ticket["id"], "confirm", version=ticket["version"])).status_code

    both: Sequence[Any] = await asyncio.gather(
        *(agree(ticket) for ticket in tickets), *(confirm(ticket) for ticket in tickets)
    )
    for ticket, code in zip(tickets, both[len(tickets) :], strict=True):
        status = (await intake.show(ticket["id"]))["status"]
        assert (status, code) in {("open", 412), ("closed", 200)}


async def test_an_automation_is_heard_after_the_end(intake: Intake) -> None:
    """A survey's link on a resolved and on a closed ticket: there to be read, and nothing moves."""
    ticket = await resolved(intake)
    link = "How was it? https://feedback.example.org/s/abc"
    for status in ("resolved", "closed"):
        before = await intake.show(ticket["id"])
        assert before["status"] == status
        said = await intake.say(ticket["id"], "outbound", body=link)
        assert (said.status_code, said.json()["ticket_id"], said.json()["author_type"]) == (
            201,
            ticket["id"],
            "automation",
        )
        assert not said.json()["counts_as_response"]
        assert await intake.show(ticket["id"]) == before | {"updated_at": intake.clock.now().isoformat()[:19] + "Z"}
        if status == "resolved":
            await intake.post(ticket["id"], "confirm")
    found = (await intake.http.get(f"/v1/tickets/{ticket['id']}/messages")).json()["items"]
    assert [message["body"] for message in found].count(link) == 2
    refusals = [
        await intake.say(ticket["id"], "outbound", counts_as_response=True),
        await intake.say(ticket["id"], "internal"),
        await intake.say(ticket["id"], "outbound", agent=new_id()),
    ]
    assert {(refusal.status_code, refusal.json()["code"]) for refusal in refusals} == {(409, "ticket_final")}
    gone = await intake.open()
    await intake.post(gone["id"], "cancel", {"reason": "spam"})
    assert (await intake.say(gone["id"], "outbound", body=link)).status_code == 409
