"""S7: the consumer with fence, cursors and parking, beside a consumer written by hand that has none of them.

Both read the same topic to its end and do the same work for each event: one row of a projection and one outgoing event
in the outbox. The one by hand runs one transaction a poll with a dedupe insert, the projection, the outbox rows and its
offsets, all set-based, on the bare driver. Ours runs the handler through everything that stands in events.md.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from sqlalchemy import text

from benchmarks.report import Row, record
from benchmarks.support.events import PARTITIONS, fresh_database, fresh_topic, make_rows
from common.backbone.consume import run_consumer
from common.backbone.consumer import Handler, caused_by
from common.backbone.protocols import OutboxRow
from common.database import Database
from common.ids import new_id
from common.lifecycle import freeze_memory, spawn
from common.settings import KafkaSettings
from common.transaction import Origin, Transaction
from contracts.envelope import Event, decode_event, encode_headers, kafka_headers
from contracts.intake import TicketCreated
from contracts.registry import decode_body, encode_body
from contracts.routing import WorkDequeued
from contracts.topics import TOPICS
from tests.support.eventually import eventually
from tests.support.servers import Servers, servers_for_tests

_RUNS = 3
_POLL = 1_000
_TOPIC = TOPICS["intake"].name
_SOURCE = "/frontline/bench/routing"
_TABLES = """
    create table view (ticket_id uuid primary key, seq bigint not null, priority text not null, tier int not null);
    create table processed (event_id uuid primary key);
    create table read_offset (topic text, partition int, next_offset bigint not null, primary key (topic, partition));
    create table out_row (id bigint generated always as identity primary key, event_id uuid, key text, type text,
      headers bytea, payload bytea, occurred_at timestamptz)
"""
_PROJECT = """
    insert into view
    select * from unnest(cast({} as uuid[]), cast({} as bigint[]), cast({} as text[]), cast({} as int[]))
    on conflict (ticket_id) do update set seq = excluded.seq, priority = excluded.priority, tier = excluded.tier
    where view.seq < excluded.seq
"""
_PROJECT_OURS = text(_PROJECT.format(":a", ":b", ":c", ":d"))
_PROJECT_BY_HAND = _PROJECT.format("$1", "$2", "$3", "$4")
_OUT_HAND = """
    insert into out_row (event_id, key, type, headers, payload, occurred_at)
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::timestamptz[])
"""
_OFFSETS_HAND = """
    insert into read_offset select $1, * from unnest($2::int[], $3::bigint[])
    on conflict (topic, partition) do update set next_offset = excluded.next_offset
