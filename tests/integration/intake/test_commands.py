"""Commands on a ticket through the real application: each move, its event, its version and its refusals."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from common.ids import new_id
from contracts.routing import AssignmentAssigned
from tests.integration.intake.conftest import Intake, Told

RESOLUTION = {"resolution_code": "fixed", "resolution_summary": "Reset the password.", "skip_reason": "plain case"}


async def owned(intake: Intake, **changes: Any) -> tuple[dict[str, Any], UUID]:
    """An open ticket and its owner."""
    ticket, agent = await intake.open(**changes), new_id()
    await intake.apply(
        Told(ticket["id"]).event(
            AssignmentAssigned(
                ticket_id=UUID(ticket["id"]),
                assignment_id=new_id(),
                agent_id=agent,
                agent_tier=1,
                method="auto",
                weight=2,
            )
        )
    )
    return await intake.show(ticket["id"]), agent


async def types(intake: Intake, ticket_id: str) -> list[str]:
    """What was told of a ticket, without the first two."""
    return [event["type"].removeprefix("support.").removesuffix(".v1") for event in await intake.events(ticket_id)][2:]


async def test_a_whole_life(intake: Intake) -> None:
    """Owned, asked, answered, held, resumed, resolved, reopened, resolved, confirmed."""
    ticket, agent = await owned(intake)
    name = ticket["id"]
    assert (ticket["status"], ticket["version"]) == ("open", 1)
    assert (await intake.say(name, "outbound", agent=agent, awaits_customer=True)).status_code == 201
    assert (await intake.show(name))["status"] == "pending_customer"
    assert (await intake.say(name, "inbound")).status_code == 201
    assert (await intake.show(name))["status"] == "open"
    assert (await intake.post(name, "hold", {"hold_reason": "third_party"})).json()["status"] == "on_hold"
    assert (await intake.post(name, "resume")).json()["hold_reason"] is None
    resolved = (await intake.post(name, "resolve", RESOLUTION, agent=agent)).json()
    assert (resolved["status"], resolved["resolution_seq"]) == ("resolved", 1)
    reopened = (await intake.post(name, "reopen")).json()
    assert (reopened["status"], reopened["reopen_count"], reopened["resolved_at"]) == ("open", 1, None)
    await intake.post(name, "resolve", RESOLUTION, agent=agent)
    closed = await intake.post(name, "confirm")
    assert (closed.json()["status"], closed.json()["version"]) == ("closed", 9)
    assert closed.headers["etag"] == '"9"'
    moves = [
        (event["data"]["from"], event["data"]["to"])
        for event in await intake.events(name)
        if event["type"] == "support.ticket.status_changed.v1"
    ]
    assert moves == [
        ("new", "open"),
        ("open", "pending_customer"),
        ("pending_customer", "open"),
        ("open", "on_hold"),
        ("on_hold", "open"),
        ("open", "resolved"),
        ("resolved", "open"),
        ("open", "resolved"),
        ("resolved", "closed"),
    ]
    assert "Reset the password" not in str(await intake.events(name))


async def test_commands_need_the_version_that_they_were_decided_on(intake: Intake) -> None:
    """428 without If-Match, 412 with an old one, 400 with none that we gave; nothing happens."""
    ticket, _ = await owned(intake)
    path = f"/v1/tickets/{ticket['id']}"
    for command in ("wait-for-customer", "resume", "confirm", "reopen", "close", "restore"):
        assert (await intake.http.post(f"{path}/{command}")).status_code == 428
        assert (await intake.post(ticket["id"], command, version=7)).json()["code"] == "stale_version"
    for command, body in (
        ("hold", {"hold_reason": "problem"}),
        ("resolve", RESOLUTION),
        ("cancel", {"reason": "spam"}),
        ("classify", {}),
    ):
        assert (await intake.http.post(f"{path}/{command}", json=body)).status_code == 428
        assert (await intake.post(ticket["id"], command, body, version=7)).status_code == 412
    assert (await intake.http.patch(path, json={})).status_code == 428
    assert (await intake.http.post(f"{path}/resume", headers={"if-match": "*"})).status_code == 400
    assert await intake.show(ticket["id"]) == ticket


async def test_two_agents_decide_on_the_same_version(intake: Intake) -> None:
    """At once: one wins, the other is told that the ticket moved on."""
    ticket, _ = await owned(intake)
    answers = await asyncio.gather(
        intake.post(ticket["id"], "resolve", RESOLUTION, version=1),
        intake.post(ticket["id"], "cancel", {"reason": "spam"}, version=1),
        intake.post(ticket["id"], "hold", {"hold_reason": "problem"}, version=1),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]


@pytest.mark.parametrize(
    ("command", "body", "code"),
    [
        ("wait-for-customer", None, "transition_not_allowed"),
        ("hold", {"hold_reason": "problem"}, "not_proactive"),
        ("resume", None, "transition_not_allowed"),
        ("resolve", RESOLUTION, "transition_not_allowed"),
        ("confirm", None, "transition_not_allowed"),
        ("reopen", None, "transition_not_allowed"),
        ("close", None, "transition_not_allowed"),
        ("restore", None, "transition_not_allowed"),
    ],
)
async def test_a_new_ticket_refuses(intake: Intake, command: str, body: Any, code: str) -> None:
    """409 with its code, and nothing told."""
    ticket = await intake.open()
    answer = await intake.post(ticket["id"], command, body)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert await types(intake, ticket["id"]) == []


async def test_nothing_was_asked(intake: Intake) -> None:
    """Waiting needs an agent's public message after the requester's last one; an automation's does not count."""
    ticket, agent = await owned(intake)
    name = ticket["id"]
    assert (await intake.post(name, "wait-for-customer")).json()["code"] == "nothing_asked"
    await intake.say(name, "outbound")
    await intake.say(name, "internal", agent=agent)
    assert (await intake.post(name, "wait-for-customer")).json()["code"] == "nothing_asked"
    await intake.say(name, "outbound", agent=agent)
    await intake.say(name, "inbound", ack_only=True)
    assert (await intake.post(name, "wait-for-customer")).json()["status"] == "pending_customer"
    await intake.say(name, "inbound")
    assert (await intake.post(name, "wait-for-customer")).json()["code"] == "nothing_asked"


