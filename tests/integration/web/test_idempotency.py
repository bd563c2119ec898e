"""Idempotency keys: one effect for each client and key, and the same answer for every repeat."""

import asyncio
from datetime import timedelta

import httpx
from pydantic import SecretStr
from sqlalchemy import text

from common.clock import MovableClock
from common.database import Database
from common.lifecycle import spawn
from common.settings import DatabaseSettings
from common.transaction import Origin
from common.web import idempotency
from common.web.idempotency import EXPIRED_KEYS, Claim
from tests.integration.web.conftest import Notes
from tests.support.eventually import eventually

KEY = {"idempotency-key": "k1"}
HELLO = {"text": "hello"}


async def count_of(database: Database, table: str) -> int:
    """Rows of a table."""
    async with database.read() as connection:
        return (await connection.execute(text(f"select count(*) from {table}"))).scalar_one()  # noqa: S608 - own names


async def write(notes: Notes, **headers: str) -> httpx.Response:
    """Write a note under the key k1."""
    return await notes.http.post("/v1/notes", json=HELLO, headers={**KEY, **headers})


async def test_a_repeat_gets_the_first_answer(notes: Notes) -> None:
    """Status, body, ETag, Location and Support-Event are the first one's; the header says so; one row stands."""
    first = await write(notes)
    again = await write(notes)
    assert (again.status_code, again.content) == (201, first.content)
    for name in ("etag", "location", "support-event", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await count_of(notes.database, "note") == 1


async def test_quoting_and_spacing_do_not_make_another_request(notes: Notes) -> None:
    """The key may be quoted, the body's members may come in any order."""
    first = await write(notes)
    again = await notes.http.post(
        "/v1/notes",
        content=b'{ "text" :\n"hello" }',
        headers={"idempotency-key": '"k1"', "content-type": "application/json"},
    )
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"


async def test_the_same_key_with_another_body_is_refused(notes: Notes) -> None:
    """422, and the first answer still stands."""
    first = await write(notes)
    other = await notes.http.post("/v1/notes", json={"text": "other"}, headers=KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await write(notes)).content == first.content


async def test_the_key_covers_the_concrete_path(notes: Notes) -> None:
    """The same key on another note's command is another request."""
    one, two = [
        (await notes.http.post("/v1/notes", json=HELLO, headers={"idempotency-key": name})).json()["id"]
        for name in ("a", "b")
    ]
    assert (await notes.http.post(f"/v1/notes/{one}/archive", headers=KEY)).status_code == 200
    assert (await notes.http.post(f"/v1/notes/{two}/archive", headers=KEY)).status_code == 422


async def test_keys_of_two_clients_do_not_meet(notes: Notes) -> None:
    """The scope of a key is its client."""
    other = notes.key("tickets:write", client_id="other")
    assert (await write(notes)).json()["id"] != (await write(notes, **other)).json()["id"]


async def test_racing_twins_have_one_effect(notes: Notes) -> None:
    """Of eight at once, one runs; the others wait for it and get its answer."""
    answers = await asyncio.gather(*(write(notes) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await count_of(notes.database, "note") == 1
    assert await count_of(notes.database, "event") == 1


async def test_a_twin_that_runs_too_long_is_not_waited_for(notes: Notes) -> None:
    """After two seconds: 409 with Retry-After, nothing stored, and the repeat goes through once the twin is gone."""
    async with notes.database.begin(Origin(actor="service:test")) as tx:
        await tx.connection.execute(
            text(
                "insert into idempotency_key (client_id, key, fingerprint, created_at, expires_at)"
                " values ('everything', 'k1', '', :now, :now)"
            ),
            {"now": tx.now},
        )
        waited = await write(notes)
    assert (waited.status_code, waited.json()["code"]) == (409, "idempotency_key_in_use")
    assert waited.headers["retry-after"] == "1"
    assert (await write(notes)).status_code == 201


async def test_a_refusal_by_rule_is_kept_and_leaves_no_effect(notes: Notes) -> None:
    """409 by rule is replayed, and its rows and events are rolled back."""
    note_id = (await write(notes)).json()["id"]
    assert (await notes.http.post(f"/v1/notes/{note_id}/archive")).status_code == 200
    refused = await notes.http.post(f"/v1/notes/{note_id}/archive", headers={"idempotency-key": "again"})
    again = await notes.http.post(f"/v1/notes/{note_id}/archive", headers={"idempotency-key": "again"})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_archived")
    assert (again.status_code, again.content) == (409, refused.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == "application/problem+json"
    assert (await notes.http.get(f"/v1/notes/{note_id}")).json()["version"] == 2
    assert await count_of(notes.database, "event") == 2


async def test_other_refusals_leave_the_key_free(notes: Notes) -> None:
    """400, 404, 412, 415 and 500 roll the key back: what was wrong can be mended under the same key."""
    bad = await notes.http.post("/v1/notes", json={"text": ""}, headers=KEY)
    missing = await notes.http.post(f"/v1/notes/{'0' * 8}-0000-7000-8000-{'0' * 12}/archive", headers=KEY)
    media = await notes.http.post("/v1/notes", content=b"x", headers=KEY)
    assert [bad.status_code, missing.status_code, media.status_code] == [400, 404, 415]
    note_id = (await notes.http.post("/v1/notes", json=HELLO, headers={"idempotency-key": "other"})).json()["id"]
    broken = await notes.http.post(f"/v1/notes/{note_id}/break", headers=KEY)
    stale = await notes.http.patch(f"/v1/notes/{note_id}", json=HELLO, headers={**KEY, "if-match": '"9"'})
    assert [broken.status_code, stale.status_code] == [500, 412]
    assert (await write(notes)).status_code == 201


async def test_an_expired_key_may_be_used_anew(notes: Notes) -> None:
    """After 48 hours another body is welcome; just before, it is not."""
    await write(notes)
    notes.clock.move(timedelta(hours=48) - timedelta(seconds=1))
    assert (await notes.http.post("/v1/notes", json={"text": "new"}, headers=KEY)).status_code == 422
    notes.clock.move(timedelta(seconds=1))
    assert (await notes.http.post("/v1/notes", json={"text": "new"}, headers=KEY)).status_code == 201


async def test_expired_keys_are_deleted(notes: Notes) -> None:
    """Only those that have expired go."""
    await write(notes)
    notes.clock.move(timedelta(hours=47))
    await notes.http.post("/v1/notes", json=HELLO, headers={"idempotency-key": "k2"})
    notes.clock.move(timedelta(hours=1))
    async with notes.database.begin(Origin(actor="service:test")) as tx:
        await EXPIRED_KEYS.run(tx)
    assert await count_of(notes.database, "idempotency_key") == 1


async def test_malformed_keys_are_refused(notes: Notes) -> None:
    """Empty, too long, with blanks, or with one quote."""
    for bad in ('""', "x" * 256, "a b", '"a', "ä".encode("latin-1")):
        answer = await notes.http.post("/v1/notes", json=HELLO, headers=[("idempotency-key", bad)])
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_malformed"), bad


async def test_a_connection_killed_in_commit_is_told_and_the_repeat_tells(notes: Notes) -> None:
    """The outcome is unknown: 503 with Retry-After; the repeat under the same key finds or makes the one effect."""
    async with notes.database.begin(Origin(actor="service:test")) as tx:
        await tx.connection.execute(
            text(
                "create function hold() returns trigger language plpgsql as"
                " $$ begin perform pg_advisory_xact_lock(42); return null; end $$"
            )
        )
        # A deferred trigger runs inside COMMIT, so the lock holds the command exactly there.
        await tx.connection.execute(
            text(
                "create constraint trigger hold after insert on note deferrable initially deferred"
                " for each row execute function hold()"
            )
        )
    find_pid = text("select pid from pg_stat_activity where datname = current_database() and query ilike 'commit%'"
                    " and wait_event_type = 'Lock'")  # fmt: skip
    async with notes.database.begin(Origin(actor="service:test")) as tx, asyncio.TaskGroup() as group:
        await tx.connection.execute(text("select pg_advisory_xact_lock(42)"))
        writing = spawn(group, write(notes), name="writing")

        async def waiting_in_commit() -> int | None:
            async with notes.database.read() as connection:
                return await connection.scalar(find_pid)

        pid = await eventually(waiting_in_commit)
        await tx.connection.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
        answer = await writing
    assert (answer.status_code, answer.json()["code"]) == (503, "unknown_outcome")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await write(notes)).status_code == 201
    assert await count_of(notes.database, "note") == 1


async def test_more_than_a_batch_of_expired_keys_goes_in_one_turn(notes: Notes) -> None:
    """As many as a busy service takes in while it waits for the turn."""
    async with notes.database.begin(Origin(actor="service:test")) as tx:
        fill = text(
            "insert into idempotency_key (client_id, key, fingerprint, created_at, expires_at)"
            " select 'x', n::text, ''::bytea, :now, :now from generate_series(1, 1700) n"
        )
        await tx.connection.execute(fill, {"now": tx.now})
    async with notes.database.begin(Origin(actor="service:test")) as tx:
        await EXPIRED_KEYS.run(tx)
    assert await count_of(notes.database, "idempotency_key") == 0


async def test_the_time_out_of_a_claim_ends_with_it(notes: Notes, empty_database: str) -> None:
    """Two seconds are for twins alone: under a fresh key and an expired one, the rest waits as the settings say."""
    clock = MovableClock(notes.database.clock.now())
    settings = DatabaseSettings(url=SecretStr(empty_database), lock_timeout=timedelta(seconds=7))
    database = Database.from_settings(settings, clock=clock, source="/frontline/test/x", application_name="t")
    wanted = Claim(client_id="c", key="k", fingerprint=bytes(32), life=timedelta(hours=1))
    for _ in range(2):
        async with database.begin(Origin(actor="service:test")) as tx:
            assert await idempotency.claim(tx, wanted) is None
            assert await tx.fetch("show lock_timeout") == [("7s",)]
        clock.move(timedelta(hours=2))
    await database.close()
