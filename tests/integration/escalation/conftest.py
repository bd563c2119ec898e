"""The escalation service on a database of its own: its handlers and timers driven step by step."""

import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
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
from common.settings import ApiSettings, KafkaSettings, PeersSettings
from common.timers import fire_due
from common.transaction import Origin
from common.web.clients import SCOPES, create_key
from contracts.envelope import Event
from contracts.intake import TicketCreated
from contracts.registry import EVENT_TYPES, Body, decode_body, encode_body
from contracts.routing import AgentRegistered, AssignmentAssigned
from contracts.words import Source
from escalation.app import build
from escalation.settings import EscalationSettings
from tests.integration.escalation.floor import Floor
from tests.support.databases import Databases, patient_settings

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
"""A Monday."""


@dataclass(frozen=True, kw_only=True)
class Escalation:
    """The service as a test sees it."""

    service: Service
    database: Database
    clock: MovableClock
    app: FastAPI
    http: httpx.AsyncClient
    clients_file: Path
    seqs: dict[tuple[str, UUID], int] = field(default_factory=dict[tuple[str, UUID], int])

    def begin(self, actor: str = "client:tests") -> Any:
        """One transaction."""
        return self.database.begin(Origin(actor=actor, correlation_id="conversation"))

    def event(self, subject_id: UUID, body: Body, *, at: datetime | None = None) -> Event:
        """The next event about a subject, as its producer tells it."""
        known = EVENT_TYPES[body.event_type]
        numbered = (known.producer, subject_id)
        self.seqs[numbered] = self.seqs.get(numbered, 0) + 1
        return Event(
            id=new_id(),
            source=f"/frontline/test/{known.producer}",
            type=body.event_type,
            subject=f"{known.subject_kind}/{subject_id}",
            seq=self.seqs[numbered],
            time=at or self.clock.now(),
            data=encode_body(body),
            correlation_id="conversation",
            actor="client:tests",
        )

    async def apply(self, *events: Event) -> None:
        """What the consumer does with a batch: every handler in its order, in one transaction."""
        async with self.begin("service:escalation") as tx:
            for handler in self.service.handlers:
                concerned = [event for event in events if event.type in handler.types]
                if concerned:
                    await handler.apply(tx, concerned)

    async def tell(self, subject_id: UUID, *bodies: Body) -> None:
        """Events about a ticket or an agent, one batch."""
        await self.apply(*(self.event(subject_id, body) for body in bodies))

    async def hear_ourselves(self) -> None:
        """Apply what this service told since the last time, as its own topic brings it back."""
        rows = await self.sql("select id, seq, headers, payload, type, key from event order by id")
        seen = self.seqs.get(("heard", UUID(int=0)), 0)
        events = [
            Event(
                id=new_id(),
                source="/frontline/test/escalation",
                type=row.type,
                subject=f"ticket/{row.key}",
                seq=row.seq,
                time=self.clock.now(),
                data=bytes(row.payload),
            )
            for row in rows
            if row.id > seen
        ]
        if events:
            self.seqs["heard", UUID(int=0)] = rows[-1].id
            await self.apply(*events)

    async def agent(self, *, tier: int = 1, **given: Any) -> UUID:
        """An agent as routing tells of them."""
        agent_id = new_id()
        await self.tell(agent_id, AgentRegistered(agent_id=agent_id, tier=tier, max_weight=10, **given))
        return agent_id

    def created(self, **given: Any) -> TicketCreated:
        """The body of a new ticket's event."""
        values: dict[str, Any] = {
            "ticket_id": new_id(),
            "number": 7,
            "source": Source(channel="web"),
            "requester_id": new_id(),
            "impact": 3,
            "urgency": 3,
            "priority": "normal",
            "language": "en",
        }
        return TicketCreated(**{**values, **given})

    async def open(self, **given: Any) -> UUID:
        """A new ticket, told as intake tells it."""
        body = self.created(**given)
        await self.tell(body.ticket_id, body)
        return body.ticket_id

    def assigned(self, ticket_id: UUID, agent_id: UUID, *, tier: int = 1) -> Event:
        """That an agent owns a ticket, as routing tells it now."""
        body = AssignmentAssigned(
            ticket_id=ticket_id,
            assignment_id=new_id(),
            agent_id=agent_id,
            agent_tier=tier,
            method="auto",
            weight=2,
        )
        return self.event(ticket_id, body)

    async def own(self, ticket_id: UUID, agent_id: UUID, *, tier: int = 1) -> None:
        """Let an agent own a ticket."""
        await self.apply(self.assigned(ticket_id, agent_id, tier=tier))

    async def fire_due(self) -> int:
        """What the timer task does with everything that is due now."""
        return await fire_due(self.database, service="escalation", timers=self.service.timers)

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        """Run one statement."""
        async with self.begin() as tx:
            result = await tx.connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    async def told(self, subject_id: UUID, prefix: str = "") -> list[str]:
        """The types of our events about a ticket, in order, without "support." and ".v1"; only those of a prefix."""
        rows = await self.sql("select type from event where key = :key order by seq", key=str(subject_id))
        names = [row.type.removeprefix("support.").removesuffix(".v1") for row in rows]
        return [name for name in names if name.startswith(prefix)]

    async def bodies(self, subject_id: UUID, prefix: str = "") -> list[Any]:
        """The bodies of our events about a ticket, in order."""
        rows = await self.sql("select type, payload, seq from event where key = :key order by seq", key=str(subject_id))
        decoded = [
            decode_body(
                Event(
                    id=new_id(),
                    source="/frontline/test/escalation",
                    type=row.type,
                    subject=f"ticket/{subject_id}",
                    seq=row.seq,
                    time=self.clock.now(),
                    data=bytes(row.payload),
                )
            )
            for row in rows
            if row.type.removeprefix("support.").startswith(prefix)
        ]
        return [body for body in decoded if body is not None]

    def key(self, *scopes: str) -> dict[str, str]:
        """A header with a new key of these scopes."""
        made = create_key(self.clients_file, f"client-{uuid.uuid4().hex}", scopes=scopes, now=self.clock.now())
        self.clock.move(timedelta(seconds=1))
        return {"authorization": f"Bearer {made}"}