"""


def project(events: Sequence[Event]) -> tuple[list[UUID], list[int], list[str], list[int]]:
    """The columns of the projection: the last event of each ticket wins."""
    last: dict[UUID, tuple[int, str, int]] = {}
    for event in events:
        body = decode_body(event)
        assert isinstance(body, TicketCreated)
        last[body.ticket_id] = (event.seq, body.priority, body.tier_required)
    tickets = sorted(last)
    seqs, priorities, tiers = zip(*(last[ticket] for ticket in tickets), strict=True)
    return tickets, list(seqs), list(priorities), list(tiers)


async def apply(tx: Transaction, events: Sequence[Event]) -> None:
    """Our handler."""
    await tx.connection.execute(_PROJECT_OURS, dict(zip("abcd", project(events), strict=True)))
    for event in events:
        body = WorkDequeued(ticket_id=UUID(event.subject_id), reason="closed")
        tx.add_events(event.subject, [body], origin=caused_by(event, service="routing"))


async def measure_ours(servers: Servers, prefix: str, count: int) -> float:
    """Events a second from the claim to the last commit."""
    kafka = KafkaSettings(bootstrap=servers.kafka_bootstrap, topic_prefix=prefix, partitions=PARTITIONS)
    stop = asyncio.Event()
    handlers = [Handler(name="bench", types=frozenset({TicketCreated.event_type}), apply=apply)]
    async with fresh_database(servers) as database, asyncio.TaskGroup() as group:
        await _create_tables(database)
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
        done = "select sum(next_offset) = :count from consumer_offset"
        await eventually(lambda: _is_true(database, done, count), within=300)
        seconds = time.perf_counter() - begin
        stop.set()
        assert await _is_true(database, "select count(*) = :count from outbox", count)
    return count / seconds


async def measure_by_hand(servers: Servers, prefix: str, count: int) -> float:
    """Events a second from the first poll to the last commit."""
    consumer = AIOKafkaConsumer(
        prefix + _TOPIC,
        bootstrap_servers=servers.kafka_bootstrap,
        group_id=f"{prefix}hand{new_id()}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=2 * 1024 * 1024,
    )
    async with fresh_database(servers) as database:
        await _create_tables(database)
        connection = await database.connect_raw()
        await consumer.start()
        try:
            begin, done = time.perf_counter(), 0
            while done < count:
                polled = await consumer.getmany(timeout_ms=500, max_records=_POLL)
                records = [each for part in polled.values() for each in part]
                if records:
                    offsets = {place.partition: part[-1].offset + 1 for place, part in polled.items()}
                    await _apply_by_hand(connection, prefix + _TOPIC, records, offsets)
                    done += len(records)
            seconds = time.perf_counter() - begin
            assert await connection.fetchval("select count(*) from out_row") == count
        finally:
            await consumer.stop()
            await connection.close()
    return count / seconds


async def _apply_by_hand(
    connection: asyncpg.Connection, topic: str, records: Sequence[ConsumerRecord], offsets: dict[int, int]
) -> None:
    events = {event.id: event for event in (decode_event(each.headers, each.value) for each in records)}
    async with connection.transaction():
        dedupe = "insert into processed select unnest($1::uuid[]) on conflict do nothing returning event_id"
        fresh = [events[row[0]] for row in await connection.fetch(dedupe, list(events))]
        await connection.execute(_PROJECT_BY_HAND, *project(fresh))
        ids = [new_id() for _ in fresh]
        bodies = [WorkDequeued(ticket_id=UUID(event.subject_id), reason="closed") for event in fresh]
        await connection.execute(
            _OUT_HAND,
            ids,
            [event.subject_id for event in fresh],
            [body.event_type for body in bodies],
            [
                encode_headers(
                    event_id=id_,
                    source=_SOURCE,
                    event_type=body.event_type,
                    subject=event.subject,
                    time=event.time,
                    correlation_id=event.correlation_id,
                    causation_id=str(event.id),
                    actor="service:routing",
                )
                for id_, body, event in zip(ids, bodies, fresh, strict=True)
            ],
            [encode_body(body) for body in bodies],
            [event.time for event in fresh],
        )
        await connection.execute(_OFFSETS_HAND, topic, list(offsets), list(offsets.values()))


async def _create_tables(database: Database) -> None:
    async with database.begin(Origin(actor="service:bench")) as tx:
        for statement in _TABLES.split(";"):
            await tx.connection.execute(text(statement))


async def _is_true(database: Database, question: str, count: int = 0) -> bool:
    async with database.read() as connection:
        return bool(await connection.scalar(text(question), {"count": count}))


async def fill_topic(servers: Servers, topic: str, rows: Sequence[OutboxRow]) -> None:
    """Write all rows to the topic."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers.kafka_bootstrap,
        enable_idempotence=True,
        compression_type="zstd",
        max_batch_size=512 * 1024,
        linger_ms=5,
    )
    await producer.start()
    try:
        for start in range(0, len(rows), 5_000):
            sent = [
                await producer.send(
                    topic, row.payload, key=row.key.encode(), headers=kafka_headers(row.headers, row.seq)
                )
                for row in rows[start : start + 5_000]
            ]
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def main(count: int) -> None:
    """Measure in turn, so that each run has its baseline beside it."""
    rows = make_rows(count)
    freeze_memory()
    ours: list[float] = []
    by_hand: list[float] = []
    with servers_for_tests() as servers:
        async with fresh_topic(servers, _TOPIC) as prefix:
            await fill_topic(servers, prefix + _TOPIC, rows)
            for _ in range(_RUNS):
                by_hand.append(await measure_by_hand(servers, prefix, count))
                ours.append(await measure_ours(servers, prefix, count))
    record(
        Row(
            id="S7",
            what=f"consumer applies {count:,} events with projection and outgoing event",
            unit="events/s",
            runs=ours,
            baseline="batch consumer by hand, without fence, cursors, parking",
            baseline_runs=by_hand,
            at_least=0.8,
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="100,000 events instead of 30,000")
    uvloop.run(main(100_000 if parser.parse_args().full else 30_000))
