"""A consumer as one writes it by hand: one transaction a poll, all of it set-based, on the bare driver.

It drops repeats by the ids of events and keeps its offsets beside its effects; it has no fence, no cursors, no parking.
"""

import time
from collections.abc import Sequence

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from benchmarks.consumer.work import PROJECT, TOPIC, answer_to, check_effects, create_tables, project
from benchmarks.support.events import fresh_database
from common.ids import new_id
from contracts.envelope import decode_event
from tests.support.servers import Servers

_POLL = 2_000
"""As many as ours asks for in one poll."""
_DEDUPE = "insert into processed select unnest($1::uuid[]) on conflict do nothing returning event_id"
_OUT = """
    insert into out_row (event_id, key, type, headers, payload, occurred_at)
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::timestamptz[])
"""
_OFFSETS = """
    insert into read_offset select $1, * from unnest($2::int[], $3::bigint[])
    on conflict (topic, partition) do update set next_offset = excluded.next_offset
"""


async def measure_by_hand(servers: Servers, prefix: str, count: int) -> float:
    """Events a second from the first poll to the last commit."""
    consumer = AIOKafkaConsumer(
        prefix + TOPIC,
        bootstrap_servers=servers.kafka_bootstrap,
        group_id=f"{prefix}hand{new_id()}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=2 * 1024 * 1024,
    )
    async with fresh_database(servers) as database:
        await create_tables(database)
        connection = await database.connect_raw()
        await consumer.start()
        try:
            begin, done = time.perf_counter(), 0
            while done < count:
                polled = await consumer.getmany(timeout_ms=500, max_records=_POLL)
                records = [each for part in polled.values() for each in part]
                if records:
                    offsets = {place.partition: part[-1].offset + 1 for place, part in polled.items()}
                    await _apply(connection, prefix + TOPIC, records, offsets)
                    done += len(records)
            seconds = time.perf_counter() - begin
            await check_effects(connection, count)
        finally:
            await consumer.stop()
            await connection.close()
    return count / seconds


async def _apply(
    connection: asyncpg.Connection, topic: str, records: Sequence[ConsumerRecord], offsets: dict[int, int]
) -> None:
    events = {event.id: event for event in (decode_event(each.headers, each.value) for each in records)}
    async with connection.transaction():
        fresh = [events[row[0]] for row in await connection.fetch(_DEDUPE, list(events))]
        if fresh:
            await connection.execute(PROJECT, *project(fresh))
            await connection.execute(_OUT, *(list(column) for column in zip(*map(answer_to, fresh), strict=True)))
        await connection.execute(_OFFSETS, topic, list(offsets), list(offsets.values()))
