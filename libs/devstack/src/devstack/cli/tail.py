"""`frontline tail`: every event as it crosses Kafka, read without joining any group, so that nobody is disturbed."""
# aiokafka carries no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import json
from collections.abc import AsyncGenerator
from fnmatch import fnmatch
from itertools import chain
from operator import attrgetter
from typing import Annotated, cast

import msgspec
import typer
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from common.errors import Unavailable
from common.settings import KafkaSettings
from contracts.envelope import Event, UndecodableRecord, as_json, decode_event
from contracts.topics import TOPICS, topic_name
from devstack.cli.console import note, say
from devstack.cli.place import find_kafka
from devstack.cli.tickets import find_ticket_id

_START_S = 15.0


def tail(
    kind: Annotated[str, typer.Option("--type", help="Only such events, for instance 'ticket.*'.")] = "*",
    ticket: Annotated[str, typer.Option(help="Only those about this ticket: its id, number or reference.")] = "",
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Also what is there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="CloudEvents in JSON, one a line.")] = False,
) -> None:
    """Follow the topics, until Ctrl-C."""
    subject = f"ticket/{find_ticket_id(ticket)}" if ticket else ""
    asyncio.run(_follow(find_kafka(), kind, subject, from_beginning=from_beginning, as_json=as_json))


async def _follow(settings: KafkaSettings, kind: str, subject: str, *, from_beginning: bool, as_json: bool) -> None:
    async for event in _events(settings, from_beginning=from_beginning):
        if fnmatch(_short(event.type), kind) and subject in ("", event.subject):
            say(json.dumps(as_json_event(event)) if as_json else describe(event))


async def _events(settings: KafkaSettings, *, from_beginning: bool) -> AsyncGenerator[Event]:
    topics = [topic_name(service, settings.topic_prefix) for service in TOPICS]
    consumer = AIOKafkaConsumer(
        *topics,
        **settings.client_arguments(),  # pyright: ignore[reportArgumentType] - checked by the settings' own types
        group_id=None,  # alone, with all partitions
        enable_auto_commit=False,
        auto_offset_reset="earliest" if from_beginning else "latest",
    )
    try:
        async with asyncio.timeout(_START_S):
            await consumer.start()
        if not consumer.assignment():
            raise Unavailable(f"there is no topic {' or '.join(topics)} at {settings.bootstrap}")
        while True:
            polled = await consumer.getmany(timeout_ms=1000)
            # Each partition is in order by itself; told together, they read best in the order of their writing.
            for record in sorted(chain.from_iterable(polled.values()), key=attrgetter("timestamp")):
                try:
                    yield decode_event(record.headers, record.value)
                except UndecodableRecord as undecodable:
                    note(f"{record.topic} {record.partition}@{record.offset} is no event: {undecodable}")
    except (KafkaError, OSError, TimeoutError) as failed:
        raise Unavailable(f"Kafka at {settings.bootstrap} does not answer: {failed or 'no answer in time'}") from failed
    finally:
        await consumer.stop()


def as_json_event(event: Event) -> dict[str, object]:
    """The event as JSON; a body that is none is shown as text, because this command shows what is there."""
    try:
        return as_json(event)
    except msgspec.DecodeError:
        return as_json(msgspec.structs.replace(event, data=json.dumps(event.data.decode(errors="replace")).encode()))


def describe(event: Event) -> str:
    """One event in one line: when, who, what, about which subject, and the body's fields."""
    data = as_json_event(event)["data"]
    fields = cast("dict[str, object]", data) if isinstance(data, dict) else {"data": data}
    known = event.subject_id
    said = " ".join(f"{name}={_value(value)}" for name, value in fields.items() if value != known and not _empty(value))
    producer = event.source.rpartition("/")[2]
    return (
        f"{event.time:%H:%M:%S.%f}"[:-3]
        + f"  {producer:8} {_short(event.type):28} {event.subject} #{event.seq}  {said}"
    )


def _short(wire_type: str) -> str:
    return wire_type.removeprefix("support.").rpartition(".v")[0]


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _empty(value: object) -> bool:
    return value is None or value == "" or value == [] or value == {}
