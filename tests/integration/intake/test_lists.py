"""Lists and timelines: filters, pages that are complete while others write, and fold order."""

import asyncio
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from common.ids import new_id
from common.transaction import Origin
from contracts.routing import AssignmentAssigned, WorkDequeued, WorkEnqueued
from tests.integration.intake.conftest import START, Intake, Told


async def pages(intake: Intake, path: str, **params: Any) -> list[dict[str, Any]]:
    """All items of a list."""
    items: list[dict[str, Any]] = []
    while True:
        answer = await intake.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        params["cursor"] = page["next_cursor"]


async def test_each_filter(intake: Intake) -> None:
    """One ticket fits each, another does not."""
    plain = await intake.open(requester={"email": "plain@example.org"})
    intake.clock.move(timedelta(hours=1))
    person = {"system": "crm", "external_id": "7", "organisation": {"external_id": "o"}}
    other = await intake.open(requester=person, impact=1, urgency=1, tier_required=3, tags=["vip", "beta"])
    agent, queue = new_id(), new_id()
    told = Told(other["id"])
    enqueued = WorkEnqueued(
        ticket_id=UUID(other["id"]),
        queue_id=queue,
        weight=1,
        skills=(),
        tier_required=3,
        cause="new",
        enqueued_at=START,
        deadline=START,
    )
    assigned = AssignmentAssigned(
        ticket_id=UUID(other["id"]), assignment_id=new_id(), agent_id=agent, agent_tier=3, method="auto", weight=1
    )
    await intake.apply(told.event(enqueued), told.event(assigned))
    between = (START + timedelta(minutes=30)).isoformat()
    for wanted in (
        {"status": "open"},
        {"status": ["open", "closed"]},
        {"priority": "urgent"},
        {"assignee": str(agent)},
        {"tier": 3},
        {"queue": str(queue)},
        {"routing_state": "assigned"},
        {"tag": "vip"},
        {"tag": ["vip", "beta"]},
        {"requester": other["requester_id"]},
        {"organisation": other["organisation_id"]},
        {"number": other["number"]},
        {"created_after": between},
        {"updated_after": between},
        {"status": "open", "priority": "urgent", "tag": "vip"},
    ):
        found = await pages(intake, "/v1/tickets", **wanted)
        assert [ticket["id"] for ticket in found] == [other["id"]], wanted
    for wanted in ({"created_before": between}, {"updated_before": between}, {"status": "new"}):
        assert [ticket["id"] for ticket in await pages(intake, "/v1/tickets", **wanted)] == [plain["id"]]
    assert await pages(intake, "/v1/tickets", tag=["vip", "absent"]) == []


VARIED = text(
    """
    update ticket set
      status = (cast(:statuses as text[]))[1 + number % 4], priority = (cast(:priorities as text[]))[1 + number % 3],
      tier_required = 1 + number % 2, routing_state = (cast(:routing_states as text[]))[1 + number % 5],
      owner_id = case when number % 2 = 0 then cast(:agent as uuid) end
    """
)
WORDS = {
    "status": ("new", "open", "resolved", "closed"),
    "priority": ("low", "high", "urgent"),
    "tier": (1, 2),
    "routing_state": ("none", "queued", "offered", "assigned", "unroutable"),
}


async def test_any_filters_together(intake: Intake) -> None:
    """Whatever is asked for, in either order: exactly the tickets that a plain reading of the filters gives."""
    agent, chance = str(new_id()), Random(7)  # noqa: S311 - repeatable
    for _ in range(40):
        await intake.open()
        intake.clock.move(timedelta(minutes=1))
    given = {"statuses": WORDS["status"], "priorities": WORDS["priority"], "routing_states": WORDS["routing_state"]}
    async with intake.database.begin(Origin(actor="service:intake")) as tx:
        await tx.connection.execute(VARIED, {"agent": agent, **{name: list(words) for name, words in given.items()}})
    everything = await pages(intake, "/v1/tickets", limit=200)
    met = 0
    for _ in range(80):
        asked: dict[str, Any] = {
            name: chance.sample(words, chance.randint(1, len(words)))
            for name, words in WORDS.items()
            if chance.random() < 0.5
        }
        if chance.random() < 0.3:
            asked["assignee"] = agent
        if chance.random() < 0.3:
            asked["updated_after"] = (START + timedelta(minutes=chance.randint(0, 40))).isoformat()
        sort = chance.choice(["created_at", "-updated_at"])
        found = [ticket["id"] for ticket in await pages(intake, "/v1/tickets", sort=sort, limit=3, **asked)]
        expected = [ticket["id"] for ticket in everything if _fits(ticket, asked)]
        assert found == (expected[::-1] if sort == "created_at" else expected), asked
        met += len(found)
    assert met > 300


