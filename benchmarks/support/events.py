"""Many realistic events, their topic and their database, for the benchmarks of the event backbone."""

import logging
import random
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr

from common.backbone.protocols import OutboxRow
from common.clock import SystemClock
from common.database import Database
from common.ids import new_id
from common.migrate import migrate
from common.outbox import shard_of
from common.settings import DatabaseSettings
from contracts.envelope import encode_headers
from contracts.intake import TicketCreated
from contracts.registry import encode_body
from contracts.words import SkillNeed, Source
from tests.support.servers import Servers

PARTITIONS = 24
SUBJECTS = 5_000


def make_rows(count: int) -> list[OutboxRow]:
    """Events of about 700 bytes and 900 with their headers, over 5,000 tickets, in the order of their ids."""
    choice = random.Random(7)
    tickets = [new_id() for _ in range(SUBJECTS)]
    seqs: dict[uuid.UUID, int] = {}
    rows: list[OutboxRow] = []
    for number in range(1, count + 1):
        ticket = choice.choice(tickets)
        seqs[ticket] = seqs.get(ticket, 0) + 1
        subject = f"ticket/{ticket}"
        headers = encode_headers(
            event_id=new_id(),
            source="/frontline/bench/intake",
            event_type=TicketCreated.event_type,
            subject=subject,
            time=datetime.now(UTC),
            correlation_id=str(new_id()),
            actor="client:bench",
        )
        body = TicketCreated(
            ticket_id=ticket,
            number=number,
            source=Source(channel="api", system="crm", external_ref=f"case-{number}"),
            requester_id=new_id(),
            impact=choice.randint(1, 3),
            urgency=choice.randint(1, 3),
            priority=choice.choice(["low", "normal", "high"]),
            organisation_id=new_id(),
            category="hardware",
            component="printer",
            product="frontdesk",
            language="en",
            tags=("login", "sso", "urgent"),
            skills_hint=(SkillNeed(skill="printers", level=3), SkillNeed(skill="windows", level=2)),
            tier_required=2,
        )
        rows.append(OutboxRow(shard_of(subject), number, seqs[ticket], str(ticket), headers, encode_body(body)))
    return rows


@asynccontextmanager
async def pending_rows(database: Database, rows: Sequence[OutboxRow]) -> AsyncGenerator[asyncpg.Connection]:
    """Write all rows in one transaction that commits when the block ends: so all become visible at one moment."""
    connection = await database.connect_raw()
    try:
        now = datetime.now(UTC)
        columns = ["event_id", "subject", "seq", "key", "type", "headers", "payload", "occurred_at"]
        records = [
            (new_id(), f"ticket/{row.key}", row.seq, row.key, TicketCreated.event_type, row.headers, row.payload, now)
            for row in rows
        ]
        shards = {f"ticket/{row.key}": row.shard for row in rows}
        async with connection.transaction():
            await connection.execute("set local statement_timeout = 0")  # a million rows take what they take
            await connection.copy_records_to_table("event", records=records, columns=columns)
            await connection.execute(
                "insert into outbox select s.shard, e.id from event e"
                " join unnest($1::text[], $2::int[]) as s (subject, shard) on s.subject = e.subject",
                list(shards),
                list(shards.values()),
            )
            yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def fresh_database(servers: Servers) -> AsyncGenerator[Database]:
    """A database with the common tables, dropped in the end."""
    name = f"bench_{uuid.uuid4().hex[:10]}"
    admin = await asyncpg.connect(servers.postgres_url)
    await admin.execute(f"create database {name}")
    url = SecretStr(servers.postgres_url.rpartition("/")[0] + "/" + name)
    settings = DatabaseSettings(url=url)
    await migrate(settings)
    database = Database.from_settings(
        settings, clock=SystemClock(), source="/frontline/bench/intake", application_name="bench"
    )
    try:
        yield database
    finally:
        await database.close()
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


@asynccontextmanager
async def fresh_topic(servers: Servers, name: str, *, options: Mapping[str, str] | None = None) -> AsyncGenerator[str]:
    """A topic under a prefix of its own, deleted in the end; yields the prefix."""
    prefix = f"b{uuid.uuid4().hex[:10]}."
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(prefix + name, PARTITIONS, 1, topic_configs=dict(options or {}))])
    try:
        await _wait_for_leaders(servers, prefix + name)
        yield prefix
    finally:
        await admin.delete_topics([prefix + name])
        await admin.close()


async def _wait_for_leaders(servers: Servers, topic: str) -> None:
    """Until every partition answers: else whoever writes first to a new topic pays for it."""
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it reports each attempt that came too early
    consumer = AIOKafkaConsumer(bootstrap_servers=servers.kafka_bootstrap)
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.end_offsets(places)
    finally:
        await consumer.stop()
