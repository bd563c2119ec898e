"""Records that no relay of ours would write: repeats, a fork, broken and oversize ones, each about its own ticket."""

import msgspec
from aiokafka import AIOKafkaProducer

from common.backbone.partitioner import partition_of
from common.ids import new_id
from contracts.envelope import Header, kafka_headers
from tests.faults.bystander import LISTENERS, Bystander, open_bystander, read_events
from tests.faults.faults import Fault, Made, Poisoned
from tests.faults.world import World
from tests.support.stack import PARTITIONS

_OVERSIZE_BYTES = 900_000
"""Nearly what the broker takes, far more than an event may have."""
Forgery = tuple[list[Header], bytes]


async def forge(world: World) -> Made:
    """One ticket for each kind, and one record that says nothing at all."""
    poison: list[Poisoned] = []
    producer = AIOKafkaProducer(bootstrap_servers=world.stack.servers.kafka_bootstrap)
    await producer.start()
    try:
        for name, (reason, kind) in KINDS.items():
            ticket = await open_bystander(world, name)
            async with world.connected("intake") as connection:
                rows = await read_events(connection, ticket.subject)
            told = [(kafka_headers(row["headers"], row["seq"]), row["payload"]) for row in rows]
            for headers, value in kind(told, ticket):
                await _write(world, producer, ticket.ticket_id, headers, value)
            if reason:
                stops_at = ticket.last_seq + 1
                poison += [(consumer, "intake", ticket.subject, reason, stops_at) for consumer in LISTENERS]
        await _write(world, producer, str(new_id()), [("nothing", b"\xff")], b"\x00\xff")
    finally:
        await producer.stop()
    return Made(detail=", ".join([*KINDS, "nonsense"]), poison=poison, poison_records=len(LISTENERS))


async def _write(world: World, producer: AIOKafkaProducer, key: str, headers: list[Header], value: bytes) -> None:
    topic = world.stack.topics["intake"]
    partition = partition_of(key, PARTITIONS)
    done = await producer.send_and_wait(topic, value, key=key.encode(), partition=partition, headers=headers)
    world.forged.add((topic, partition, done.offset))


def _repeats(told: list[Forgery], _ticket: Bystander) -> list[Forgery]:
    """All that was told, once more."""
    return told


def _fork(told: list[Forgery], _ticket: Bystander) -> list[Forgery]:
    """The last number again, with another event."""
    headers, value = told[-1]
    return [(_changed(headers, ce_id=str(new_id())), value)]


def _corrupt(told: list[Forgery], ticket: Bystander) -> list[Forgery]:
    """The next number, with a time that is none."""
    headers, value = told[-1]
    return [(_next(headers, ticket, ce_time="yesterday"), value)]


def _invalid(told: list[Forgery], ticket: Bystander) -> list[Forgery]:
    """The next number, and a body that its schema refuses."""
    return [(_next(told[0][0], ticket), msgspec.json.encode({"ticket_id": 5}))]


def _oversize(told: list[Forgery], ticket: Bystander) -> list[Forgery]:
    """The next number, and a body as large as the broker takes."""
    return [(_next(told[0][0], ticket), msgspec.json.encode({"text": "x" * _OVERSIZE_BYTES}))]


def _next(headers: list[Header], ticket: Bystander, **changes: str) -> list[Header]:
    return _changed(headers, ce_id=str(new_id()), ce_subjectseq=str(ticket.last_seq + 1), **changes)


def _changed(headers: list[Header], **changes: str) -> list[Header]:
    return [(name, changes[name].encode() if name in changes else value) for name, value in headers]


KINDS = {
    "repeats": ("", _repeats),
    "fork": ("fork", _fork),
    "corrupt": ("undecodable", _corrupt),
    "invalid": ("failed", _invalid),
    "oversize": ("failed", _oversize),
}
"""By name: why consumers park the ticket, empty where they do not, and what is written."""

FAULTS = (
    Fault(
        name="forged_records",
        sentence="repeats, a fork, corrupt, schema-invalid and oversize records, and one without headers",
        make=forge,
        lasts_s=3.0,
        mixes=False,
    ),
)
