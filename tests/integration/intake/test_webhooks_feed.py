"""What endpoints are fed of intake's own events: nothing is skipped, nothing overtakes, and nothing is lost by age."""

import asyncio
import random
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from common.ids import new_id
from common.outbox import flush_events
from common.transaction import Origin
from contracts.envelope import subject_of
from contracts.intake import TicketClosed, TicketUpdated
from contracts.routing import WorkDequeued
from contracts.words import Change
from intake.webhooks import feeding
from intake.webhooks.domain import MAX_BODY_BYTES
from tests.integration.intake.conftest import Intake, Told
from tests.integration.intake.test_webhooks import body_of
from tests.integration.intake.webhooks import all_delivered, create, edit, feed, log, ping, sending
from tests.support.backbone import no_beat, running
from tests.support.eventually import eventually
from tests.support.peers import Peer
from tests.support.seeds import draw_seed
from tests.support.serving import serving

ORIGIN = Origin(actor="service:intake")
NOWHERE = "https://hooks.example.com/"


async def tell(intake: Intake, ticket_id: UUID, *, count: int = 1, held_s: float = 0.0) -> None:
    """Tell something about a ticket, in a transaction that stays open for a while after its ids are drawn."""
    async with intake.database.begin(ORIGIN) as tx:
        tx.add_events(subject_of("ticket", ticket_id), [TicketClosed(ticket_id=ticket_id, closure="auto")] * count)
        await flush_events(tx, intake.database.source)
        await tx.connection.execute(text("select pg_sleep(:held_s)"), {"held_s": held_s})


async def archived(intake: Intake) -> list[tuple[str, str]]:
    """(id, subject) of each own event, as the archive has them."""
    async with intake.database.read() as connection:
        rows = await connection.execute(text("select event_id, subject from event order by id"))
    return [(str(row.event_id), row.subject) for row in rows]


def numbers_of(items: list[dict[str, Any]], ticket: dict[str, Any]) -> list[int]:
    """The numbers of a ticket's events, in the order of the log or of a receiver."""
    return [item["subjectseq"] for item in items if item["subject"] == f"ticket/{ticket['id']}"]


async def test_an_endpoint_is_not_fed_past_an_id_that_may_still_commit(intake: Intake) -> None:
    hook = await create(intake, NOWHERE)
    late = new_id()
    async with intake.database.begin(ORIGIN) as tx:
        tx.add_events(subject_of("ticket", late), [TicketClosed(ticket_id=late, closure="auto")])
        await flush_events(tx, intake.database.source)
        await intake.open()
        assert not await feeding.feed_once(intake.database)
        assert await log(intake, hook) == []
    own = await archived(intake)
    assert own[0][1] == f"ticket/{late}", "the late one has not the lowest id: the trap was not sprung"
    await feed(intake)
    assert [(item["event_id"], item["subject"]) for item in await log(intake, hook)] == own


async def test_nothing_is_skipped_while_many_commits_are_late(intake: Intake) -> None:
    seed = draw_seed()
    hook = await create(intake, NOWHERE)

    async def write(chance: random.Random) -> None:
        own = new_id()
        for _ in range(8):
            await tell(intake, own, count=chance.randint(1, 3), held_s=chance.choice((0.0, 0.0, 0.02, 0.1, 0.3)))

    async with running(lambda stop: feeding.run_feeder(intake.database, beat=no_beat, stop=stop)):
        async with asyncio.TaskGroup() as writers:
            for number in range(5):
                writers.create_task(write(random.Random(seed + number)))  # noqa: S311 - a seed is to be repeatable
        own = await archived(intake)

        async def all_fed() -> bool:
            return len(await log(intake, hook)) == len(own)

        await eventually(all_fed)
    fed = [(item["event_id"], item["subject"]) for item in await log(intake, hook)]
    assert fed == own


async def test_an_endpoint_for_which_much_waits_is_fed_no_more_until_it_takes_some(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "_MOST_WAITING", 6)
    monkeypatch.setattr(feeding, "_PAGE", 4)
    receiver = Peer()
    async with serving(receiver) as url:
        full, other = await create(intake, NOWHERE), await create(intake, url)
        for number in range(10):
            await intake.open(ref=str(number))
        told = len(await archived(intake))
        async with running(lambda stop: feeding.run_feeder(intake.database, beat=no_beat, stop=stop)), sending(intake):
            await edit(intake, full, enabled=False)
            await all_delivered(intake, other, told)
        await edit(intake, full, enabled=True)
        await feed(intake)
        assert 6 <= len(await log(intake, full)) < 6 + 4
        await edit(intake, full, url=url)
        async with running(lambda stop: feeding.run_feeder(intake.database, beat=no_beat, stop=stop)), sending(intake):
            await all_delivered(intake, full, told)


async def prune(intake: Intake) -> None:
    """Let what is too old go."""
    [work] = [work for work in intake.service.periodic if work.name == "prune-webhooks"]
    async with intake.database.begin(ORIGIN) as tx:
        await work.run(tx)


