"""What all consumers do for each event: one row of a projection, and one outgoing event in an outbox."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaProducer
from sqlalchemy import text

from common.backbone.protocols import OutboxRow
from common.database import Database
from common.ids import new_id
from common.transaction import Origin
from contracts.envelope import Event, encode_headers, kafka_headers
from contracts.intake import TicketCreated
from contracts.registry import decode_body, encode_body
from contracts.routing import WorkDequeued
from contracts.topics import TOPICS
from tests.support.servers import Servers

TOPIC = TOPICS["intake"].name
SOURCE = "/frontline/bench/routing"
PROJECT = """
    insert into view
    select * from unnest(cast($1 as uuid[]), cast($2 as bigint[]), cast($3 as text[]), cast($4 as int[]))
    on conflict (ticket_id) do update set seq = excluded.seq, priority = excluded.priority, tier = excluded.tier
    where view.seq < excluded.seq
"""
_TABLES = """
    create table view (ticket_id uuid primary key, seq bigint not null, priority text not null, tier int not null);
    create table processed (event_id uuid primary key);
    create table read_offset (topic text, partition int, next_offset bigint not null, primary key (topic, partition));
    create table out_row (id bigint generated always as identity primary key, event_id uuid, key text, type text,
      headers bytea, payload bytea, occurred_at timestamptz)
"""
_WINDOW = 5_000


class OutRow(NamedTuple):
    """One row of the outbox that the consumers have that are not ours."""

    event_id: UUID
    key: str
    type: str
    headers: bytes
    payload: bytes
    occurred_at: datetime


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


def answer_to(event: Event) -> OutRow:
    """The event that an event causes, as a row."""
    id_, body = new_id(), WorkDequeued(ticket_id=UUID(event.subject_id), reason="closed")
    headers = encode_headers(
        event_id=id_,
        source=SOURCE,
        event_type=body.event_type,
        subject=event.subject,
        time=event.time,
        correlation_id=event.correlation_id,
        causation_id=str(event.id),
        actor="service:routing",
    )
    return OutRow(id_, event.subject_id, body.event_type, headers, encode_body(body), event.time)


async def create_tables(database: Database) -> None:
    """The projection, and what the consumers need that are not ours."""
    async with database.begin(Origin(actor="service:bench")) as tx:
        for statement in _TABLES.split(";"):
            await tx.connection.execute(text(statement))


async def check_effects(connection: asyncpg.Connection, count: int) -> None:
    """Each of so many events was applied once and answered once."""
    assert await connection.fetchval("select count(*) from processed") == count
    assert await connection.fetchval("select count(*) from out_row") == count


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
        for start in range(0, len(rows), _WINDOW):
            sent = [
                await producer.send(
                    topic, row.payload, key=row.key.encode(), headers=kafka_headers(row.headers, row.seq)
                )
                for row in rows[start : start + _WINDOW]
            ]
            await asyncio.gather(*sent)
    finally:
        await producer.stop()
