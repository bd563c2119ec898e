"""GET /v1/events while transactions that have drawn their ids are held open on purpose: nothing is skipped.

A cursor of the usual kind, "everything above the last id", follows the same log beside it and must lose events:
otherwise the trap was never sprung and the test would prove nothing.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text

from common.clock import SystemClock
from common.database import Database
from common.ids import new_id
from common.outbox import flush_events
from common.service import Runtime, create_api
from tests.integration.web.conftest import Notes
from tests.support.backbone import ORIGIN, add_dequeued, open_database
from tests.support.notes.app import build
from tests.support.seeds import draw_seed
from tests.support.serving import serving

WRITERS = 8
TURNS = 30
HELD_S = 2.5
"""Longer than a page waits for the writers that it meets."""


class Undone(Exception):
    """A writer changes its mind after its ids are drawn."""


Seen = tuple[int, str, str, int]
"""(position, event id, subject, number)."""


@pytest.fixture
async def reader(notes: Notes) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the notes service behind a real server, on the machine's clock."""
    headers = notes.key("events:read", client_id="follower")
    database = Database.from_settings(
        notes.settings.database, clock=SystemClock(), source="/frontline/test/notes", application_name="live"
    )
    app = create_api(build(notes.settings), Runtime(settings=notes.settings, database=database, clock=SystemClock()))
    async with serving(app) as url, httpx.AsyncClient(base_url=url, headers=headers, timeout=40) as http:
        yield http
    await database.close()


async def write(database: Database, own: list[Any], shared: list[Any], chance: random.Random) -> None:
    """Transactions about subjects of one's own, held open after their ids are drawn, and short ones about shared."""
    for turn in range(TURNS):
        held_s = HELD_S if turn == TURNS // 2 else chance.choice((0.0, 0.0, 0.01, 0.05, 0.2))
        try:
            async with database.begin(ORIGIN) as tx:
                for ticket in chance.sample(own if held_s else shared, k=chance.randint(1, 3)):
                    add_dequeued(tx, ticket, count=chance.randint(1, 2))
                if held_s:
                    await flush_events(tx, database.source)
                    await tx.connection.execute(text("select pg_sleep(:held_s)"), {"held_s": held_s})
                if chance.random() < 0.1:
                    raise Undone
        except Undone:
            continue


async def follow(http: httpx.AsyncClient, over: Callable[[], bool], *, after: int = 0, **asked: Any) -> list[Seen]:
    """Read page by page until the writers have ended and nothing is left; what was seen, in that order."""
    seen: list[Seen] = []
    while True:
        last_look = over()
        answer = await http.get("/v1/events", params={"after": after, **asked})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        seen += [(event["position"], event["id"], event["subject"], event["subjectseq"]) for event in page["events"]]
        if last_look and page["next_after"] == after:
            return seen
        after = page["next_after"]


async def follow_naively(url: str, over: Callable[[], bool]) -> set[str]:
    """Ids of the events that a cursor over the last id finds."""
    connection = await asyncpg.connect(url)
    found: set[str] = set()
    after = 0
    try:
        while True:
            last_look = over()
            rows = await connection.fetch("select id, event_id from event where id > $1 order by id limit 100", after)
            found |= {str(row["event_id"]) for row in rows}
            if rows:
                after = rows[-1]["id"]
            elif last_look:
                return found
    finally:
        await connection.close()


@asynccontextmanager
async def strangers_id(url: str) -> AsyncGenerator[None]:
    """A transaction with an id of its own that writes no events; readers that waited for it would never end."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("select pg_current_xact_id()")
            yield
    finally:
        await connection.close()


async def all_events(database: Database) -> list[Seen]:
    async with database.read() as connection:
        rows = await connection.execute(text("select id, event_id, subject, seq from event order by id"))
    return [(row.id, str(row.event_id), row.subject, row.seq) for row in rows]


@pytest.mark.timeout(120)
async def test_nothing_is_skipped_while_commits_are_late(
    notes: Notes, empty_database: str, reader: httpx.AsyncClient
) -> None:
    seed = draw_seed()
    shared = [new_id() for _ in range(6)]
    owned = [[new_id() for _ in range(3)] for _ in range(WRITERS)]
    database = open_database(empty_database, service="notes")
    ended = asyncio.Event()

    async def write_all() -> None:
        async with asyncio.TaskGroup() as writers:
            for number, own in enumerate(owned):
                chance = random.Random(seed + number)  # noqa: S311 - a seed is to be repeatable
                writers.create_task(write(database, own, shared, chance))
        ended.set()

    over = ended.is_set
    async with strangers_id(empty_database), asyncio.TaskGroup() as group:
        group.create_task(write_all())
        whole = [
            group.create_task(follow(reader, over, limit=1)),
            group.create_task(follow(reader, over, limit=7)),
            group.create_task(follow(reader, over, limit=500)),
            group.create_task(follow(reader, over, limit=50, wait_s=1)),
        ]
        about = [
            group.create_task(follow(reader, over, subject=f"ticket/{ticket}", wait_s=1))
            for ticket in (shared[0], owned[0][0])
        ]
        naive = group.create_task(follow_naively(empty_database, over))

    events = await all_events(database)
    await database.close()
    for followed in whole:
        assert followed.result() == events
    for ticket, followed in zip((shared[0], owned[0][0]), about, strict=True):
        expected = [event for event in events if event[2] == f"ticket/{ticket}"]
        assert followed.result() == expected
        assert [number for *_, number in expected] == list(range(1, len(expected) + 1))
    midway = events[len(events) // 2][0]
    later = await follow(reader, over, after=midway, limit=20)
    assert later == [event for event in events if event[0] > midway]
    lost = {event_id for _, event_id, _, _ in events} - naive.result()
    assert lost, "no event was committed behind a cursor: the trap was not sprung"
