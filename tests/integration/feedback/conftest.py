"""The feedback service on a database of its own: its handlers, timers and calls driven step by step."""

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

from common.calls import Call, CallOutcome
from common.clock import MovableClock
from common.database import Database
from common.ids import new_id
from common.service import Runtime, Service, create_api
from common.settings import ApiSettings, KafkaSettings, PeersSettings
from common.timers import fire_due
from common.transaction import Origin
from common.web.clients import SCOPES, create_key
from contracts.envelope import Event
from contracts.intake import (
    MessageAdded,
    TicketClosed,
    TicketCreated,
    TicketReopened,
    TicketResolved,
    TicketStatusChanged,
)
from contracts.registry import EVENT_TYPES, Body, decode_body, encode_body
from contracts.routing import AssignmentAssigned
from contracts.words import Source
from feedback.app import build
from feedback.settings import FeedbackGroup, FeedbackSettings
from feedback.surveys.domain import Survey
from feedback.surveys.timers import CALLS
from feedback.surveys.usecases import get_survey
from tests.support.databases import Databases, patient_settings

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
"""A Monday."""
PUBLIC_URL = "https://help.example"


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """The service as a test sees it."""

    service: Service
    database: Database
    clock: MovableClock
    app: FastAPI
    http: httpx.AsyncClient
    anybody: httpx.AsyncClient
    clients_file: Path
    seqs: dict[tuple[str, UUID], int] = field(default_factory=dict[tuple[str, UUID], int])

    def begin(self, actor: str = "client:tests") -> Any:
        """One transaction."""
        return self.database.begin(Origin(actor=actor, correlation_id="conversation"))

    def event(self, subject_id: UUID, body: Body) -> Event:
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
            time=self.clock.now(),
            data=encode_body(body),
            correlation_id="conversation",
            actor="client:tests",
        )

    async def apply(self, *events: Event) -> None:
        """What the consumer does with a batch: every handler in its order, in one transaction."""
        async with self.begin("service:feedback") as tx:
            for handler in self.service.handlers:
                concerned = [event for event in events if event.type in handler.types]
                if concerned:
                    await handler.apply(tx, concerned)

    async def tell(self, subject_id: UUID, *bodies: Body) -> None:
        """Events about one subject, one batch."""
        await self.apply(*(self.event(subject_id, body) for body in bodies))

    async def hear_ourselves(self) -> None:
        """Apply what this service told since the last time, as its own topic brings it back."""
        rows = await self.sql("select id, seq, payload, type, key, occurred_at from event order by id")
        seen = self.seqs.get(("heard", UUID(int=0)), 0)
        events = [self._own(row) for row in rows if row.id > seen]
        if events:
            self.seqs["heard", UUID(int=0)] = rows[-1].id
            await self.apply(*events)

    async def open(self, **given: Any) -> TicketCreated:
        """A new ticket, told as intake tells it."""
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
        body = TicketCreated(**{**values, **given})
        await self.tell(body.ticket_id, body)
        return body

    async def reply(self, ticket_id: UUID) -> None:
        """A public message by an agent."""
        body = MessageAdded(
            ticket_id=ticket_id,
            message_id=new_id(),
            direction="outbound",
            author_type="agent",
            author_id=new_id(),
            channel="web",
            counts_as_response=True,
            awaits_customer=False,
            ack_only=False,
        )
        await self.tell(ticket_id, body)

    async def own(self, ticket_id: UUID, agent_id: UUID) -> None:
        """Let an agent own a ticket."""
        body = AssignmentAssigned(
            ticket_id=ticket_id, assignment_id=new_id(), agent_id=agent_id, agent_tier=1, method="auto", weight=2
        )
        await self.tell(ticket_id, body)

    async def resolve(self, ticket_id: UUID, *, code: str = "fixed", seq: int = 1) -> None:
        """A resolution that may be taken back within a week."""
        await self.tell(
            ticket_id,
            TicketStatusChanged(ticket_id=ticket_id, old="open", new="resolved"),
            TicketResolved(
                ticket_id=ticket_id,
                resolution_seq=seq,
                resolution_code=code,
                reopen_until=self.clock.now() + timedelta(days=7),
            ),
        )

    async def reopen(self, ticket_id: UUID) -> None:
        """A reopening."""
        await self.tell(
            ticket_id,
            TicketStatusChanged(ticket_id=ticket_id, old="resolved", new="open"),
            TicketReopened(ticket_id=ticket_id, reopen_count=1, trigger="message", since_resolved_s=1),
        )

    async def close(self, ticket_id: UUID) -> None:
        """The end of a resolved ticket."""
        await self.tell(
            ticket_id,
            TicketStatusChanged(ticket_id=ticket_id, old="resolved", new="closed"),
            TicketClosed(ticket_id=ticket_id, closure="auto"),
        )

    async def resolved(self, *, code: str = "fixed", **given: Any) -> TicketCreated:
        """A ticket that an agent answered and resolved."""
        ticket = await self.open(**given)
        await self.reply(ticket.ticket_id)
        await self.resolve(ticket.ticket_id, code=code)
        return ticket

    async def sent(self, **given: Any) -> tuple[Survey, str]:
        """A survey whose link is with the person; with the path of its page."""
        ticket = await self.resolved(**given)
        self.clock.move(timedelta(days=1))
        await self.fire_due()
        survey = await self.survey(ticket.ticket_id)
        [call] = [each for each in await self.calls() if each.aggregate_id == survey.survey_id]
        path = await self.hear(call)
        return await self.survey(ticket.ticket_id), path

    async def survey(self, ticket_id: UUID) -> Survey:
        """The only survey about a ticket."""
        [row] = await self.sql("select survey_id from survey where ticket_id = :ticket_id", ticket_id=ticket_id)
        async with self.database.read() as connection:
            return (await get_survey(connection, row.survey_id))[0]

    async def fire_due(self) -> int:
        """What the timer task does with everything that is due now."""
        return await fire_due(self.database, service="feedback", timers=self.service.timers)

    async def calls(self) -> list[Call]:
        """The calls that wait to be sent."""
        rows = await self.sql(
            "select call_id, kind, aggregate_id, service, method, path, body, actor from outgoing_call order by due_at"
        )
        return [Call(**row._mapping) for row in rows]

    async def deliver(self) -> list[str]:
        """Let intake take every message that waits; returns the paths of the links in them."""
        return [await self.hear(call) for call in await self.calls()]

    async def hear(self, call: Call, *, status: int = 201, is_final: bool = True) -> str:
        """What the caller does with intake's answer to a call; returns the path of the link in it."""
        kinds = {kind.kind: kind for kind in CALLS}
        ok = status < 300
        outcome = CallOutcome(
            call=call,
            attempt=1,
            status=status,
            answer={"id": str(new_id()), "ticket_id": call.path.split("/")[3]} if ok else {"code": "ticket_final"},
            fault="" if ok else "ticket_final",
            ok=ok,
            is_final=is_final,
        )
        async with self.begin("service:feedback") as tx:
            await kinds[call.kind].heard(tx, outcome)
            if is_final:
                await tx.connection.execute(text("delete from outgoing_call where call_id = :id"), {"id": call.call_id})
        return str(call.body["body"]).split(PUBLIC_URL)[1].split()[0]

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        """Run one statement."""
        async with self.begin() as tx:
            result = await tx.connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    async def told(self, ticket_id: UUID) -> list[str]:
        """The types of our events about a ticket, in order, without "support." and ".v1"."""
        rows = await self.sql("select type from event where key = :key order by seq", key=str(ticket_id))
        return [row.type.removeprefix("support.").removesuffix(".v1") for row in rows]

    async def bodies(self, ticket_id: UUID) -> list[Any]:
        """The bodies of our events about a ticket, in order."""
        rows = await self.sql(
            "select id, seq, payload, type, key, occurred_at from event where key = :key order by seq",
            key=str(ticket_id),
        )
        return [decode_body(self._own(row)) for row in rows]

    async def contents(self) -> dict[str, list[str]]:
        """Every row of every table, as text."""
        tables = await self.sql("select tablename from pg_tables where schemaname = 'public' order by tablename")
        found: dict[str, list[str]] = {}
        for row in tables:
            rows = await self.sql(f"select cast(t as text) as shown from {row.tablename} t")  # noqa: S608 - catalogue
            found[row.tablename] = sorted(each.shown for each in rows)
        return found

    def key(self, *scopes: str) -> dict[str, str]:
        """A header with a new key of these scopes."""
        made = create_key(self.clients_file, f"client-{uuid.uuid4().hex}", scopes=scopes, now=self.clock.now())
        self.clock.move(timedelta(seconds=1))
        return {"authorization": f"Bearer {made}"}

    def _own(self, row: Any) -> Event:
        return Event(
            id=new_id(),
            source="/frontline/test/feedback",
            type=row.type,
            subject=f"ticket/{row.key}",
            seq=row.seq,
            time=row.occurred_at,
            data=bytes(row.payload),
        )


