"""`frontline webhooks`: endpoints that events are posted to, what became of each post, and mending both."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from common.errors import InvalidInput
from devstack.cli.console import note, say, say_fields, say_json, say_table
from devstack.cli.place import Json, Service, find_installation
from devstack.client import Client, JsonObject, Parameters

webhooks = typer.Typer(no_args_is_help=True, help="Endpoints that events are posted to, and the log of each.")
Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Its id, as the list shows it.")]
_LOG = ("event_id", "subject", "subjectseq", "type", "state", "attempts", "last_attempt_at", "next_attempt_at", "error")


@webhooks.command("list")
def list_endpoints(as_json: Json = False) -> None:
    """List endpoints: one's own, or everybody's for a key with the scope ops:read."""
    with _intake() as intake:
        items = intake.list_all("/v1/webhooks")
    if as_json:
        say_json(items)
        return
    rows = [
        (item["id"], item["client_id"], _state(item), item["url"], _types(item), item["disabled_reason"])
        for item in items
    ]
    say_table(("id", "client", "state", "url", "types", "why disabled"), rows, empty="no endpoints")


@webhooks.command()
def create(
    url: Annotated[str, typer.Argument(help="Where events are posted.")],
    types: Annotated[list[str] | None, typer.Option("--type", help="Repeatable; without it all come.")] = None,
    description: Annotated[str, typer.Option()] = "",
    asymmetric: Annotated[bool, typer.Option("--asymmetric", help="Sign by a key pair too.")] = False,
    as_json: Json = False,
) -> None:
    """Make an endpoint and print its secret: it is never shown again."""
    body = {"url": url, "types": types or [], "description": description, "asymmetric": asymmetric}
    _say_secret(_send("POST", "/v1/webhooks", body), "is made", as_json=as_json)


@webhooks.command()
def show(endpoint: Endpoint, as_json: Json = False) -> None:
    """Show an endpoint with its keys."""
    found = _get(_path(endpoint))
    if as_json:
        say_json(found)
        return
    say_fields(found | {"keys": len(found["keys"]), "types": _types(found)})
    for key in found["keys"]:
        say_fields({"key": key["scheme"], "public": key["public_key"], "signs until": key["retires_at"]})


@webhooks.command()
def log(
    endpoint: Endpoint,
    state: Annotated[str, typer.Option(help="waiting, retrying or delivered.")] = "",
    subject: Annotated[str, typer.Option(help="Only of this one, for instance ticket/0192...")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: Json = False,
) -> None:
    """List what was posted and what waits, the newest first."""
    filters = {"limit": limit} | {name: text for name, text in (("state", state), ("subject", subject)) if text}
    items = _get(f"{_path(endpoint)}/deliveries", filters)["items"]
    if as_json:
        say_json(items)
        return
    say_table(_LOG, [[item[name] for name in _LOG] for item in items], empty="nothing was posted, and nothing waits")


@webhooks.command()
def test(endpoint: Endpoint) -> None:
    """Post an event that says no more than that it came."""
    made = _send("POST", f"{_path(endpoint)}/test")
    note(f"event {made['event_id']} is posted; frontline webhooks log {endpoint} tells what became of it")


@webhooks.command()
def redeliver(
    endpoint: Endpoint, event: Annotated[str, typer.Argument(metavar="EVENT", help="Its id, as the log shows it.")]
) -> None:
    """Post one event again, with the same id."""
    made = _send("POST", f"{_path(endpoint)}/deliveries/{_id(event)}/redeliver")
    note(f"{made['type']} about {made['subject']} is posted again")


@webhooks.command()
def replay(endpoint: Endpoint, since: Annotated[datetime, typer.Option(help="In UTC.")]) -> None:
    """Post intake's own events again from a time on, in their order and with their ids, and then go on."""
    _send("POST", f"{_path(endpoint)}/replay", {"since": f"{since.isoformat()}Z"})
    note(f"what intake told since {since.isoformat()}Z is posted again")


@webhooks.command()
def rotate(
    endpoint: Endpoint,
    overlap_s: Annotated[int, typer.Option(min=0, help="How long the former secret signs too; 0: it leaked.")] = 86_400,
    as_json: Json = False,
) -> None:
    """Make a new secret and print it: it is never shown again."""
    made = _send("POST", f"{_path(endpoint)}/rotate", {"overlap_s": overlap_s})
    _say_secret(made, f"has a new secret; the former one signs too for {overlap_s} s", as_json=as_json)


@webhooks.command()
def disable(endpoint: Endpoint) -> None:
    """Post nothing more until it is enabled again; what waits is kept."""
    _edit(endpoint, enabled=False)
    note(f"endpoint {endpoint} is disabled")


@webhooks.command()
def enable(endpoint: Endpoint) -> None:
    """Go on with the first event that was not taken."""
    _edit(endpoint, enabled=True)
    note(f"endpoint {endpoint} is enabled")


@webhooks.command()
def delete(endpoint: Endpoint) -> None:
    """Delete an endpoint with its log and all that waits for it."""
    gone = _send("DELETE", _path(endpoint))
    note(f"endpoint {endpoint} to {gone['url']} is deleted")


def _edit(endpoint: str, **changes: object) -> None:
    path = _path(endpoint)
    _send("PATCH", path, changes, version=_get(path)["version"])


def _say_secret(made: JsonObject, happened: str, *, as_json: bool) -> None:
    """The secret alone on standard output, so that a shell can keep it."""
    if as_json:
        say_json(made)
        return
    say(made["secret"])
    for key in made["keys"]:
        if key["public_key"]:
            note(f"public key {key['public_key']}")
    note(f"endpoint {made['id']} {happened}")


def _path(endpoint: str) -> str:
    return f"/v1/webhooks/{_id(endpoint)}"


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as wrong:
        raise InvalidInput(f"{text} is no id: the list shows those of endpoints, the log those of events") from wrong


def _state(endpoint: JsonObject) -> str:
    if not endpoint["enabled"]:
        return "disabled"
    return "failing" if endpoint["failing_since"] else "enabled"


def _types(endpoint: JsonObject) -> str:
    return ", ".join(endpoint["types"]) or "all"


def _get(path: str, filters: Parameters | None = None) -> JsonObject:
    with _intake() as intake:
        return intake.get(path, filters)


def _send(
    method: str, path: str, body: Mapping[str, object] | None = None, *, version: int | None = None
) -> JsonObject:
    with _intake() as intake:
        return intake.send(method, path, body, version=version)


def _intake() -> Client:
    return find_installation().client(Service.INTAKE)
