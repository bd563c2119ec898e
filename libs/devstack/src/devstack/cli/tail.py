"""`frontline tail`: every event as it crosses Kafka.

What speaks to Kafka is imported where it is used: no other command shall wait for it to load.
"""

import asyncio
import json
from fnmatch import fnmatch
from typing import Annotated, cast

import msgspec
import typer

from contracts.envelope import Event, as_json
from devstack.cli.console import note, say
from devstack.cli.place import find_kafka
from devstack.cli.tickets import find_ticket_id


def tail(
    kind: Annotated[str, typer.Option("--type", help="Only such events, for instance 'ticket.*'.")] = "*",
    ticket: Annotated[str, typer.Option(help="Only those about this ticket: its id, number or reference.")] = "",
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Also what is there already.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="CloudEvents in JSON, one a line.")] = False,
) -> None:
    """Follow the topics, until Ctrl-C."""
    subject = f"ticket/{find_ticket_id(ticket)}" if ticket else ""
    asyncio.run(_follow(kind, subject, from_beginning=from_beginning, as_json=as_json))


async def _follow(kind: str, subject: str, *, from_beginning: bool, as_json: bool) -> None:
    from devstack.following import follow_events

    async for event in follow_events(find_kafka(), from_beginning=from_beginning, tell_undecodable=note):
        if fnmatch(_short(event.type), kind) and subject in ("", event.subject):
            say(json.dumps(as_json_event(event)) if as_json else describe(event))


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
