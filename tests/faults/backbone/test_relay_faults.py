"""Relays that are killed, robbed of their leases or of their connections lose nothing and overtake nothing."""

import asyncio
import random
import sys
from collections.abc import Coroutine
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import text

from common.backbone.relay import run_relay
from common.database import Database
from common.ids import new_id
from common.settings import KafkaSettings
from contracts.topics import topic_name
from tests.support.backbone import (
    ORIGIN,
    add_dequeued,
    count,
    create_topics,
    kafka_settings,
    migrated,
    no_beat,
    publish,
    running,
)
from tests.support.eventually import eventually
from tests.support.seeds import draw_seed
from tests.support.servers import Servers
from tests.support.topics import first_appearances, read_topic


async def end_leases(database: Database) -> None:
    """Let the leases of whoever holds them run out now: five seconds of a dead relay's time."""
    async with database.begin(ORIGIN) as tx:
        await tx.connection.execute(text("update outbox_lease set expires_at = 'epoch'"))


async def write(database: Database, tickets: list[UUID], enough: asyncio.Event, *, seed: int) -> None:
    """Transactions that meet on the same subjects, some of which commit late, until there are enough."""
    choice = random.Random(seed)
    while not enough.is_set():
        async with database.begin(ORIGIN) as tx:
            await tx.connection.execute(text("select pg_sleep(:s)"), {"s": choice.random() * 0.02})
            for ticket in choice.choices(tickets, k=choice.randint(1, 8)):
                add_dequeued(tx, ticket)


async def assert_complete_and_in_order(database: Database, servers: Servers, topic: str) -> None:
    appeared = first_appearances(await read_topic(servers.kafka_bootstrap, topic))
    assert sum(len(events) for events in appeared.values()) == await count(database, "event")


async def published(database: Database) -> int:
    """Events that have left the outbox."""
    return await count(database, "event where not exists (select 1 from outbox o where o.id = event.id)")


async def has_published(database: Database, goal: int) -> bool:
    return await published(database) >= goal


async def all_are_done(database: Database, writers: list[asyncio.Task[None]]) -> bool:
    return all(writer.done() for writer in writers) and await count(database, "outbox") == 0


async def test_a_relay_killed_again_and_again_loses_and_reorders_nothing(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    seed = draw_seed()
    choice = random.Random(seed)
    kafka = kafka_settings(servers, topic_prefix)
    topic = topic_name("routing", topic_prefix)
    await create_topics(kafka, [topic])
    tickets = [new_id() for _ in range(40)]
    async with migrated(empty_database) as database, asyncio.TaskGroup() as group:
        enough = asyncio.Event()
        writers = [group.create_task(write(database, tickets, enough, seed=seed + n)) for n in range(4)]
        for _ in range(4):
            goal = await published(database) + choice.randint(20, 400)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.support.relay_process", empty_database, kafka.bootstrap, topic_prefix
            )
            try:
                await eventually(partial(has_published, database, goal), within=30)
            finally:
                process.kill()
                await process.wait()
            await end_leases(database)
        enough.set()
        async with running(partial(relay, database, kafka)):
            await eventually(partial(all_are_done, database, writers), within=30)
        await assert_complete_and_in_order(database, servers, topic)


async def test_relays_that_rob_each_other_of_their_leases_keep_the_order(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    """Each believes that it owns the shards until it asks again: both send the same rows for a while."""
    kafka = kafka_settings(servers, topic_prefix)
    topic = topic_name("routing", topic_prefix)
    await create_topics(kafka, [topic])
    tickets = [new_id() for _ in range(30)]
    async with migrated(empty_database) as database, asyncio.TaskGroup() as group:
        async with running(partial(relay, database, kafka)), running(partial(relay, database, kafka)):
            enough = asyncio.Event()
            writers = [group.create_task(write(database, tickets, enough, seed=n)) for n in range(4)]
            for _ in range(3):
                await end_leases(database)
                await eventually(partial(leases_are_held, database))
            enough.set()
            await eventually(partial(all_are_done, database, writers), within=30)
        await assert_complete_and_in_order(database, servers, topic)


async def leases_are_held(database: Database) -> bool:
    return await count(database, "outbox_lease where expires_at > clock_timestamp()") == 8


async def test_a_relay_whose_connection_is_killed_goes_on_with_a_new_one(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    kafka = kafka_settings(servers, topic_prefix)
    topic = topic_name("routing", topic_prefix)
    await create_topics(kafka, [topic])
    async with migrated(empty_database) as database, running(partial(relay, database, kafka)):
        for _ in range(3):
            await publish(database, [new_id() for _ in range(300)])
            async with database.begin(ORIGIN) as tx:
                await tx.connection.execute(
                    text(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                        " where datname = current_database() and query like '%outbox%' and pid <> pg_backend_pid()"
                    )
                )
            await eventually(partial(is_empty, database), within=20)
            # It holds what it held: nobody had to wait for a lease to run out.
            assert await count(database, "outbox_lease where epoch <> 1") == 0
        await assert_complete_and_in_order(database, servers, topic)


async def is_empty(database: Database) -> bool:
    return await count(database, "outbox") == 0


def relay(database: Database, kafka: KafkaSettings, stop: asyncio.Event) -> Coroutine[Any, Any, None]:
    return run_relay(database=database, kafka=kafka, service="routing", beat=no_beat, stop=stop)
