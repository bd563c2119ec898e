"""What the tests of the event backbone share: a database with the common tables, topics, and events to publish."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msgspec.structs import replace
from pydantic import SecretStr
from sqlalchemy import text

from common.backbone.consume import run_consumer
from common.backbone.consumer import Handler, caused_by
from common.clock import Clock, SystemClock
from common.database import Database
from common.ids import new_id
from common.migrate import migrate
from common.settings import DatabaseSettings, KafkaSettings
from common.transaction import Origin, PublishedEvent, Transaction
from contracts.envelope import Event, Header, encode_headers, kafka_headers
from contracts.intake import TicketClosed
from contracts.registry import encode_body
from contracts.routing import WorkDequeued
from contracts.topics import topic_name
from tests.support.databases import patient_settings
from tests.support.servers import Servers

ORIGIN = Origin(actor="service:test", correlation_id="c-1")
PARTITIONS = 3


def database_settings(url: str, *, patient: bool = False) -> DatabaseSettings:
    """Settings for a test's own database.

    Args:
        patient: a lock is waited for longer than a test may stand still while it holds one.
    """
    return patient_settings(url, pool_size=20) if patient else DatabaseSettings(url=SecretStr(url), pool_size=20)


def open_database(url: str, *, service: str = "routing", clock: Clock | None = None, patient: bool = False) -> Database:
    """The database of a made-up installation's service."""
    return Database.from_settings(
        database_settings(url, patient=patient),
        clock=clock or SystemClock(),
        source=f"/frontline/test/{service}",
        application_name=f"test-{service}",
    )


@asynccontextmanager
async def migrated(
    url: str, *, service: str = "routing", clock: Clock | None = None, patient: bool = False
) -> AsyncGenerator[Database]:
    """The same, with the common tables in it."""
    await migrate(database_settings(url))
    database = open_database(url, service=service, clock=clock, patient=patient)
    try:
        yield database
    finally:
        await database.close()


def kafka_settings(servers: Servers, prefix: str, *, partitions: int = PARTITIONS) -> KafkaSettings:
    """Settings for a test's own topics."""
    return KafkaSettings(bootstrap=servers.kafka_bootstrap, topic_prefix=prefix, partitions=partitions)


async def create_topics(kafka: KafkaSettings, names: Sequence[str], *, partitions: int = PARTITIONS) -> None:
    """Make topics and wait until they can be used."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1) for name in names])
    finally:
        await admin.close()


def add_dequeued(tx: Transaction, ticket_id: UUID, count: int = 1) -> None:
    """Add harmless events about a ticket."""
    tx.add_events(f"ticket/{ticket_id}", [WorkDequeued(ticket_id=ticket_id, reason="closed")] * count)


async def publish(database: Database, ticket_ids: Sequence[UUID]) -> list[PublishedEvent]:
    """One transaction with one event about each of these tickets."""
    async with database.begin(ORIGIN) as tx:
        for ticket_id in ticket_ids:
            add_dequeued(tx, ticket_id)
    return tx.published


async def count(database: Database, what: str) -> int:
    """Rows of a table, or of whatever may stand behind FROM."""
    async with database.read() as connection:
        found: int = (await connection.execute(text(f"select count(*) from {what}"))).scalar_one()  # noqa: S608 - a test's own text
    return found


async def waits_for_lock(database: Database) -> bool:
    """Whether some statement of this database waits for a lock right now."""
    return await count(database, "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0


@asynccontextmanager
async def running(
    start: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
) -> AsyncGenerator[asyncio.Task[None]]:
    """A loop that runs beside the test and is stopped at its end; what it raises fails the test."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(start(stop))
        try:
            yield task
        finally:
            stop.set()