async def test_a_resolution_has_guards(intake: Intake) -> None:
    """Nobody owns it; no solution was evaluated."""
    ticket = await intake.open()
    await intake.say(ticket["id"], "outbound", agent=new_id())
    assert (await intake.post(ticket["id"], "resolve", RESOLUTION)).json()["code"] == "assignee_required"
    second, _ = await owned(intake)
    unskipped = RESOLUTION | {"skip_reason": ""}
    assert (await intake.post(second["id"], "resolve", unskipped)).json()["code"] == "solution_not_evaluated"
    solved_by_itself = {"resolution_code": "self_service", "resolution_summary": "Found the article."}
    third = await intake.open()
    assert (await intake.post(third["id"], "resolve", solved_by_itself)).json()["status"] == "resolved"


async def test_what_a_person_writes_on_a_resolution_stays_here(intake: Intake) -> None:
    """Shown on the ticket; the events say only whether there was a reason."""
    ticket, _ = await owned(intake)
    reason = "Mr Smith hung up before we could look."
    resolved = await intake.post(ticket["id"], "resolve", RESOLUTION | {"skip_reason": reason})
    assert resolved.json()["skip_reason"] == reason
    other = await intake.open()
    await intake.post(other["id"], "resolve", {"resolution_code": "self_service", "resolution_summary": "Found it."})
    events = [*await intake.events(ticket["id"]), *await intake.events(other["id"])]
    told = [each["data"]["skip_reason"] for each in events if each["type"] == "support.ticket.resolved.v1"]
    assert told == ["given", ""]
    assert "Smith" not in str(events)
    assert RESOLUTION["resolution_summary"] not in str(events)


