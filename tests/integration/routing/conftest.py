"""The routing service on a database of its own: its handlers, timers and decider driven step by step."""

import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from common.clock import MovableClock
from common.database import Database
from common.ids import new_id
from common.service import Runtime, Service, create_api
from common.settings import ApiSettings, KafkaSettings
from common.transaction import Origin, Transaction
from common.web.clients import SCOPES, create_key
from contracts.envelope import Event
from contracts.escalation import HandoffRequested
from contracts.intake import MessageAdded, TicketCreated, TicketStatusChanged
from contracts.registry import EVENT_TYPES, Body, encode_body
from contracts.words import SkillNeed, Source
from routing.agents.domain import Agent, Skill
from routing.agents.usecases import add_skill, get_agent, register_agent
from routing.app import build
from routing.pools.domain import DEFAULT_POOL
from routing.queues.domain import CATCH_ALL_ID
from routing.queues.usecases import change_queue, get_queue
from routing.settings import RoutingSettings
from routing.work import store, usecases
from routing.work.decider import Decider
from routing.work.item import Work
from tests.support.databases import Databases, patient_settings

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SKILLS = ("billing", "net", "x", "y")


@dataclass(frozen=True, kw_only=True)
class Routing:
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

    async def agent(self, **given: Any) -> UUID:
        """A registered agent, online unless said otherwise, with room for ten units."""
        now = self.clock.now()
        values: dict[str, Any] = {
            "agent_id": new_id(),
            "name": "Ada",
            "email": "",
            "tier": 1,
            "max_weight": 10,
            "max_offers": 1,
            "teams": (),
            "languages": (),
            "presence": "online",
            "presence_since": now,
            "idle_since": now,
            "created_at": now,
        }
        async with self.begin() as tx:
            return (await register_agent(tx, Agent(**{**values, **given}))).agent_id

    async def look_at_agent(self, agent_id: UUID) -> Agent:
        """The agent as it is."""
        async with self.database.read() as connection:
            return await get_agent(connection, agent_id)

    async def load(self, agent_id: UUID) -> int:
        """The agent's load in quarters."""
        return (await self.look_at_agent(agent_id)).load_quarters

    async def open(self, **given: Any) -> UUID:
        """A new ticket, told as intake tells it."""
        event = self.created(**given)
        await self.apply(event)
        return UUID(event.subject_id)

    def created(self, **given: Any) -> Event:
        """The event of a new ticket."""
        values: dict[str, Any] = {
            "ticket_id": new_id(),
            "number": 1,
            "source": Source(channel="web"),
            "requester_id": new_id(),
            "impact": 3,
            "urgency": 4,
            "priority": "low",
        }
        body = TicketCreated(**{**values, **given})
        return self.event(body.ticket_id, body)

    def event(self, ticket_id: UUID, body: Body) -> Event:
        """The next event about a ticket, of intake or of escalation."""
        producer = EVENT_TYPES[body.event_type].producer
        seq = self.seqs[producer, ticket_id] = self.seqs.get((producer, ticket_id), 0) + 1
        return Event(
            id=new_id(),
            source=f"/frontline/test/{producer}",
            type=body.event_type,
            subject=f"ticket/{ticket_id}",
            seq=seq,
            time=self.clock.now(),
            data=encode_body(body),
            correlation_id="conversation",
            actor="client:tests",
        )

    async def apply(self, *events: Event) -> None:
        """What the consumer does with a batch."""
        [handler] = self.service.handlers
        async with self.begin("service:routing") as tx:
            await handler.apply(tx, [event for event in events if event.type in handler.types])

    async def tell(self, ticket_id: UUID, *bodies: Body) -> None:
        """Further events about a ticket."""
        await self.apply(*(self.event(ticket_id, body) for body in bodies))

    async def move(self, ticket_id: UUID, old: str, new: str) -> None:
        """A status move of intake's."""
        await self.tell(ticket_id, TicketStatusChanged(ticket_id=ticket_id, old=old, new=new))

    async def reply(self, ticket_id: UUID, agent_id: UUID) -> None:
        """A public message by an agent."""
        await self.tell(ticket_id, public_reply(ticket_id, agent_id))

    async def work(self, work_id: UUID) -> Work:
        """The work of a ticket, or of a handoff, as it is."""
        async with self.database.read() as connection:
            return (await store.read_works(connection, [work_id]))[work_id]

    async def hand_over(self, ticket_id: UUID, **given: Any) -> UUID:
        """A handoff that escalation requests for the ticket's owner; its id."""
        body = handoff_request(ticket_id, sender=await self.owner(ticket_id), at=self.clock.now(), **given)
        await self.tell(ticket_id, body)
        return body.handoff_id

    async def offer(self, work_id: UUID) -> tuple[UUID, UUID]:
        """The open offer of a work, and whom it is made to."""
        offer = (await self.work(work_id)).offer
        assert offer is not None, "it is not offered"
        return offer.offer_id, offer.agent_id

    async def accept(self, work_id: UUID) -> UUID:
        """Let whom a work is offered to accept; the new owner."""
        offer_id, agent = await self.offer(work_id)
        async with self.begin(f"agent:{agent}") as tx:
            await usecases.accept_offer(tx, offer_id)
        return agent

    async def decline(self, work_id: UUID) -> UUID:
        """Let whom a work is offered to decline; who that was."""
        offer_id, agent = await self.offer(work_id)
        async with self.begin(f"agent:{agent}") as tx:
            await usecases.decline_offer(tx, offer_id, reason="not my field")
        return agent

    async def bodies(self, ticket_id: UUID) -> list[Any]:
        """Routing's events about a ticket, in order."""
        rows = await self.sql("select type, payload from event where key = :key order by seq", key=str(ticket_id))
        return [msgspec.json.decode(row.payload, type=EVENT_TYPES[row.type].body) for row in rows]

    async def owner(self, ticket_id: UUID) -> UUID | None:
        """Who owns the ticket."""
        work = await self.work(ticket_id)
        return work.assignment.agent_id if work.assignment else None

    async def offer_mode(self) -> None:
        """Let the catch-all desk offer its work."""
        async with self.begin() as tx:
            queue = await get_queue(tx.connection, CATCH_ALL_ID)
            await change_queue(tx, CATCH_ALL_ID, if_match=queue.version, changes={"mode": "offer"})

    async def decider(self, *, batch: int = 200) -> Decider:
        """A decider that has won the pool."""
        decider = Decider(self.database, pool=DEFAULT_POOL, owner=str(new_id()), batch=batch)
        assert await decider.start()
        return decider

    async def take_over(self) -> Decider:
        """A decider that wins although another one's lease has not ended by itself."""
        await self.sql("update routing_pool set expires_at = clock_timestamp() - interval '1 s'")
        return await self.decider()

    async def fire_due(self) -> None:
        """What the timer task does with everything that is due."""
        for timer in self.service.timers:
            rows = await self.sql(
                "select aggregate_id, generation from timer where kind = :kind and due_at <= :now order by due_at",
                kind=timer.kind,
                now=self.clock.now(),
            )
            for row in rows:
                async with self.begin("service:routing") as tx:
                    await tx.connection.execute(
                        text("delete from timer where kind = :kind and aggregate_id = :id"),
                        {"kind": timer.kind, "id": row.aggregate_id},
                    )
                    await timer.fire(tx, row.aggregate_id, row.generation)

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        """Run one statement."""
        async with self.begin() as tx:
            result = await tx.connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    async def told(self, subject_id: UUID) -> list[str]:
        """The types of routing's events about a ticket or an agent, in order, without "support." and ".v1"."""
        rows = await self.sql("select type from event where key = :key order by seq", key=str(subject_id))
        return [row.type.removeprefix("support.").removesuffix(".v1") for row in rows]

    async def violations(self) -> dict[str, int]:
        """The invariants that are broken."""
        async with self.database.read() as connection:
            return {name: n for name, n in (await store.count_violations(connection)).items() if n}

    def key(self, *scopes: str) -> dict[str, str]:
        """A header with a new key of these scopes."""
        made = create_key(self.clients_file, f"client-{uuid.uuid4().hex}", scopes=scopes, now=self.clock.now())
        self.clock.move(timedelta(seconds=1))
        return {"authorization": f"Bearer {made}"}


