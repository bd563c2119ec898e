"""What the tests of the event backbone share: a database with the common tables, topics, and events to publish."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr
from sqlalchemy import text

from common.clock import Clock, SystemClock
from common.database import Database
from common.migrate import migrate
from common.settings import DatabaseSettings, KafkaSettings
from common.transaction import Origin, PublishedEvent, Transaction
from contracts.routing import WorkDequeued
from tests.support.servers import Servers

ORIGIN = Origin(actor="service:test", correlation_id="c-1")
PARTITIONS = 3


def database_settings(url: str) -> DatabaseSettings:
    """Settings for a test's own database."""
    return DatabaseSettings(url=SecretStr(url), pool_size=20)


def open_database(url: str, *, service: str = "routing", clock: Clock | None = None) -> Database:
    """The database of a made-up installation's service."""
    return Database.from_settings(
        database_settings(url),
        clock=clock or SystemClock(),
        source=f"/frontline/test/{service}",
        application_name=f"test-{service}",
    )


@asynccontextmanager
async def migrated(url: str, *, service: str = "routing", clock: Clock | None = None) -> AsyncGenerator[Database]:
    """The same, with the common tables in it."""
    await migrate(database_settings(url))
    database = open_database(url, service=service, clock=clock)
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
        found: int = (await connection.execute(text(f"select count(*) from {what}"))).scalar_one()  # noqa: S608
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
