"""`frontline ops export|resync|replay|rebuild|asked`: what takes longer than one answer."""

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from common.errors import InvalidInput, Refused, Unavailable
from devstack.cli.console import note, say_fields, say_json
from devstack.cli.operations import At, From, Only, Subject, client_of, parked_path, say_lists
from devstack.cli.place import Json, Service
from devstack.client import Client, JsonObject

Why = Annotated[str, typer.Option(help="Kept with who and when.")]
_LOOK_EVERY_S = 0.5
_POSTED_BYTES = 64 * 1024
"""Of events in one request, beside the largest single one; a request may hold 256 KiB."""
_POSTED_EVENTS = 100


def export(
    at: At,
    subject: Annotated[str, typer.Option(help="SOURCE:SUBJECT: only this one.")] = "",
    output: Annotated[Path | None, typer.Option(help="A file; without it standard output.")] = None,
) -> None:
    """Write all that is parked, and all poison, as JSON lines that lose nothing."""
    source, _, about = subject.partition(":")
    if subject and not about:
        raise InvalidInput(f"{subject} is no SOURCE:SUBJECT, for instance intake:ticket/0192...")
    lines = client_of(at).stream("/v1/admin/export", {"source": source, "subject": about} if subject else None)
    last = b""
    with output.open("wb") if output else sys.stdout.buffer as file:
        for last in lines:
            file.write(last)
    if not last.startswith(b'{"kind":"end"'):
        raise Unavailable(f"the export by {at} was cut off: ask again")


def resync(
    at: At,
    source: From,
    subject: Subject,
    reason: Why,
    offset: Annotated[int | None, typer.Option(min=0, help="Read the partition from here, not from its start.")] = None,
    topic: Annotated[bool, typer.Option(help="Look into the topic first.")] = True,
) -> None:
    """Find the missing events of a parked subject: in the topic, then in the archive of their producer."""
    client, path = client_of(at), parked_path(source, subject)
    missing = 1
    if topic:
        asked = client.send("POST", f"{path}/resync", {"reason": reason, "offset": offset})
        missing = _wait(client, asked)["missing"]
    if missing:
        missing = _fill(client, client_of(Service(source)), path, subject, reason)
    if missing:
        raise Refused(
            f"{missing} events of {subject} are neither in the topic nor in the archive of {source}; if they are lost,"
            f" go on without them: frontline ops redrive {at} {source} {subject} --over-gap --reason ..."
        )
    note(f"nothing is missing of {subject}; it is tried again by {at}")


def replay(
    at: At,
    source: From,
    reason: Why,
    partition: Annotated[int | None, typer.Option(min=0, help="Only this one; without it all.")] = None,
    offset: Annotated[int | None, typer.Option(min=0, help="Read it again from here.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Read again what was written since then, in UTC.")] = None,
) -> None:
    """Read a topic again from an offset or a time. What was applied is dropped as a repeat."""
    body: JsonObject = {"reason": reason, "partition": partition, "offset": offset}
    body["time"] = f"{since.isoformat()}Z" if since else None
    client = client_of(at)
    _wait(client, client.send("POST", f"/v1/admin/consumers/{source}/replay", body))


def rebuild(at: At, projection: Annotated[str, typer.Argument(help="For instance figures.")], reason: Why) -> None:
    """Make a projection anew from the topics; nothing is published, and nobody is written to."""
    client = client_of(at)
    _wait(client, client.send("POST", f"/v1/admin/projections/{projection}/rebuild", {"reason": reason}))


def asked(
    operation: Annotated[str, typer.Argument(help="The id of one; with --service.")] = "",
    service: Only = None,
    as_json: Json = False,
) -> None:
    """List what was asked of the workers and what came of it."""
    if operation:
        if service is None:
            raise InvalidInput("say by --service who was asked")
        found = client_of(service).get(f"/v1/admin/operations/{operation}")
        (say_json if as_json else say_fields)(found)
        return
    columns = ("id", "kind", "requested_at", "outcome", "actor", "reason")
    say_lists(
        service,
        lambda client: client.list_all("/v1/admin/operations"),
        columns,
        as_json=as_json,
        empty="nothing was asked yet",
    )


def _wait(client: Client, asked: JsonObject) -> JsonObject:
    """The result of an operation, once a worker has finished it; until then Ctrl-C only ends the waiting."""
    note(f"asked for: operation {asked['id']}")
    while not asked["outcome"]:
        time.sleep(_LOOK_EVERY_S)
        asked = client.get(f"/v1/admin/operations/{asked['id']}")
    result: JsonObject = asked["result"]
    if asked["outcome"] != "done":
        raise Refused(f"{asked['outcome']}: {result['detail']}")
    note(result["detail"])
    return result


def _fill(consumer: Client, producer: Client, path: str, subject: str, reason: str) -> int:
    """Carry missing events from the producer's archive to the consumer; returns how many are missing still."""
    runs = consumer.get(path)["missing"]
    missing = sum(run["last"] - run["first"] + 1 for run in runs)
    batch: list[JsonObject] = []
    size = 0
    for event in _list_archive(producer, subject):
        if not any(run["first"] <= event["subjectseq"] <= run["last"] for run in runs):
            continue
        position = event.pop("position")
        batch.append({"position": position, "event": event})
        size += len(str(event))
        if size > _POSTED_BYTES or len(batch) == _POSTED_EVENTS:
            missing = _post(consumer, path, batch, reason)
            batch, size = [], 0
    return _post(consumer, path, batch, reason) if batch else missing


def _post(consumer: Client, path: str, events: list[JsonObject], reason: str) -> int:
    filled = consumer.send("POST", f"{path}/missing", {"reason": reason, "events": events})
    note(f"{filled['added']} missing events came from the archive")
    missing: int = filled["missing"]
    return missing


def _list_archive(producer: Client, subject: str) -> "list[JsonObject]":
    events: list[JsonObject] = []
    after = 0
    while True:
        page = producer.get("/v1/events", {"subject": subject, "after": after, "limit": 500})
        events += page["events"]
        if page["next_after"] == after or len(page["events"]) < 500:
            return events
        after = page["next_after"]
