"""What the installation says when it is quiet, written into the history: topics, effects, tables, what APIs show."""

import hashlib
import re
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from contracts.envelope import UndecodableRecord, decode_event
from devstack.demo.people import Person
from tests.faults.history import digest_events
from tests.faults.quiet import find_ends, find_lag
from tests.faults.world import World
from tests.support.stack import PARTITIONS

_SHOWN = ("status", "owner_id", "priority", "routing_state", "queue_id", "tier_required", "escalation_level")
_BELOW_FLOOR = b"rows below the floor"
_PARKED = re.compile(rb'"parked (\S+) (\S+): (\w+) \(')
_POLL_MS = 500
Values = dict[str, dict[str, Any]]
"""What a service shows, by subject."""


async def record_everything(world: World) -> None:
    """Write all that the checker compares."""
    consumer = AIOKafkaConsumer(bootstrap_servers=world.stack.servers.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        for service, topic in world.stack.topics.items():
            await _record_topic(world, consumer, service, topic)
        ends = await find_ends(world, consumer)
        for service in world.stack.database_urls:
            async with world.connected(service) as connection:
                await _record_effects(world, connection, service)
                lag = await find_lag(connection, ends)
                await _record_tables(world, connection, service, lag)
        await record_offsets(world)
    finally:
        await consumer.stop()
    await _record_states(world)


async def _record_topic(world: World, consumer: AIOKafkaConsumer, service: str, topic: str) -> None:
    """Every record, partition by partition, in the order of offsets."""
    for number in range(PARTITIONS):
        async for record in _read_partition(consumer, TopicPartition(topic, number)):
            if isinstance(record, int):
                _record_unreadable(world, service, topic, number, record)
            else:
                _record_one(world, service, record)


async def _read_partition(
    consumer: AIOKafkaConsumer, place: TopicPartition
) -> AsyncGenerator[ConsumerRecord[bytes, bytes] | int]:
    """Every record; of one that aiokafka cannot read, because a header's name is not UTF-8, the offset alone."""
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    offset = await consumer.position(place)
    end = (await consumer.end_offsets([place]))[place]
    singly = False
    while offset < end:
        try:
            polled = await consumer.getmany(place, timeout_ms=_POLL_MS, max_records=1 if singly else None)
        except UnicodeDecodeError:
            if singly:
                yield offset
                offset += 1
            # What this poll had already taken is lost unless it is taken again, one by one up to the bad one.
            singly = not singly
            consumer.seek(place, offset)
            continue
        for record in polled.get(place, ()):
            yield record
            offset = record.offset + 1


def _record_unreadable(world: World, service: str, topic: str, partition: int, offset: int) -> None:
    world.journal.write(
        "published",
        source=service,
        partition=partition,
        offset=offset,
        subject="",
        seq=0,
        event_id="",
        type="",
        digest="",
        written_at=0.0,
        data={},
        forged=(topic, partition, offset) in world.forged,
    )


def _record_one(world: World, service: str, record: ConsumerRecord[bytes, bytes]) -> None:
    subject, seq, event_id, event_type, data = "", 0, "", "", {}
    try:
        event = decode_event(record.headers, record.value)
        subject, seq, event_id, event_type = event.subject, event.seq, str(event.id), event.type
        data = msgspec.json.decode(event.data)
    except (UndecodableRecord, msgspec.DecodeError):
        data = {}
    forged = (record.topic, record.partition, record.offset) in world.forged
    world.journal.write(
        "published",
        source=service,
        partition=record.partition,
        offset=record.offset,
        subject=subject,
        seq=seq,
        event_id=event_id,
        type=event_type,
        digest=_digest(record.headers, record.value or b""),
        written_at=record.timestamp / 1000,
        data={} if forged else data,
        forged=forged,
    )


def _digest(headers: Sequence[tuple[str, bytes]], value: bytes) -> str:
    """Of all that a repeat must have in common with the first."""
    digest = hashlib.sha256(value)
    for name, text in headers:
        if name != "traceparent":
            digest.update(f"\0{name}\0".encode() + (text or b""))
    return digest.hexdigest()


async def _record_effects(world: World, connection: asyncpg.Connection, service: str) -> None:
    rows = await connection.fetch(
        "select row, source, subject, seq, event_id::text, extract(epoch from applied_at)::float8 as applied_at"
        " from effect_log order by row"
    )
    for row in rows:
        world.journal.write("effect", consumer=service, **dict(row))


async def _record_tables(world: World, connection: asyncpg.Connection, service: str, lag: int) -> None:
    parked = [list(row) for row in await connection.fetch("select source, subject, reason from parked_subject")]
    reasons = [reason for _, _, reason in parked]
    more: dict[str, Any] = {}
    if service == "intake":
        more["known_keys"] = await _known_keys(connection)
    world.journal.write(
        "tables",
        service=service,
        outbox=await connection.fetchval("select count(*) from outbox"),
        lag=lag,
        below_floor=_count_below_floor(world, service),
        forks=reasons.count("fork"),
        gaps=reasons.count("gap"),
        parked=parked,
        parkings=find_parkings(world.stack.folder, service),
        poison_records=await connection.fetchval("select count(*) from poison_record"),
        **more,
    )


async def _known_keys(connection: asyncpg.Connection) -> dict[str, str]:
    """The ticket that each key opened, by the answer that is kept with the key."""
    rows = await connection.fetch("select key, body from idempotency_key where status = 201 and body is not null")
    opened: dict[str, str] = {}
    for row in rows:
        body = msgspec.json.decode(row["body"])
        if "requester" in body or "status" in body:
            opened[row["key"]] = f"ticket/{body['id']}"
    return opened


def _count_below_floor(world: World, service: str) -> int:
    """How often a relay found rows below its floor; it says so in its log alone."""
    logs = world.stack.folder.glob(f"{service}-worker*.log")
    return sum(log.read_bytes().count(_BELOW_FLOOR) for log in logs)


def find_parkings(folder: Path, service: str) -> list[list[str]]:
    """Every [source, subject, reason] that was ever parked: what a redrive brought back stands in the logs alone."""
    logs = folder.glob(f"{service}-worker*.log")
    found = {parking for log in logs for parking in _PARKED.findall(log.read_bytes())}
    return [[part.decode() for part in parking] for parking in sorted(found)]


async def record_offsets(world: World) -> None:
    """How far each service has read each partition by now."""
    for service in world.stack.database_urls:
        async with world.connected(service) as connection:
            rows = await connection.fetch("select topic, partition, next_offset from consumer_offset")
        offsets = {f"{row['topic']}/{row['partition']}": row["next_offset"] for row in rows}
        world.journal.write("offsets", service=service, at=time.time(), offsets=offsets)


async def _record_states(world: World) -> None:
    """What is shown of each subject, and the last number that the service's own archive holds of it."""
    shown = {"intake": await _find_tickets(world), "routing": await _find_owners(world)}
    for service in world.stack.database_urls:
        async with world.connected(service) as connection:
            rows = await connection.fetch("select subject, seq, event_id::text from event order by subject, seq")
        archived: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for subject, seq, event_id in rows:
            archived[subject].append((seq, event_id))
        values = shown.get(service, {})
        for subject in sorted({*archived, *values}):
            events = archived.get(subject, [])
            world.journal.write(
                "state",
                service=service,
                subject=subject,
                values=values.get(subject, {}),
                seq=max((seq for seq, _ in events), default=0),
                digest=digest_events(events),
            )


async def _find_tickets(world: World) -> Values:
    """What intake's API shows of every ticket."""
    reader = Person(house=world.house)
    return {
        f"ticket/{ticket['id']}": {
            "state": ticket["status"],
            **{name: ticket[name] for name in _SHOWN if name in ticket},
        }
        for ticket in await reader.list_all("intake", "/v1/tickets", {"limit": 200})
    }


async def _find_owners(world: World) -> Values:
    """Who owns each ticket that was ever assigned, by routing's tables."""
    async with world.connected("routing") as connection:
        rows = await connection.fetch("select ticket_id::text, agent_id::text from assignment where ended_at is null")
        known = await connection.fetch("select distinct ticket_id::text from assignment")
    owners = {row["ticket_id"]: row["agent_id"] for row in rows}
    return {f"ticket/{ticket_id}": {"agent_id": owners.get(ticket_id)} for (ticket_id,) in known}
