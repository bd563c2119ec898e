"""What routing's events do to tickets in the database: batches, repeats, interleavings, and commands in between."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from common.ids import new_id
from contracts.envelope import Event
from contracts.registry import Body
from contracts.routing import (
    AssignmentAssigned,
    AssignmentOffered,
    AssignmentOfferExpired,
    AssignmentUnassigned,
    WorkDequeued,
    WorkEnqueued,
    WorkUnroutable,
)
from tests.integration.intake.conftest import START, Intake, Told

SHOWN = (
    "status",
    "first_owner_id",
    "owner_id",
    "owner_tier",
    "assignment_id",
    "owner_event_id",
    "routing_state",
    "routing_event_id",
    "queue_id",
    "queue_event_id",
)


def story(ticket_id: UUID, chance: random.Random) -> list[Body]:
    """What routing may say of one ticket: rounds of queueing, offers, owning and handing back."""
    bodies: list[Body] = []
    for _ in range(chance.randint(1, 4)):
        queued = WorkEnqueued(
            ticket_id=ticket_id,
            queue_id=new_id(),
            weight=2,
            skills=(),
            tier_required=1,
            cause="new",
            enqueued_at=START,
            deadline=START,
        )
        agent, assignment = new_id(), new_id()
        offered = AssignmentOffered(ticket_id=ticket_id, offer_id=new_id(), agent_id=agent, expires_at=START, attempt=1)
        expired = AssignmentOfferExpired(ticket_id=ticket_id, offer_id=offered.offer_id, agent_id=agent)
        assigned = AssignmentAssigned(
            ticket_id=ticket_id,
            assignment_id=assignment,
            agent_id=agent,
            agent_tier=chance.randint(1, 3),
            method="auto",
            weight=2,
        )
        unassigned = AssignmentUnassigned(
            ticket_id=ticket_id, assignment_id=assignment, agent_id=agent, reason="requeued"
        )
        bodies += chance.choice(
            [
                [queued, assigned],
                [queued, offered, expired],
                [queued, offered, assigned, unassigned],
                [queued, WorkUnroutable(ticket_id=ticket_id, waited_s=1, missing=("x",))],
                [queued, WorkDequeued(ticket_id=ticket_id, reason="cancelled")],
            ]
        )
    return bodies


def interleaved(stories: Sequence[Sequence[Event]], chance: random.Random) -> list[Event]:
    """One order of all events that keeps each ticket's own."""
    left = [list(events) for events in stories]
    order: list[Event] = []
    while any(left):
        order.append(chance.choice([events for events in left if events]).pop(0))
    return order


def batches(events: Sequence[Event], chance: random.Random) -> list[Sequence[Event]]:
    """The events cut into batches of any size."""
    cut: list[Sequence[Event]] = []
    rest = list(events)
    while rest:
        size = chance.randint(1, 7)
        cut.append(rest[:size])
        rest = rest[size:]
    return cut


def shown(ticket: dict[str, Any]) -> dict[str, Any]:
    """What comes from routing."""
    return {name: ticket[name] for name in SHOWN}


@pytest.mark.parametrize("seed", range(8))
async def test_every_interleaving_converges(intake: Intake, seed: int) -> None:
    """Any order over tickets, any batches: each ticket shows what its own events in their order say."""
    chance = random.Random(seed)  # noqa: S311 - a seeded choice of test cases
    tickets = [await intake.open() for _ in range(6)]
    twins = [await intake.open() for _ in range(6)]
    stories: list[list[Event]] = []
    for ticket, twin in zip(tickets, twins, strict=True):
        told = Told(ticket["id"])
        stories.append([told.event(body) for body in story(UUID(ticket["id"]), chance)])
        for event in stories[-1]:
            await intake.apply(_about(event, twin["id"]))
    for batch in batches(interleaved(stories, chance), chance):
        await intake.apply(*batch)
    for ticket, twin, events in zip(tickets, twins, stories, strict=True):
        now = await intake.show(ticket["id"])
        assert shown(now) == shown(await intake.show(twin["id"]))
        assert now["version"] == 1
        timeline = (await intake.http.get(f"/v1/tickets/{ticket['id']}/timeline?limit=200")).json()["items"]
        kept = [entry["id"] for entry in timeline if entry["source"].endswith("routing")]
        assert kept == [str(event.id) for event in events]


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