async def test_a_repeat_is_a_no_op(intake: Intake) -> None:
    """On the new version: 200, the same version, and nothing told."""
    ticket, _ = await owned(intake)
    first = await intake.post(ticket["id"], "resolve", RESOLUTION)
    told = await types(intake, ticket["id"])
    again = await intake.post(ticket["id"], "resolve", RESOLUTION)
    assert (again.status_code, again.json()) == (200, first.json())
    assert "support-event" not in again.headers
    assert await types(intake, ticket["id"]) == told
    other = await intake.post(ticket["id"], "resolve", RESOLUTION | {"skip_reason": "another"})
    assert (other.status_code, other.json()["code"]) == (409, "transition_not_allowed")
    assert await intake.show(ticket["id"]) == first.json()


async def test_the_reopen_window(intake: Intake) -> None:
    """Seven days: reopen until then, close only afterwards."""
    ticket, _ = await owned(intake)
    name = ticket["id"]
    await intake.post(name, "resolve", RESOLUTION)
    assert (await intake.post(name, "close")).json()["code"] == "reopen_window_open"
    intake.clock.move(timedelta(days=7, seconds=1))
    late = await intake.post(name, "reopen")
    assert late.json()["code"] == "reopen_window_over"
    assert "follow_up_of" in late.json()["detail"]
    assert (await intake.post(name, "close")).json()["status"] == "closed"


async def test_cancel_and_restore(intake: Intake) -> None:
    """A supervisor brings it back within seven days, by a scope of its own."""
    ticket = await intake.open()
    cancelled = (await intake.post(ticket["id"], "cancel", {"reason": "spam"})).json()
    assert (cancelled["status"], cancelled["cancel_reason"]) == ("cancelled", "spam")
    plain = {**intake.key("tickets:write"), "if-match": '"2"'}
    denied = await intake.http.post(f"/v1/tickets/{ticket['id']}/restore", headers=plain)
    assert denied.status_code == 403
    restored = (await intake.post(ticket["id"], "restore")).json()
    assert (restored["status"], restored["cancel_reason"]) == ("open", None)
    await intake.post(ticket["id"], "cancel", {"reason": "withdrawn"})
    intake.clock.move(timedelta(days=7, seconds=1))
    assert (await intake.post(ticket["id"], "restore")).json()["code"] == "restore_window_over"


async def test_a_scheduled_hold_ends_by_its_timer(intake: Intake) -> None:
    """Not before its time, then once; the version counts it."""
    ticket, _ = await owned(intake)
    until = intake.clock.now() + timedelta(days=2)
    body = {"hold_reason": "scheduled", "resume_at": until.isoformat()}
    held = (await intake.post(ticket["id"], "hold", body)).json()
    assert held["status"] == "on_hold"
    await intake.fire_due()
    assert (await intake.show(ticket["id"]))["status"] == "on_hold"
    intake.clock.move(timedelta(days=2))
    await asyncio.gather(intake.fire_due(), intake.fire_due())
    resumed = await intake.show(ticket["id"])
    assert (resumed["status"], resumed["version"]) == ("open", held["version"] + 1)
    last = (await intake.events(ticket["id"]))[-1]
    assert (last["data"]["reason_code"], last["actor"]) == ("resume_due", "service:intake")


async def test_a_hold_that_ended_takes_its_timer_along(intake: Intake) -> None:
    """Resumed by an agent, held again for longer: the first time passes and nothing happens."""
    ticket, _ = await owned(intake)
    name = ticket["id"]
    for days in (1, 3):
        until = (intake.clock.now() + timedelta(days=days)).isoformat()
        assert (await intake.post(name, "hold", {"hold_reason": "maintenance", "resume_at": until})).status_code == 200
        if days == 1:
            await intake.post(name, "resume")
    intake.clock.move(timedelta(days=2))
    await intake.fire_due()
    assert (await intake.show(name))["status"] == "on_hold"
    intake.clock.move(timedelta(days=2))
    await intake.fire_due()
    assert (await intake.show(name))["status"] == "open"