@pytest.fixture
async def escalation_database(databases: Databases) -> AsyncGenerator[str]:
    """The URL of a migrated database that no other test uses."""
    async with databases.of("escalation") as url:
        yield url


@pytest.fixture
async def escalation(escalation_database: str, tmp_path: Path) -> AsyncGenerator[Escalation]:
    """The service with a movable clock and a client with every scope. Its peers cannot be reached."""
    clients_file = tmp_path / "clients.json"
    clock = MovableClock(START)
    secret = create_key(clients_file, "everything", scopes=sorted(SCOPES), now=START)
    settings = EscalationSettings(
        database=patient_settings(escalation_database, pool_size=10),
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        api=ApiSettings(clients_file=clients_file),
        peers=PeersSettings(intake_url="http://127.0.0.1:1", routing_url="http://127.0.0.1:1", key=SecretStr("unused")),
    )
    service = build(settings)
    database = Database.from_settings(
        settings.database, clock=clock, source="/frontline/test/escalation", application_name="escalation-tests"
    )
    app = create_api(service, Runtime(settings=settings, database=database, clock=clock))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://escalation", headers=headers) as http:
        yield Escalation(service=service, database=database, clock=clock, app=app, http=http, clients_file=clients_file)
    await database.close()


@pytest.fixture
async def floor(escalation: Escalation) -> Floor:
    """A ticket that an entry agent owns, and three seniors."""
    owner = await escalation.agent(tier=1)
    seniors = [await escalation.agent(tier=3) for _ in range(3)]
    ticket_id = await escalation.open()
    await escalation.own(ticket_id, owner)
    return Floor(escalation, ticket_id, owner, seniors)