def no_beat() -> None:
    """For loops that want to tell that they live."""


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """A consuming service of a test: its database keeps a row for each effect, and it has one handler.

    `poison` holds subjects whose events raise.
    """

    database: Database
    kafka: KafkaSettings
    topic: str
    poison: set[str] = field(default_factory=set[str])

    async def apply(self, tx: Transaction, events: Sequence[Event]) -> None:
        """One effect and one outgoing event for each event."""
        for event in events:
            if event.subject in self.poison:
                raise ValueError(f"cannot stomach {event.subject}")
            body = WorkDequeued(ticket_id=UUID(event.subject_id), reason="closed")
            tx.add_events(event.subject, [body], origin=caused_by(event, service="routing"))
        await tx.connection.execute(
            text(
                "insert into effect (subject, seq, event_id)"
                " select * from unnest(cast(:s as text[]), cast(:n as bigint[]), cast(:i as uuid[]))"
            ),
            {"s": [e.subject for e in events], "n": [e.seq for e in events], "i": [e.id for e in events]},
        )

    @property
    def handlers(self) -> list[Handler]:
        """The one handler."""
        return [Handler(name="effects", types=frozenset({TicketClosed.event_type}), apply=self.apply)]

    def consume(self, stop: asyncio.Event, *, bootstrap: bool = False) -> Coroutine[Any, Any, None]:
        """The consumer's loop."""
        return run_consumer(
            database=self.database,
            kafka=self.kafka,
            service="routing",
            sources=["intake"],
            handlers=self.handlers,
            beat=no_beat,
            stop=stop,
            bootstrap=bootstrap,
        )

    async def effects(self) -> dict[str, list[int]]:
        """Numbers of the applied events in the order in which they were applied, by subject."""
        async with self.database.read() as connection:
            rows = await connection.execute(text("select subject, seq from effect order by position"))
        found: dict[str, list[int]] = {}
        for subject, seq in rows:
            found.setdefault(subject, []).append(seq)
        return found

    async def parked(self) -> dict[str, str]:
        """Reason by parked subject."""
        async with self.database.read() as connection:
            rows = await connection.execute(text("select subject, reason from parked_subject"))
        return {row.subject: row.reason for row in rows}


async def make_effects(database: Database) -> None:
    """The table that `Inbox.apply` writes."""
    async with database.begin(ORIGIN) as tx:
        await tx.connection.execute(
            text(
                "create table effect"
                " (position bigint generated always as identity, subject text, seq bigint, event_id uuid)"
            )
        )


@asynccontextmanager
async def inbox(
    servers: Servers, url: str, prefix: str, *, clock: Clock | None = None, patient: bool = False
) -> AsyncGenerator[Inbox]:
    """A fresh consuming service and the topic that it reads."""
    kafka = kafka_settings(servers, prefix)
    topic = topic_name("intake", prefix)
    await create_topics(kafka, [topic])
    async with migrated(url, clock=clock, patient=patient) as database:
        await make_effects(database)
        yield Inbox(database=database, kafka=kafka, topic=topic)


def event_of(ticket_id: UUID, seq: int, **changes: Any) -> Event:
    """An event as intake would publish it."""
    event = Event(
        id=new_id(),
        source="/frontline/test/intake",
        type=TicketClosed.event_type,
        subject=f"ticket/{ticket_id}",
        seq=seq,
        time=datetime.now(UTC),
        data=encode_body(TicketClosed(ticket_id=ticket_id, closure="auto")),
    )
    return replace(event, **changes)


async def write_records(inbox: Inbox, events: Sequence[Event]) -> None:
    """Write events to the topic in this order, as some producer would."""
    await write_raw(inbox, [(event.subject_id.encode(), headers_of(event), event.data) for event in events])


def headers_of(event: Event) -> list[Header]:
    """The headers of an event's record."""
    packed = encode_headers(
        event_id=event.id,
        source=event.source,
        event_type=event.type,
        subject=event.subject,
        time=event.time,
        traceparent=event.traceparent,
    )
    return kafka_headers(packed, event.seq)


async def write_raw(inbox: Inbox, records: Sequence[tuple[bytes | None, Sequence[Header], bytes | None]]) -> None:
    """Write (key, headers, value) to the topic, whatever they hold."""
    producer = AIOKafkaProducer(bootstrap_servers=inbox.kafka.bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        sent = [await producer.send(inbox.topic, value, key=key, headers=headers) for key, headers, value in records]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
