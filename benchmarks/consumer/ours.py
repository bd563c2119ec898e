"""The handler of a service, run through everything that stands between a topic and a service's tables."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from benchmarks.consumer.work import PROJECT, create_tables, project
from benchmarks.support.events import PARTITIONS, fresh_database
from common.backbone.consume import run_consumer
from common.backbone.consumer import Handler, caused_by
from common.database import Database
from common.lifecycle import spawn
from common.settings import KafkaSettings
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.intake import TicketCreated
from contracts.routing import WorkDequeued
from tests.support.eventually import eventually
from tests.support.servers import Servers


async def apply(tx: Transaction, events: Sequence[Event]) -> None:
    """What the handler does."""
    await tx.fetch(PROJECT, *project(events))
    for event in events:
        body = WorkDequeued(ticket_id=UUID(event.subject_id), reason="closed")
        tx.add_events(event.subject, [body], origin=caused_by(event, service="routing"))


async def measure_ours(servers: Servers, prefix: str, count: int) -> float:
    """Events a second from the claim to the last commit."""
    kafka = KafkaSettings(bootstrap=servers.kafka_bootstrap, topic_prefix=prefix, partitions=PARTITIONS)
    stop, all_seen = asyncio.Event(), asyncio.Event()
    seen = 0

    async def apply_and_count(tx: Transaction, events: Sequence[Event]) -> None:
        nonlocal seen
        await apply(tx, events)
        seen += len(events)
        if seen >= count:
            all_seen.set()

    handlers = [Handler(name="bench", types=frozenset({TicketCreated.event_type}), apply=apply_and_count)]
    async with fresh_database(servers) as database, asyncio.TaskGroup() as group:
        await create_tables(database)
        consumer = run_consumer(
            database=database,
            kafka=kafka,
            service="routing",
            sources=["intake"],
            handlers=handlers,
            beat=lambda: None,
            stop=stop,
        )
        spawn(group, consumer, name="consumer")
        await eventually(lambda: _is_true(database, "select count(*) > :count from consumer_offset"), within=30)
        begin = time.perf_counter()
        # Asking the database all the time would take from what is measured.
        await asyncio.wait_for(all_seen.wait(), 600)
        done = "select sum(next_offset) = :count from consumer_offset"
        await eventually(lambda: _is_true(database, done, count), within=60, pause_s=0.001)
        seconds = time.perf_counter() - begin
        stop.set()
        assert await _is_true(database, "select count(*) = :count from outbox", count)
    return count / seconds


async def _is_true(database: Database, question: str, count: int = 0) -> bool:
    async with database.read() as connection:
        return bool(await connection.scalar(text(question), {"count": count}))