@pytest.fixture
async def feedback_database(databases: Databases) -> AsyncGenerator[str]:
    """The URL of a migrated database that no other test uses."""
    async with databases.of("feedback") as url:
        yield url


@pytest.fixture
async def feedback(feedback_database: str, tmp_path: Path) -> AsyncGenerator[Feedback]:
    """The service with a movable clock, a client with every scope, and a person without a key."""
    clients_file = tmp_path / "clients.json"
    clock = MovableClock(START)
    secret = create_key(clients_file, "everything", scopes=sorted(SCOPES), now=START)
    settings = FeedbackSettings(
        database=patient_settings(feedback_database, pool_size=10),
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        api=ApiSettings(clients_file=clients_file),
        peers=PeersSettings(intake_url="http://127.0.0.1:1", routing_url="http://127.0.0.1:1", key=SecretStr("unused")),
        feedback=FeedbackGroup(public_url=PUBLIC_URL),
    )
    service = build(settings)
    database = Database.from_settings(
        settings.database, clock=clock, source="/frontline/test/feedback", application_name="feedback-tests"
    )
    app = create_api(service, Runtime(settings=settings, database=database, clock=clock))
    headers = {"authorization": f"Bearer {secret}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://feedback", headers=headers) as http,
        httpx.AsyncClient(transport=transport, base_url="http://feedback", headers={"accept": "text/html"}) as anybody,
    ):
        yield Feedback(
            service=service,
            database=database,
            clock=clock,
            app=app,
            http=http,
            anybody=anybody,
            clients_file=clients_file,
        )
    await database.close()
