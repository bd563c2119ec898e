"""Every refusal is a problem document with a stable code, and nothing of it is stored."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import event, text

from tests.integration.web.conftest import Notes

MADE_UP = "00000000-0000-7000-8000-000000000000"
KEY = {"idempotency-key": "k1"}
JSON = {"content-type": "application/json"}


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The document of an answer that must be this problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["code"] == code
    assert document["status"] == status
    assert document["type"] == f"urn:frontline:problem:{code}"
    assert document["title"]
    assert document["detail"]
    assert document["instance"] == answer.request.url.path
    assert document["request_id"] == answer.headers["x-request-id"]
    assert len(document["trace_id"]) == 32
    return document


async def post(notes: Notes, content: bytes, **headers: str) -> httpx.Response:
    """Send raw bytes as a new note."""
    return await notes.http.post("/v1/notes", content=content, headers={**KEY, **JSON, **headers})


async def test_validation_names_each_place(notes: Notes) -> None:
    """400 with a JSON Pointer for every fault, without the values that were sent."""
    answer = await notes.http.post("/v1/notes", json={"text": "", "tags": ["a", 7], "x/y": "secret"}, headers=KEY)
    document = check_problem(answer, 400, "invalid_input")
    assert {fault["pointer"] for fault in document["errors"]} == {"/text", "/tags/1", "/x~1y"}
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("path", "pointer", "code"),
    [
        ("/v1/notes?limit=0", "query/limit", "invalid_input"),
        ("/v1/notes?limit=201", "query/limit", "invalid_input"),
        ("/v1/notes?limt=5", "query/limt", "unknown_parameter"),
        ("/v1/notes?cursor=x", "query/cursor", "cursor_malformed"),
        ("/v1/notes?cursor=WyJ4Il0", "query/cursor", "cursor_malformed"),
        ("/v1/notes/7", "path/note_id", "invalid_input"),
        ("/v1/events?after=-1", "query/after", "invalid_input"),
        ("/v1/events?after=99999999999999999999", "query/after", "invalid_input"),
    ],
)
async def test_bad_addresses(notes: Notes, path: str, pointer: str, code: str) -> None:
    """400 that names the parameter."""
    answer = await notes.http.get(path, headers=notes.key("tickets:read", "events:read"))
    assert check_problem(answer, 400, code)["errors"][0]["pointer"] == pointer


async def test_nothing_at_this_address(notes: Notes) -> None:
    """404 by the router, and 404 by a use case, have codes of their own."""
    check_problem(await notes.http.get("/v1/nothing"), 404, "no_such_address")
    check_problem(await notes.http.get(f"/v1/notes/{MADE_UP}"), 404, "not_found")


async def test_unknown_methods_name_the_known_ones(notes: Notes) -> None:
    """405 with every method that some route has for the address, from whichever router."""
    answer = await notes.http.request("DELETE", "/v1/notes")
    check_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"
    answer = await notes.http.request("PUT", f"/v1/notes/{MADE_UP}")
    assert answer.headers["allow"] == "GET, PATCH"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "malformed_json"),
        (b'{"text": NaN}', "malformed_json"),
        (b'{"text": "\xff"}', "malformed_json"),
        (b'{"text": "\\ud800"}', "malformed_json"),
        (b'{"text": 1e999}', "malformed_json"),
        (b'{"text": "a\x00"}', "malformed_json"),
        (b'{"text": "a\\u0000b"}', "nul_in_text"),
        (b'{"\\u0000": 1}', "nul_in_text"),
        (b'{"text": ' + b"[" * 33 + b"]" * 33 + b"}", "nested_too_deep"),
        (b"[" * 100_000 + b"]" * 100_000, "nested_too_deep"),
        (b"[]", "invalid_input"),
        (b"null", "invalid_input"),
        (b"", "invalid_input"),
        (b'{"text": 12345678901234567890123456789}', "invalid_input"),
    ],
)
async def test_bad_bodies(notes: Notes, content: bytes, code: str) -> None:
    """400, and nothing is stored."""
    check_problem(await post(notes, content), 400, code)
    async with notes.database.read() as connection:
        assert await connection.scalar(text("select count(*) from idempotency_key")) == 0


async def test_an_escaped_backslash_before_u0000_is_no_nul(notes: Notes) -> None:
    """The text backslash-u0000 may be written."""
    answer = await post(notes, rb'{"text": "\\u0000"}')
    assert answer.json()["text"] == r"\u0000"


async def test_nul_in_an_address(notes: Notes) -> None:
    """PostgreSQL could not store it, so no address means one."""
    check_problem(await notes.http.get("/v1/notes?cursor=a%00"), 400, "nul_in_address")
    answer = await notes.http.get("/v1/notes/a%00b")
    assert (answer.status_code, answer.json()["code"]) == (400, "nul_in_address")


async def test_media_types(notes: Notes) -> None:
    """415 for anything but JSON in UTF-8; a charset of utf-8 may be said."""
    body = b'{"text": "hello"}'
    for media_type in ("text/plain", "application/xml", "application/json; charset=latin-1", ""):
        check_problem(await post(notes, body, **{"content-type": media_type}), 415, "unsupported_media_type")
    assert (await post(notes, body, **{"content-type": "application/json; charset=UTF-8"})).status_code == 201


async def test_bodies_over_the_limit(notes: Notes) -> None:
    """413 by the declared length, and by the bytes that really come in chunks."""
    big = b'{"text": "' + b"x" * 256 * 1024 + b'"}'
    check_problem(await post(notes, big), 413, "payload_too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 10_000):
            yield big[start : start + 10_000]

    chunked = await notes.http.post("/v1/notes", content=chunks(), headers={**KEY, **JSON})
    check_problem(chunked, 413, "payload_too_large")


async def test_versions(notes: Notes) -> None:
    """428 without If-Match, 412 with a stale one, 400 with anything else, 200 with the right one."""
    note_id = (await post(notes, b'{"text": "one"}')).json()["id"]

    async def change(*tags: str) -> httpx.Response:
        headers = [("if-match", tag) for tag in tags]
        return await notes.http.patch(f"/v1/notes/{note_id}", json={"text": "two"}, headers=headers)

    check_problem(await change(), 428, "if_match_required")
    for bad in ("*", 'W/"1"', '"1", "2"', "one", '"-1"'):
        check_problem(await change(bad), 400, "if_match_malformed")
    check_problem(await change('"1"', '"2"'), 400, "if_match_malformed")
    check_problem(await change('"2"'), 412, "stale_version")
    changed = await change('"1"')
    assert (changed.status_code, changed.headers["etag"], changed.json()["text"]) == (200, '"2"', "two")


async def test_the_unforeseen_shows_nothing_of_itself(notes: Notes, caplog: pytest.LogCaptureFixture) -> None:
    """500 without the exception's text, which goes to the log."""
    note_id = (await post(notes, b'{"text": "one"}')).json()["id"]
    answer = await notes.http.post(f"/v1/notes/{note_id}/break")
    check_problem(answer, 500, "error")
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text


