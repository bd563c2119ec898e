"""Waiting: long polls, reading one's own writes, and what happens when too many want in or the database is away."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import asyncpg
import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from common.clock import SystemClock
from common.database import Database
from common.lifecycle import spawn
from common.service import Runtime, create_api
from common.transaction import Origin
from common.web import drain_edge_with, visibility
from tests.integration.web.conftest import Notes
from tests.integration.web.test_problems import check_problem
from tests.support.eventually import eventually
from tests.support.notes.app import build
from tests.support.ports import free_ports

NOBODY = Origin(actor="service:test")


@pytest.fixture
async def live(notes: Notes) -> AsyncGenerator[Notes]:
    """The notes service on the machine's clock: waiting takes real time."""
    database = Database.from_settings(
        notes.settings.database, clock=SystemClock(), source="/frontline/test/notes", application_name="live"
    )
    app = create_api(build(notes.settings), Runtime(settings=notes.settings, database=database, clock=SystemClock()))
    headers = {**notes.http.headers}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://live", headers=headers, timeout=40
    ) as http:
        yield replace(notes, app=app, http=http, database=database)
    await database.close()


async def test_a_long_poll_ends_when_there_is_news(live: Notes) -> None:
    """It waits without a connection, and answers soon after the commit."""
    async with asyncio.TaskGroup() as group:
        polls = [spawn(group, live.http.get("/v1/notes/next?wait_s=30"), name=f"poll-{n}") for n in range(12)]

        async def all_wait() -> bool:
            return live.app.state.edge.polls.inside == 12

        await eventually(all_wait)  # thrice as many as there are connections
        await live.http.post("/v1/notes", json={"text": "news"}, headers={"idempotency-key": "k"})
    assert [poll.result().json()["items"][0]["text"] for poll in polls] == ["news"] * 12


async def test_a_long_poll_of_the_feed(live: Notes) -> None:
    """It skips what is not asked for and goes on behind it."""
    events = live.key("events:read", "tickets:write", client_id="follower")

    async def let_in() -> bool:
        return (await live.http.get("/v1/events", headers=events)).status_code == 200

    await eventually(let_in)  # the new key is seen within a second
    async with asyncio.TaskGroup() as group:
        poll = spawn(group, live.http.get("/v1/events?wait_s=30", headers=events), name="poll")
        await live.http.post("/v1/notes", json={"text": "news"}, headers={"idempotency-key": "k"})
    page = poll.result().json()
    assert [event["subjectseq"] for event in page["events"]] == [1]
    nothing = await live.http.get(f"/v1/events?after={page['next_after']}&subject=ticket/x", headers=events)
    assert nothing.json() == {"events": [], "next_after": page["next_after"]}


async def test_long_polls_end_when_the_process_drains(live: Notes) -> None:
    """At once, with what they know."""
    stopping = asyncio.Event()
    drain_edge_with(live.app, stopping)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        poll = spawn(group, live.http.get("/v1/notes/next?wait_s=30"), name="poll")

        async def waits() -> bool:
            return live.app.state.edge.polls.inside == 1

        await eventually(waits)
        stopping.set()
    assert poll.result().json()["items"] == []


async def test_support_after_waits_for_the_event(live: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers as soon as the cursor has moved."""
    after = {"support-after": "intake ticket/7 3"}

    async def move(seq: int) -> None:
        async with live.database.begin(NOBODY) as tx:
            await tx.connection.execute(
                text(
                    "insert into subject_cursor (source, subject, last_seq, last_event_id)"
                    " values ('intake', 'ticket/7', :seq, gen_random_uuid())"
                    " on conflict (source, subject) do update set last_seq = :seq"
                ),
                {"seq": seq},
            )

    await move(2)
    with monkeypatch.context() as patient:
        patient.setattr(visibility, "_WITHIN", timedelta(seconds=30))
        async with asyncio.TaskGroup() as group:
            reading = spawn(group, live.http.get("/v1/notes", headers=after), name="reading")

            async def waits() -> bool:
                return live.app.state.edge.polls.inside == 1

            await eventually(waits)
            await move(3)
    assert reading.result().status_code == 200
    late = await live.http.get("/v1/notes", headers={"support-after": "intake ticket/7 4"})
    check_problem(late, 409, "not_yet_visible")
    assert late.headers["retry-after"] == "1"


async def test_support_after_of_our_own_event_and_of_nonsense(notes: Notes) -> None:
    """Our own commits are visible; a malformed header is 400 and claims no key."""
    assert (await notes.http.get("/v1/notes", headers={"support-after": "notes ticket/7 3"})).status_code == 200
    for bad in ("", "intake", "intake ticket/7 0", "intake ticket/7 x", "INTAKE ticket/7 1"):
        answer = await notes.http.get("/v1/notes", headers={"support-after": bad})
        check_problem(answer, 400, "support_after_malformed")


async def test_too_many_at_once_are_refused_at_once(notes: Notes) -> None:
    """The gate lets the pool's size and the waiting room in; the next one gets 503 and Retry-After."""
    gate = notes.app.state.edge.work
    gate.inside += notes.settings.database.pool_size + notes.settings.api.max_waiting
    answer = await notes.http.get("/v1/notes")
    check_problem(answer, 503, "overloaded")
    assert answer.headers["retry-after"] == "1"
    gate.inside = 0
    assert (await notes.http.get("/v1/notes")).status_code == 200


async def test_waiting_for_a_connection_has_a_limit(notes: Notes) -> None:
    """With every connection taken: 503 after the pool's time-out."""
    short = notes.settings.database.model_copy(update={"pool_size": 1, "pool_timeout": timedelta(milliseconds=50)})
    database = Database.from_settings(short, clock=notes.clock, source="/frontline/test/notes", application_name="one")
    app = create_api(build(notes.settings), Runtime(settings=notes.settings, database=database, clock=notes.clock))
    async with (
        database.read(),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://one", headers=dict(notes.http.headers)
        ) as http,
    ):
        check_problem(await http.get("/v1/notes"), 503, "unavailable")
    await database.close()


async def test_an_absent_database(notes: Notes) -> None:
    """503 with Retry-After, and nothing about hosts or ports."""
    [port] = free_ports(1)
    away = notes.settings.database.model_copy(update={"url": SecretStr(f"postgresql://x@127.0.0.1:{port}/x")})
    database = Database.from_settings(away, clock=notes.clock, source="/frontline/test/notes", application_name="away")
    app = create_api(build(notes.settings), Runtime(settings=notes.settings, database=database, clock=notes.clock))
    headers = dict(notes.http.headers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://away", headers=headers) as http:
        for answer in (
            await http.get("/v1/notes"),
            await http.post("/v1/notes", json={"text": "x"}, headers={"idempotency-key": "k"}),
        ):
            document = check_problem(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert str(port) not in document["detail"]
    await database.close()


async def test_a_connection_that_was_killed_is_replaced(notes: Notes) -> None:
    """One request may pay with a 503; the next one is served."""
    assert (await notes.http.get("/v1/notes")).status_code == 200
    admin = await asyncpg.connect(notes.settings.database.url.get_secret_value())
    await admin.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    await admin.close()
    statuses = [(await notes.http.get("/v1/notes")).status_code for _ in range(2)]
    assert statuses[-1] == 200
    assert set(statuses) <= {200, 503}