async def test_a_redrive_gives_events_again(intake: Intake) -> None:
    """The same batch once more, as after a rollback or a redrive: same ticket, each event kept once."""
    ticket = await intake.open()
    told = Told(ticket["id"])
    events = [told.event(body) for body in story(UUID(ticket["id"]), random.Random(1))]  # noqa: S311 - as above
    await intake.apply(*events)
    first = await intake.show(ticket["id"])
    count = len(await intake.events(ticket["id"]))
    await intake.apply(*events)
    assert shown(await intake.show(ticket["id"])) == shown(first)
    assert len(await intake.events(ticket["id"])) == count


async def test_commands_and_events_at_once(intake: Intake) -> None:
    """Assignments race cancellations: every ticket ends cancelled, owned by record, and its moves chain."""
    tickets = [await intake.open() for _ in range(10)]

    async def assign(ticket: dict[str, Any]) -> None:
        ticket_id = UUID(ticket["id"])
        assigned = AssignmentAssigned(
            ticket_id=ticket_id, assignment_id=new_id(), agent_id=new_id(), agent_tier=1, method="auto", weight=1
        )
        await intake.apply(Told(ticket["id"]).event(assigned))

    async def cancel(ticket: dict[str, Any]) -> None:
        assert (await intake.post(ticket["id"], "cancel", {"reason": "test"}, version=1)).status_code == 200

    await asyncio.gather(*(work(ticket) for ticket in tickets for work in (assign, cancel)))
    for ticket in tickets:
        now = await intake.show(ticket["id"])
        assert (now["status"], now["routing_state"]) == ("cancelled", "assigned")
        assert now["owner_id"] is not None
        moves = [e["data"] for e in await intake.events(ticket["id"]) if "status_changed" in e["type"]]
        assert moves[0]["from"] == "new"
        assert moves[-1]["to"] == "cancelled"
        assert all(one["to"] == two["from"] for one, two in pairwise(moves))


async def test_a_late_assignment_is_recorded(intake: Intake) -> None:
    """On a resolved ticket: the owner shows, the status stays, updated_at moves and the version does not."""
    ticket = await intake.open()
    solved = {"resolution_code": "self_service", "resolution_summary": "s"}
    resolved = (await intake.post(ticket["id"], "resolve", solved)).json()
    intake.clock.move(timedelta(minutes=1))
    assigned = AssignmentAssigned(
        ticket_id=UUID(ticket["id"]), assignment_id=new_id(), agent_id=new_id(), agent_tier=3, method="auto", weight=1
    )
    event = Told(ticket["id"]).event(assigned)
    await intake.apply(event)
    now = await intake.show(ticket["id"])
    assert (now["status"], now["owner_tier"], now["version"]) == ("resolved", 3, resolved["version"])
    assert now["owner_event_id"] == str(event.id)
    assert now["updated_at"] > resolved["updated_at"]


async def test_an_assignment_causes_the_move(intake: Intake) -> None:
    """The status event carries its cause and conversation."""
    ticket = await intake.open()
    told = Told(ticket["id"])
    [event] = [
        told.event(
            AssignmentAssigned(
                ticket_id=UUID(ticket["id"]),
                assignment_id=new_id(),
                agent_id=new_id(),
                agent_tier=1,
                method="auto",
                weight=1,
            )
        )
    ]
    await intake.apply(event)
    last = (await intake.events(ticket["id"]))[-1]
    assert last["type"] == "support.ticket.status_changed.v1"
    assert (last["causationid"], last["correlationid"]) == (str(event.id), "conversation")
    assert last["actor"] == "service:intake"


async def test_events_about_a_strange_ticket_are_kept(intake: Intake) -> None:
    """Nothing to show them on, and no reason to park."""
    stranger = new_id()
    await intake.apply(Told(str(stranger)).event(WorkDequeued(ticket_id=stranger, reason="closed")))
    async with intake.database.read() as connection:
        assert await connection.scalar(text("select count(*) from kept_event")) == 1