@pytest.fixture
async def routing_database(databases: Databases) -> AsyncGenerator[str]:
    """The URL of a migrated database that no other test uses."""
    async with databases.of("routing") as url:
        yield url


@pytest.fixture
async def routing(routing_database: str, tmp_path: Path) -> AsyncGenerator[Routing]:
    """The service with a movable clock, some skills, and a client with every scope."""
    clients_file = tmp_path / "clients.json"
    clock = MovableClock(START)
    secret = create_key(clients_file, "everything", scopes=sorted(SCOPES), now=START)
    settings = RoutingSettings(
        database=patient_settings(routing_database, pool_size=20),
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        api=ApiSettings(clients_file=clients_file),
    )
    service = build(settings)
    database = Database.from_settings(
        settings.database, clock=clock, source="/frontline/test/routing", application_name="routing-tests"
    )
    async with database.begin(Origin(actor="client:tests")) as tx:
        await _add_skills(tx)
    app = create_api(service, Runtime(settings=settings, database=database, clock=clock))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://routing", headers=headers) as http:
        yield Routing(service=service, database=database, clock=clock, app=app, http=http, clients_file=clients_file)
    await database.close()


async def _add_skills(tx: Transaction) -> None:
    for name in SKILLS:
        await add_skill(tx, Skill(name=name, category="", parent="", created_at=tx.now))


def needs(**levels: int) -> tuple[SkillNeed, ...]:
    """Skills that a ticket asks for, indispensable at their level."""
    return tuple(SkillNeed(skill=skill, level=level, hard_level=level) for skill, level in levels.items())


def handoff_request(ticket_id: UUID, *, sender: UUID | None, at: datetime, **given: Any) -> HandoffRequested:
    """What escalation says when an owner asks for another one of at least tier 2."""
    values: dict[str, Any] = {
        "ticket_id": ticket_id,
        "handoff_id": new_id(),
        "from_agent_id": sender,
        "tier_required": 2,
        "reason_code": "needs_expertise",
        "completeness": 1.0,
        "emergency": False,
        "deadline": at + timedelta(minutes=30),
        "expires_at": at + timedelta(minutes=30),
    }
    return HandoffRequested(**{**values, **given})


def public_reply(ticket_id: UUID, agent_id: UUID) -> MessageAdded:
    """A message that an agent sent to the customer."""
    return MessageAdded(
        ticket_id=ticket_id,
        message_id=new_id(),
        direction="outbound",
        author_type="agent",
        author_id=agent_id,
        channel="web",
        counts_as_response=True,
        awaits_customer=False,
        ack_only=False,
    )


async def owned(routing: Routing, **given: object) -> tuple[UUID, UUID]:
    """A ticket and the entry agent who owns it; nobody else is there yet."""
    decider = await routing.decider()
    owner = await routing.agent()
    ticket = await routing.open(**given)
    await decider.decide_once()
    await decider.stop()
    assert await routing.owner(ticket) == owner
    return ticket, owner
