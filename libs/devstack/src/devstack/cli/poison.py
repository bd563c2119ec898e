"""`frontline ops poison`: records that no subject could be found for."""

from typing import Annotated

import typer

from common.errors import InvalidInput
from devstack.cli.console import note, say_fields, say_json
from devstack.cli.operations import At, Only, client_of, say_lists
from devstack.cli.place import Json

poison = typer.Typer(invoke_without_command=True, help="Records that no subject could be found for, the newest first.")
Where = Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="As the list shows it.")]
Why = Annotated[str, typer.Option(help="Kept with who and when.")]


@poison.callback()
def list_poison(context: typer.Context, service: Only = None, as_json: Json = False) -> None:
    """List records that no subject could be found for, the newest first."""
    if context.invoked_subcommand is None:
        columns = ("topic", "partition", "offset", "seen_at", "error")
        say_lists(
            service,
            lambda client: client.list_all("/v1/admin/poison"),
            columns,
            as_json=as_json,
            empty="no poison records",
        )


@poison.command()
def show(at: At, where: Where, as_json: Json = False) -> None:
    """Show one with its headers and its value."""
    found = client_of(at).get(_path(where))
    if as_json:
        say_json(found)
    else:
        say_fields(found)


@poison.command()
def retry(at: At, where: Where, reason: Why = "") -> None:
    """After a mend: read one again, so that it waits behind its subject and is applied."""
    found = client_of(at).send("POST", f"{_path(where)}/retry", {"reason": reason})
    note(f"it belongs to {found['subject']} of {found['source']}, which is tried again by {at}")


@poison.command()
def discard(at: At, where: Where, reason: Why) -> None:
    """Be done with one; it is kept with the reason."""
    client_of(at).send("POST", f"{_path(where)}/discard", {"reason": reason})
    note(f"{where} is given up by {at}")


def _path(where: str) -> str:
    topic, partition, offset = [*where.rsplit("/", 2), "", ""][:3]
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        raise InvalidInput(f"{where} is no record: it reads TOPIC/PARTITION/OFFSET, as the list shows it")
    return f"/v1/admin/poison/{topic}/{partition}/{offset}"
