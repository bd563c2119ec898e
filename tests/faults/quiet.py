"""When is the backlog gone, and when does nothing move any more? Said by tables and topics, past the services."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.faults.world import World, wait_for
from tests.support.stack import PARTITIONS

_ON_THE_WAY = ("outbox", "outgoing_call", "timer where due_at < now()")
Ends = Mapping[tuple[str, int], int]


async def wait_until_drained(world: World, *, within: float) -> float | None:
    """Until all that had been written by now is published and applied by everybody, while more comes.

    Returns:
        when it was, in seconds since 1970; None where it was not in time.
    """
    limit = time.monotonic() + within
    last_ids = {service: await _find_last_id(world, service) for service in world.stack.database_urls}

    async def published() -> bool:
        return all([await _has_published(world, service, last_id) for service, last_id in last_ids.items()])

    if not await wait_for(published, within=within):
        return None
    async with _ends_reader(world) as consumer:
        ends = await find_ends(world, consumer)
    found: list[float] = []

    async def applied() -> bool:
        at = time.time()
        for service in world.stack.database_urls:
            async with world.connected(service) as connection:
                if await find_lag(connection, ends) or await _has_parked(world, connection, service):
                    return False
        found.append(at)
        return True

    return found[0] if await wait_for(applied, within=limit - time.monotonic()) else None


async def wait_until_still(world: World, *, within: float) -> str:
    """Until every outbox is empty, no consumer lags, and no call to another service and no timer is due.

    Returns:
        what moves still when the time is over, in words; "" where nothing does.
    """
    noise: list[str] = [""]
    async with _ends_reader(world) as consumer:

        async def is_still() -> bool:
            noise[0] = await _find_noise(world, consumer)
            return not noise[0]

        await wait_for(is_still, within=within)
    return noise[0]


async def _has_parked(world: World, connection: asyncpg.Connection, service: str) -> bool:
    """Whether events wait behind a parking that nobody meant: they are read, and yet not applied."""
    rows = await connection.fetch("select source, subject from parked_subject")
    return any((service, row["source"], row["subject"]) not in world.poisoned for row in rows)


async def _find_last_id(world: World, service: str) -> int:
    async with world.connected(service) as connection:
        return await connection.fetchval("select coalesce(max(id), 0) from event")


async def _has_published(world: World, service: str, last_id: int) -> bool:
    async with world.connected(service) as connection:
        return not await connection.fetchval("select exists (select 1 from outbox where id <= $1)", last_id)


@asynccontextmanager
async def _ends_reader(world: World) -> AsyncGenerator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=world.stack.servers.kafka_bootstrap)
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _find_noise(world: World, consumer: AIOKafkaConsumer) -> str:
    for service in world.stack.database_urls:
        async with world.connected(service) as connection:
            for rows in _ON_THE_WAY:
                if count := await connection.fetchval(f"select count(*) from {rows}"):  # noqa: S608 - constants
                    return f"{service} has {count} of {rows}"
    # Behind the outboxes: what they held is in the topics now.
    ends = await find_ends(world, consumer)
    for service in world.stack.database_urls:
        async with world.connected(service) as connection:
            if lag := await find_lag(connection, ends):
                return f"{service} has {lag} records to read"
    return ""


async def find_lag(connection: asyncpg.Connection, ends: Ends) -> int:
    """How many records a service has yet to read."""
    rows = await connection.fetch("select topic, partition, next_offset from consumer_offset")
    return sum(max(0, ends[row["topic"], row["partition"]] - row["next_offset"]) for row in rows)


async def find_ends(world: World, consumer: AIOKafkaConsumer) -> Ends:
    """The offset behind the last record of every partition."""
    places = [TopicPartition(topic, number) for topic in world.stack.topics.values() for number in range(PARTITIONS)]
    ends = await consumer.end_offsets(places)
    return {(place.topic, place.partition): end for place, end in ends.items()}