async def test_a_hold_too_long_or_without_an_end(intake: Intake) -> None:
    """400 with a pointer."""
    ticket, _ = await owned(intake)
    far = (intake.clock.now() + timedelta(days=91)).isoformat()
    for body in (
        {"hold_reason": "scheduled"},
        {"hold_reason": "problem", "resume_at": far},
        {"hold_reason": "problem", "resume_at": "2026-03-02T00:00:00"},
        {"hold_reason": "problem", "resume_at": 1772000000},
    ):
        answer = await intake.post(ticket["id"], "hold", body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/resume_at")


async def test_a_proactive_ticket_may_be_held_unowned(intake: Intake) -> None:
    """As scheduled; an assignment meanwhile is recorded and moves nothing; the timer opens it."""
    ticket = await intake.open(proactive=True)
    until = (intake.clock.now() + timedelta(days=1)).isoformat()
    await intake.post(ticket["id"], "hold", {"hold_reason": "scheduled", "resume_at": until})
    agent = new_id()
    assigned = AssignmentAssigned(
        ticket_id=UUID(ticket["id"]), assignment_id=new_id(), agent_id=agent, agent_tier=1, method="auto", weight=1
    )
    await intake.apply(Told(ticket["id"]).event(assigned))
    shown = await intake.show(ticket["id"])
    assert (shown["status"], shown["owner_id"]) == ("on_hold", str(agent))
    intake.clock.move(timedelta(days=1))
    await intake.fire_due()
    assert (await intake.show(ticket["id"]))["status"] == "open"


async def test_edits(intake: Intake) -> None:
    """PATCH, tags and triage: one version each, none for what already is so; told without texts."""
    ticket = await intake.open()
    path = f"/v1/tickets/{ticket['id']}"
    edited = await intake.http.patch(
        path,
        json={"subject": "Secret", "impact": 1, "urgency": 1, "custom": {"k": "Secret"}},
        headers={"if-match": "1"},
    )
    assert edited.status_code == 200, edited.text
    assert (edited.json()["priority"], edited.json()["version"]) == ("urgent", 2)
    tagged = await intake.http.put(f"{path}/tags/vip")
    assert tagged.json()["tags"] == ["vip"]
    assert (await intake.http.put(f"{path}/tags/vip")).json()["version"] == 3
    triage = {"category": "c", "skills_required": [{"skill": "net", "level": 3}], "tier_required": 2}
    classified = await intake.post(ticket["id"], "classify", triage, agent=new_id())
    assert (classified.json()["tier_required"], classified.json()["version"]) == (2, 4)
    assert (await intake.http.delete(f"{path}/tags/vip")).json()["tags"] == []
    assert await types(intake, ticket["id"]) == [
        "ticket.updated",
        "ticket.priority_changed",
        "ticket.updated",
        "ticket.classified",
        "ticket.updated",
    ]
    events = await intake.events(ticket["id"])
    assert "Secret" not in str(events)
    assert events[5]["data"]["by"] == "agent"
    unknown = {"organisation_id": str(new_id())}
    assert (await intake.http.patch(path, json=unknown, headers={"if-match": "5"})).status_code == 400


async def test_a_closed_ticket_takes_nothing(intake: Intake) -> None:
    """Every edit and command but reading: 409."""
    ticket, agent = await owned(intake)
    name = ticket["id"]
    await intake.post(name, "resolve", RESOLUTION)
    await intake.post(name, "confirm")
    version = {"if-match": '"3"'}
    answers = [
        await intake.http.patch(f"/v1/tickets/{name}", json={"subject": "x"}, headers=version),
        await intake.http.put(f"/v1/tickets/{name}/tags/x"),
        await intake.http.delete(f"/v1/tickets/{name}/tags/x"),
        await intake.post(name, "classify", {"category": "x"}),
        await intake.say(name, "outbound", agent=agent),
        await intake.say(name, "internal", agent=agent),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(409, "ticket_final")}
    assert (await intake.post(name, "reopen")).json()["code"] == "transition_not_allowed"
