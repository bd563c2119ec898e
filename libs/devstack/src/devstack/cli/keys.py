"""`frontline keys create|revoke|list`: the file of API clients.

`common.web`, which knows that file, is imported where it is used: no other command shall wait for it to load.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from common.clock import SystemClock
from common.errors import InvalidInput
from devstack.cli.console import note, say, say_table
from devstack.cli.place import Folder, stack_folder
from devstack.folder import StackFolder

keys = typer.Typer(no_args_is_help=True, help="Keys of API clients. Services notice a change within a second.")
ClientsFile = Annotated[
    Path | None,
    typer.Option("--file", envvar="FRONTLINE_CLI_CLIENTS_FILE", help="By default the local stack's own."),
]


@keys.command()
def create(
    client: Annotated[str, typer.Argument(help="The client's id; it is made where there is none.")],
    scope: Annotated[list[str], typer.Option(help="Repeatable; replaces the scopes it had. 'all' gives every one.")],
    expires: Annotated[datetime | None, typer.Option(help="When the client ends, in local time.")] = None,
    file: ClientsFile = None,
    folder: Folder = None,
) -> None:
    """Give a client a new key and print it: it is stored nowhere and cannot be shown again."""
    from common.web.clients import SCOPES, create_key

    scopes = sorted(SCOPES) if scope == ["all"] else scope
    ends = expires.astimezone() if expires else None
    now = SystemClock().now()
    if ends and ends <= now:
        raise InvalidInput("the client would have ended already")
    key = create_key(_file(file, folder), client, scopes=scopes, now=now, expires_at=ends)
    say(key)


@keys.command()
def revoke(
    prefix: Annotated[str, typer.Argument(help="The eight digits after fl_.")],
    file: ClientsFile = None,
    folder: Folder = None,
) -> None:
    """Take a key away. A client without keys goes with its last one."""
    from common.web.clients import revoke_key

    client = revoke_key(_file(file, folder), prefix.removeprefix("fl_").partition("_")[0])
    note(f"the key is revoked; it belonged to {client.client_id}")


@keys.command("list")
def list_keys(file: ClientsFile = None, folder: Folder = None) -> None:
    """List clients, their live keys and scopes."""
    from common.web.clients import list_clients

    rows = [
        (client.client_id, key.prefix, f"{key.created_at:%Y-%m-%d %H:%M}", client.expires_at, " ".join(client.scopes))
        for client in list_clients(_file(file, folder))
        for key in client.keys
    ]
    say_table(("client", "key", "made", "ends", "scopes"), rows, empty="no clients")


def _file(given: Path | None, folder: Path | None) -> Path:
    return given or StackFolder(stack_folder(folder)).clients