async def test_request_ids_go_in_and_out(notes: Notes) -> None:
    """A sane id is kept, another is replaced; both come back on refusals too."""
    kept = await notes.http.get("/v1/notes", headers={"x-request-id": "abc-1"})
    replaced = await notes.http.get("/v1/nothing", headers={"x-request-id": "a b\tc"})
    assert kept.headers["x-request-id"] == "abc-1"
    assert len(replaced.headers["x-request-id"]) == 36


async def test_one_trace_from_the_call_into_the_event(notes: Notes) -> None:
    """The event carries the caller's trace and conversation, and a span of our own."""
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    await post(
        notes,
        b'{"text": "hello"}',
        traceparent=f"00-{trace_id}-00f067aa0ba902b7-01",
        **{"x-request-id": "r1", "x-correlation-id": "c1"},
    )
    page = await notes.http.get("/v1/events", headers=notes.key("events:read"))
    event = page.json()["events"][0]
    version, traced, span, _ = event["traceparent"].split("-")
    assert (version, traced) == ("00", trace_id)
    assert span != "00f067aa0ba902b7"
    assert (event["correlationid"], event["causationid"], event["actor"]) == ("c1", "r1", "client:everything")
    assert json.loads(page.text)["next_after"] == event["position"]


async def test_a_refused_login_is_told_to_the_log_alone(notes: Notes, caplog: pytest.LogCaptureFixture) -> None:
    """503 for the caller, who can do nothing about it and need not know the role."""
    engine, refusal = notes.database.engine.sync_engine, asyncpg.InvalidPasswordError('no password for "notes_rw"')

    def refuse(*_: object) -> None:
        raise refusal

    await notes.database.engine.dispose()
    event.listen(engine, "do_connect", refuse)
    answer = await post(notes, b'{"text": "one"}')
    check_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "30"
    assert "notes_rw" not in answer.text
    assert "FRONTLINE" not in answer.text
    assert "notes_rw" in caplog.text
