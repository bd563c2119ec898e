"""Whatever is sent: a clear refusal or the truth, and nothing half written. And the schema is the one declared."""

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from common.database import Database
from intake.metadata import METADATA
from tests.integration.intake.conftest import Intake, key, ticket_body
from tests.support.authorization import Keyring, check_authorization, prepare
from tests.support.openapi import check_openapi
from tests.support.serving import serving

DEEP: Any = []
for _ in range(40):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "change",
    [
        {"subject": ""},
        {"subject": "x" * 301},
        {"subject": 7},
        {"subject": None},
        {"subject": "a\x00b"},
        {"description": "x" * 20_001},
        {"description": ["x"]},
        {"impact": "1"},
        {"impact": True},
        {"impact": 1.5},
        {"impact": 0},
        {"urgency": 5},
        {"priority": "very", "priority_reason": "x"},
        {"tags": "vip"},
        {"tags": ["a b"]},
        {"tags": ["x" * 65]},
        {"tags": [f"t{n}" for n in range(51)]},
        {"tags": ["a\u0000"]},
        {"custom": {"a b": 1}},
        {"custom": {"a": {"b": 1}}},
        {"custom": {"a": [1]}},
        {"custom": {"a": 2**53 + 1}},
        {"custom": {"a": 1e300}},
        {"custom": {"a": "x" * 1001}},
        {"custom": {"a": "\x00"}},
        {"custom": {f"f{n}": 1 for n in range(51)}},
        {"custom": DEEP},
        {"skills_hint": [{"skill": "net", "level": 6}]},
        {"skills_hint": [{"skill": "net", "depth": 1}]},
        {"skills_hint": [{"skill": "net"}] * 21},
        {"tier_required": 4},
        {"language": "German"},
        {"requester": "ada"},
        {"requester": {"email": "no address"}},
        {"requester": {"email": "a@b", "age": 7}},
        {"requester": {"id": "7"}},
        {"source": {}},
        {"source": {"channel": ""}},
        {"proactive": "yes"},
        {"follow_up_of": "FL-1"},
        {"status": "closed"},
    ],
)
async def test_bad_fields_are_refused(intake: Intake, change: dict[str, Any]) -> None:
    """400 with a pointer, and nothing is written."""
    answer = await intake.http.post("/v1/tickets", json=ticket_body(**change), headers={"idempotency-key": key()})
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await intake.http.get("/v1/events")).json()["events"] == []


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"\xff\xfe", 400),
        (b'{"subject": "\xff"}', 400),
        (b'{"subject": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 10_000, 400),
        (b'{"subject": NaN}', 400),
        (b'{"impact": 1e999}', 400),
        (b'{"impact": ' + b"9" * 5000 + b"}", 400),
        (b'"' + b"x" * 2_000_000 + b'"', 413),
    ],
)
async def test_bad_bodies_are_refused(intake: Intake, raw: bytes, status: int) -> None:
    """Whatever the bytes are."""
    headers = {"idempotency-key": key(), "content-type": "application/json"}
    answer = await intake.http.post("/v1/tickets", content=raw, headers=headers)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tickets/by-ref/shop/%00",
        "/v1/tickets/by-ref/%00/1",
        "/v1/tickets/not-an-id",
        "/v1/tickets/%00",
        "/v1/tickets?tag=%00",
        "/v1/tickets?created_after=1",
        "/v1/tickets?created_after=2026-03-01T00:00:00",
        "/v1/tickets?cursor=%00",
        "/v1/tickets?limit=99999999999999999999",
        "/v1/tickets/00000000-0000-7000-8000-000000000000/messages?after=-1",
        "/v1/tickets/00000000-0000-7000-8000-000000000000/messages?after=99999999999",
    ],
)
async def test_bad_addresses_are_refused(intake: Intake, path: str) -> None:
    """400, never a failure."""
    assert (await intake.http.get(path)).status_code == 400


async def test_texts_come_back_as_they_were_given(intake: Intake) -> None:
    """Any language, quotes, markup and control characters but NUL."""
    strange = "Ünï \u202e مرحبا 漢字 \U0001f600 '\"; drop table ticket;-- <b> \t\n %s {} \\u0000"
    ticket = await intake.open(subject=strange, description=strange, custom={"k": strange})
    shown = await intake.show(ticket["id"])
    assert (shown["subject"], shown["custom"]["k"]) == (strange, strange)
    [message] = (await intake.http.get(f"/v1/tickets/{ticket['id']}/messages")).json()["items"]
    assert message["body"] == strange


async def test_numbers_come_back_as_they_were_given(intake: Intake) -> None:
    """Up to the largest whole number that every JSON reader knows, and fractions."""
    custom = {"a": 2**53, "b": -(2**53), "c": 0.1, "d": 1e-9, "e": True, "f": False, "g": 0}
    ticket = await intake.open(custom=custom)
    assert (await intake.show(ticket["id"]))["custom"] == custom


@pytest.mark.timeout(600)
async def test_nothing_breaks_the_document(intake: Intake, tmp_path: Path) -> None:
    """schemathesis finds no 5xx and no answer that the document does not describe."""
    ticket = await intake.open(ref="known")
    assert ticket["number"]
    async with serving(intake.app) as url:
        scopes = ("tickets:read", "tickets:write", "routing:admin", "act-as", "events:read", "ops:read", "ops:write")
        assert await check_openapi(url, intake.key(*scopes, "webhooks:write")) >= 32


async def test_every_cell_of_the_authorization_matrix(intake: Intake) -> None:
    """Each route lets in exactly the keys with its scopes."""
    keyring = Keyring(intake.clients_file, intake.clock.now())
    prepare(intake.app, keyring)
    intake.key("tickets:read")
    intake.http.headers.pop("authorization")
    assert await check_authorization(intake.app, intake.http, keyring) > 20 * 19


async def test_the_migrations_make_the_declared_tables(intake: Intake) -> None:
    """The live schema differs from the metadata in nothing that Alembic can see."""
    assert await _differences(intake.database) == []


async def _differences(database: Database) -> list[Any]:
    def compare(connection: Connection) -> list[Any]:
        ours = ("organisation", "requester", "ticket", "kept_event", "message", "webhook")
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
        return [difference for difference in found if any(name in str(difference) for name in ours)]

    async with database.read() as connection:
        return await connection.run_sync(compare)
