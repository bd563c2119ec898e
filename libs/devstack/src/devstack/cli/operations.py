"""`frontline ops`: looking after the event backbone of each service. What takes longer is in `repairs`."""

from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from common.errors import InvalidInput
from devstack.cli.console import note, say_fields, say_json, say_table
from devstack.cli.place import Json, Service, find_installation
from devstack.client import Client, JsonObject

operations = typer.Typer(no_args_is_help=True, help="Events that wait or were parked, by service.")
At = Annotated[Service, typer.Argument(help="The service that consumes, where the events are parked.")]
From = Annotated[str, typer.Argument(help="The service that produced them.")]
Subject = Annotated[str, typer.Argument(help="What they are about, for instance ticket/0192...")]
Only = Annotated[Service | None, typer.Option("--service", help="Only this one.")]


@operations.command()
def parked(
    subject: Annotated[str, typer.Option(help="SOURCE:SUBJECT: show this one with the records behind it.")] = "",
    service: Only = None,
    as_json: Json = False,
) -> None:
    """List subjects whose events wait because one of them could not be applied."""
    if subject:
        _say_parked(service, subject, as_json=as_json)
        return
    columns = ("source", "subject", "reason", "events", "attempts", "next_attempt_at", "parked_at", "error")
    say_lists(
        service,
        lambda client: client.list_all("/v1/admin/parked"),
        columns,
        as_json=as_json,
        empty="no parked subjects",
    )


@operations.command()
def outbox(service: Only = None, as_json: Json = False) -> None:
    """Show what waits to be published, and who publishes it."""
    found = {name: client.get("/v1/admin/outbox") for name, client in clients_of(service)}
    if as_json:
        say_json(found)
        return
    rows = [
        (name, out["waiting"], f"{out['oldest_age_s']:.1f} s", _count(out["shards"], "held"), _holders(out["shards"]))
        for name, out in found.items()
    ]
    say_table(("service", "waiting", "oldest", "shards held", "by"), rows, empty="no service")


@operations.command()
def consumers(service: Only = None, as_json: Json = False) -> None:
    """Show how far each service has read each topic."""
    found = {name: client.get("/v1/admin/consumers") for name, client in clients_of(service)}
    if as_json:
        say_json(found)
        return
    columns = ("topic", "partition", "next_offset", "end_offset", "lag", "owner", "updated_at")
    rows = [(name, *(part[each] for each in columns)) for name, state in found.items() for part in state["partitions"]]
    say_table(("service", *columns), rows, empty="nothing was read yet")
    for name, state in found.items():
        waiting = ", ".join(f"{count} {reason}" for reason, count in state["parked"].items())
        if waiting or state["poison_records"]:
            note(f"{name}: parked subjects: {waiting or 'none'}; poison records: {state['poison_records']}")


@operations.command()
def redrive(
    at: At,
    source: From,
    subject: Subject,
    reason: Annotated[str, typer.Option(help="Kept with who and when.")] = "",
    over_gap: Annotated[bool, typer.Option("--over-gap", help="Missing events are lost: go on without them.")] = False,
) -> None:
    """Try a parked subject again at once."""
    body: dict[str, object] = {"reason": reason, "over_gap": over_gap}
    done = client_of(at).send("POST", f"{parked_path(source, subject)}/redrive", body)
    note(f"{done['events']} events of {subject} are tried again by {at}")


@operations.command()
def discard(
    at: At,
    source: From,
    subject: Subject,
    reason: Annotated[str, typer.Option(help="Kept with who and when.")],
    first: Annotated[
        str,
        typer.Option(metavar="TOPIC/PARTITION/OFFSET", help="The first of them, as `ops parked --subject` shows it."),
    ],
    count: Annotated[int, typer.Option(min=1, help="How many of the first events that wait.")] = 1,
) -> None:
    """Give up the first events of a parked subject. If another stands first by now, nothing is given up."""
    body: dict[str, object] = {"reason": reason, "first": first, "count": count}
    done = client_of(at).send("POST", f"{parked_path(source, subject)}/discard", body)
    note(f"{done['events']} events of {subject} are given up by {at}")


def _say_parked(service: Service | None, wanted: str, *, as_json: bool) -> None:
    source, _, subject = wanted.partition(":")
    if service is None:
        raise InvalidInput("say by --service where it is parked")
    found = client_of(service).get(parked_path(source, subject))
    if as_json:
        say_json(found)
        return
    say_fields({name: value for name, value in found.items() if name != "records"})
    if found["missing"]:
        note("missing: " + ", ".join(f"{run['first']} to {run['last']}" for run in found["missing"]))
    rows = [
        (each["seq"], f"{each['topic']}/{each['partition']}/{each['offset']}", each["value"])
        for each in found["records"]
    ]
    say_table(("seq", "record", "value"), rows, empty="no events wait behind it")


def say_lists(
    service: Service | None,
    ask: Callable[[Client], Iterable[JsonObject]],
    columns: tuple[str, ...],
    *,
    as_json: bool,
    empty: str,
) -> None:
    """A list of each service, as one table or as JSON."""
    items = [{"service": name} | item for name, client in clients_of(service) for item in ask(client)]
    if as_json:
        say_json(items)
        return
    shown = ("service", *columns)
    say_table(shown, [[item[name] for name in shown] for item in items], empty=empty)


def parked_path(source: str, subject: str) -> str:
    """The address of a parked subject.

    Raises:
        InvalidInput: that is no subject.
    """
    if subject.count("/") != 1:
        raise InvalidInput(f"{subject} is no subject: it reads KIND/ID, for instance ticket/0192...")
    return f"/v1/admin/parked/{source}/{subject}"


def _count(shards: list[JsonObject], name: str) -> str:
    return f"{sum(bool(shard[name]) for shard in shards)} of {len(shards)}"


def _holders(shards: list[JsonObject]) -> str:
    return ", ".join(sorted({shard["holder"] for shard in shards if shard["held"]}))


def clients_of(only: Service | None) -> list[tuple[str, Client]]:
    """Callers of one service or of all."""
    return [(service.value, client_of(service)) for service in Service if only in (None, service)]


def client_of(service: Service) -> Client:
    """A caller of one service."""
    return find_installation().client(service)
