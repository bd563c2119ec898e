"""The intake service on a database of its own: over its real ASGI application, and by its handlers and timers."""

import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text

from common.clock import MovableClock
from common.database import Database
from common.ids import new_id
from common.service import Runtime, Service, create_api
from common.settings import ApiSettings, KafkaSettings
from common.transaction import Origin
from common.web.clients import SCOPES, create_key
from contracts.envelope import Event, decode_event, kafka_headers
from contracts.registry import Body, encode_body
from intake.app import build
from intake.settings import IntakeGroup, IntakeSettings
from tests.support.closed import assert_closed
from tests.support.databases import Databases, patient_settings

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEBHOOKS_KEY = "a2V5IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXMgbG9uZy4="


@dataclass(frozen=True, kw_only=True)
class Intake:
    """The running service as a test sees it."""

    app: FastAPI
    service: Service
    http: httpx.AsyncClient
    database: Database
    clock: MovableClock
    clients_file: Path

    async def open(self, **changes: Any) -> dict[str, Any]:
        """A new ticket."""
        answer = await self.http.post("/v1/tickets", json=ticket_body(**changes), headers={"idempotency-key": key()})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def show(self, ticket_id: str) -> dict[str, Any]:
        """The ticket as it is."""
        answer = await self.http.get(f"/v1/tickets/{ticket_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(
        self, ticket_id: str, command: str, body: Any = None, *, version: int | None = None, agent: UUID | None = None
    ) -> httpx.Response:
        """A command on a ticket, decided on its present version unless said otherwise."""
        if version is None:
            version = (await self.show(ticket_id))["version"]
        headers = {"if-match": f'"{version}"'} | ({"support-actor": f"agent:{agent}"} if agent else {})
        return await self.http.post(f"/v1/tickets/{ticket_id}/{command}", json=body, headers=headers)

    async def say(self, ticket_id: str, direction: str, *, agent: UUID | None = None, **more: Any) -> httpx.Response:
        """A message."""
        headers = {"support-actor": f"agent:{agent}"} if agent else {}
        body = {"direction": direction, "body": "Hello.", **more}
        return await self.http.post(f"/v1/tickets/{ticket_id}/messages", json=body, headers=headers)

    async def events(self, ticket_id: str) -> list[dict[str, Any]]:
        """Intake's own events about a ticket."""
        return (await self.http.get(f"/v1/tickets/{ticket_id}/events?limit=200")).json()["items"]

    async def apply(self, *events: Event) -> None:
        """What the consumer does with a batch."""
        async with self.database.begin(Origin(actor="service:intake")) as tx:
            for handler in self.service.handlers:
                mine = [event for event in events if event.type in handler.types]
                if mine:
                    await handler.apply(tx, mine)

    async def fire_due(self) -> None:
        """What the timer task does with everything that is due."""
        for timer in self.service.timers:
            async with self.database.read() as connection:
                due = await connection.execute(
                    text("select aggregate_id, generation from timer where kind = :kind and due_at <= :now"),
                    {"kind": timer.kind, "now": self.clock.now()},
                )
                rows = due.all()
            for row in rows:
                async with self.database.begin(Origin(actor="service:intake")) as tx:
                    await timer.fire(tx, row.aggregate_id, row.generation)

    def key(self, *scopes: str) -> dict[str, str]:
        """A header with a new key of these scopes."""
        made = create_key(self.clients_file, f"client-{key()}", scopes=scopes, now=self.clock.now())
        self.clock.move(timedelta(seconds=1))
        return {"authorization": f"Bearer {made}"}


@pytest.fixture
async def intake_database(databases: Databases) -> AsyncGenerator[str]:
    """The URL of a migrated database that no other test uses."""
    async with databases.of("intake") as url:
        yield url


@pytest.fixture
async def intake(intake_database: str, tmp_path: Path) -> AsyncGenerator[Intake]:
    """The service with a movable clock, and a client with every scope."""
    clients_file = tmp_path / "clients.json"
    clock = MovableClock(START)
    secret = create_key(clients_file, "everything", scopes=sorted(SCOPES), now=START)
    settings = IntakeSettings(
        database=patient_settings(intake_database, pool_size=8),
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        api=ApiSettings(clients_file=clients_file),
        installation="test",
        intake=IntakeGroup(webhooks_key=SecretStr(WEBHOOKS_KEY), webhooks_allowed_networks="127.0.0.0/8"),
    )
    service = build(settings)
    database = Database.from_settings(
        settings.database, clock=clock, source="/frontline/test/intake", application_name="intake-tests"
    )
    app = create_api(service, Runtime(settings=settings, database=database, clock=clock))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://intake", headers=headers) as http:
        yield Intake(app=app, service=service, http=http, database=database, clock=clock, clients_file=clients_file)
    await _check_told(database)
    await database.close()


async def _check_told(database: Database) -> None:
    """Whatever the test did: every event fits its closed schema."""
    async with database.read() as connection:
        rows = (await connection.execute(text("select seq, headers, payload from event"))).all()
    for row in rows:
        assert_closed(decode_event(kafka_headers(row.headers, row.seq), row.payload))


def key() -> str:
    """A new idempotency key."""
    return uuid.uuid4().hex


def ticket_body(**changes: Any) -> dict[str, Any]:
    """A body that opens a ticket; `ref` gives it the natural key ("shop", ref)."""
    ref = changes.pop("ref", None)
    source = {"channel": "web"} | ({"system": "shop", "external_ref": ref} if ref else {})
    return {
        "subject": "Cannot log in",
        "description": "It says no.",
        "requester": {"system": "shop", "external_id": "u1", "name": "Ada", "email": "ada@example.org"},
        "source": source,
        **changes,
    }


class Told:
    """A service's events about one ticket, numbered as it would."""

    def __init__(self, ticket_id: str, *, start: datetime = START, service: str = "routing") -> None:
        """Args: start: when the first one happens; each is a second later than the one before."""
        self.ticket_id = UUID(ticket_id)
        self.service = service
        self.time = start
        self.seq = 0

    def event(self, body: Body, *, at: datetime | None = None) -> Event:
        """The next event of this ticket."""
        self.seq += 1
        self.time = at or self.time + timedelta(seconds=1)
        return Event(
            id=new_id(),
            source=f"/frontline/test/{self.service}",
            type=body.event_type,
            subject=f"ticket/{self.ticket_id}",
            seq=self.seq,
            time=self.time,
            data=encode_body(body),
            correlation_id="conversation",
            actor=f"service:{self.service}",
        )