def _fits(ticket: dict[str, Any], asked: dict[str, Any]) -> bool:
    words = ticket | {"tier": ticket["tier_required"]}
    return (
        all(words[name] in asked[name] for name in WORDS if name in asked)
        and asked.get("assignee") in (None, ticket["owner_id"])
        and datetime.fromisoformat(ticket["updated_at"])
        > datetime.fromisoformat(asked.get("updated_after", "2000-01-01T00:00Z"))
    )


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "updated_at", "-updated_at"])
async def test_pages_are_complete_while_tickets_are_opened(intake: Intake, sort: str) -> None:
    """Every ticket that stood at the first page is met exactly once."""
    before = {ticket["id"] for ticket in await asyncio.gather(*(intake.open() for _ in range(25)))}
    done = asyncio.Event()

    async def keep_opening() -> None:
        while not done.is_set():
            intake.clock.move(timedelta(seconds=1))
            await intake.open()

    async with asyncio.TaskGroup() as group:
        writer = group.create_task(keep_opening())
        met = [ticket["id"] for ticket in await pages(intake, "/v1/tickets", sort=sort, limit=4)]
        done.set()
        await writer
    assert len(met) == len(set(met))
    assert before <= set(met)


async def test_order_and_ties(intake: Intake) -> None:
    """Tickets of one moment are ordered by id, both ways."""
    for _ in range(7):
        await intake.open()
    up = await pages(intake, "/v1/tickets", sort="created_at", limit=2)
    down = await pages(intake, "/v1/tickets", sort="-created_at", limit=3)
    assert [ticket["id"] for ticket in up] == [ticket["id"] for ticket in reversed(down)]
    keys = [(ticket["created_at"], ticket["id"]) for ticket in up]
    assert keys == sorted(keys)


async def test_cursors_and_filters_that_cannot_be(intake: Intake) -> None:
    """400, each."""
    for _ in range(3):
        await intake.open()
    cursor = (await intake.http.get("/v1/tickets?limit=1")).json()["next_cursor"]
    for params in (
        {"cursor": cursor, "sort": "updated_at"},
        {"cursor": "x"},
        {"cursor": cursor[:-3]},
        {"limit": 0},
        {"limit": 201},
        {"status": "asleep"},
        {"tier": 4},
        {"tag": "a b"},
        {"assignee": "me"},
        {"created_after": "yesterday"},
        {"created_after": "2026-03-01T00:00:00"},
        {"unknown": "1"},
        {"sort": "subject"},
    ):
        answer = await intake.http.get("/v1/tickets", params=params)
        assert answer.status_code == 400, (params, answer.text)


async def test_the_timeline_is_in_fold_order(intake: Intake) -> None:
    """By effective time over both sources; a source's own order holds even where its clock ran back."""
    ticket = await intake.open()
    told = Told(ticket["id"])
    dequeued = WorkDequeued(ticket_id=UUID(ticket["id"]), reason="resolved")
    first = told.event(dequeued, at=START + timedelta(seconds=30))
    clock_ran_back = told.event(dequeued, at=START - timedelta(hours=1))
    last = told.event(dequeued, at=START + timedelta(minutes=2))
    intake.clock.move(timedelta(minutes=1))
    await intake.say(ticket["id"], "inbound")
    await intake.apply(first, clock_ran_back, last)
    path = f"/v1/tickets/{ticket['id']}/timeline"
    everything = await pages(intake, path)
    assert [(entry["source"].rpartition("/")[2], entry["subjectseq"]) for entry in everything] == [
        ("intake", 1),
        ("intake", 2),
        ("routing", 1),
        ("routing", 2),
        ("intake", 3),
        ("routing", 3),
    ]
    assert everything[3]["effectivetime"] == everything[2]["effectivetime"]
    assert everything[3]["time"] < everything[2]["time"]
    assert await pages(intake, path, limit=1) == everything
    assert (await intake.http.get(f"/v1/tickets/{new_id()}/timeline")).status_code == 404


async def test_a_tickets_own_events_by_sequence(intake: Intake) -> None:
    """From any number on."""
    ticket = await intake.open()
    for _ in range(3):
        await intake.say(ticket["id"], "inbound")
    path = f"/v1/tickets/{ticket['id']}/events"
    answer = (await intake.http.get(path, params={"after_sequence": 2, "limit": 2})).json()
    assert [event["subjectseq"] for event in answer["items"]] == [3, 4]
    assert answer["last_sequence"] == 4
    assert (await intake.http.get(path, params={"after_sequence": 99})).json() == {"items": [], "last_sequence": 99}
    assert (await intake.http.get(f"/v1/tickets/{new_id()}/events")).status_code == 404