async def test_what_waits_of_ours_outlives_any_age_and_others_events_and_tests_do_not(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url:
        hook = await create(intake, url)
        await ping(intake, hook)
        ticket = await intake.open()
        told = Told(ticket["id"])
        await intake.apply(told.event(WorkDequeued(ticket_id=told.ticket_id, reason="closed")))
        await feed(intake)
        await edit(intake, hook, enabled=False)
        own = await archived(intake)
        assert len(await log(intake, hook)) == len(own) + 2
        intake.clock.move(timedelta(days=15))
        await prune(intake)
        assert [item["event_id"] for item in await log(intake, hook)] == [event_id for event_id, _ in own]
        await edit(intake, hook, enabled=True)
        async with sending(intake):
            await all_delivered(intake, hook, len(own))


async def test_others_events_wait_for_fourteen_days_behind_the_disabling_and_the_enabling(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url:
        hook = await create(intake, url, types=["support.work.dequeued.v1"])
        told = Told((await intake.open())["id"])
        await intake.apply(told.event(WorkDequeued(ticket_id=told.ticket_id, reason="closed")))
        for move, change in ((timedelta(days=3), False), (timedelta(days=13), True), (timedelta(days=13), None)):
            intake.clock.move(move)
            await prune(intake)
            assert len(await log(intake, hook)) == 1, f"gone before {change}"
            if change is not None:
                await edit(intake, hook, enabled=change)
        async with sending(intake):
            await all_delivered(intake, hook, 1)
        await prune(intake)
        assert await log(intake, hook) == [], "what was delivered goes by its own age"


async def test_a_replay_lets_no_event_that_waits_overtake_an_earlier_one(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page the feed comes back: what still waits of later pages must not stand before what came again."""
    monkeypatch.setattr(feeding, "_PAGE", 3)
    hook = await create(intake, NOWHERE)
    ticket = await intake.open()
    for tag in ("a", "b", "c", "d"):
        await intake.http.put(f"/v1/tickets/{ticket['id']}/tags/{tag}")
    await feed(intake)
    assert numbers_of(await log(intake, hook), ticket) == [1, 2, 3, 4, 5, 6]
    path = f"/v1/webhooks/{hook['id']}/replay"
    assert (await intake.http.post(path, json={"since": "2026-03-01T00:00:00Z"})).status_code == 202
    for most in (2, 5, 6):
        await eventually(partial(feeding.feed_once, intake.database))
        assert numbers_of(await log(intake, hook), ticket) == list(range(1, most + 1))


async def test_replays_at_once_while_events_are_posted_keep_the_order(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "_PAGE", 3)
    receiver = Peer()

    async def replay(hook: dict[str, Any]) -> None:
        answer = await intake.http.post(f"/v1/webhooks/{hook['id']}/replay", json={"since": "2026-03-01T00:00:00Z"})
        assert answer.status_code == 202, answer.text

    async with serving(receiver) as url:
        hook = await create(intake, url)
        ticket = await intake.open()
        for number in range(8):
            await intake.http.put(f"/v1/tickets/{ticket['id']}/tags/t{number}")
        await feed(intake)
        told = len(await log(intake, hook))
        async with running(lambda stop: feeding.run_feeder(intake.database, beat=no_beat, stop=stop)), sending(intake):
            for _ in range(5):
                await asyncio.gather(replay(hook), replay(hook))

            async def replayed() -> bool:
                return numbers_of(list(map(body_of, receiver.seen)), ticket).count(10) > 0

            await eventually(replayed)
            await all_delivered(intake, hook, told)
    seen = numbers_of(list(map(body_of, receiver.seen)), ticket)
    assert list(dict.fromkeys(seen)) == list(range(1, 11)), seen
    assert seen[-1] == 10


async def test_an_event_too_long_for_a_post_comes_with_the_place_of_its_data(intake: Intake) -> None:
    receiver = Peer()
    ticket_id = new_id()
    long = TicketUpdated(ticket_id=ticket_id, changed=(Change(field="tags", old="x" * MAX_BODY_BYTES, new=""),))
    short = TicketUpdated(ticket_id=ticket_id, changed=(Change(field="tags", old="x" * (MAX_BODY_BYTES // 2), new=""),))
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url)
        async with intake.database.begin(ORIGIN) as tx:
            tx.add_events(subject_of("ticket", ticket_id), [long, short])
        await feed(intake)
        await all_delivered(intake, hook, 2)
    first, second = map(body_of, receiver.seen)
    assert all(len(seen.body) <= MAX_BODY_BYTES for seen in receiver.seen)
    assert "data" not in first
    assert "dataref" not in second
    page = (await intake.http.get(first["dataref"])).json()
    [whole] = [event for event in page["events"] if event["id"] == first["id"]]
    assert len(whole["data"]["changed"][0]["from"]) == MAX_BODY_BYTES
    assert first.items() <= {**whole, "dataref": first["dataref"]}.items()
