"""`frontline up|down|status|logs`: the local stack.

Servers, databases and services are imported where they are used: no other command shall wait for them to load.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import Misconfigured, NotFound
from devstack.cli.console import Steps, note, say, say_table
from devstack.cli.place import Folder, stack_folder
from devstack.folder import StackFolder, write_whole
from devstack.loglines import readable
from devstack.state import State, read_state
from devstack.supervisor import read_status

if TYPE_CHECKING:
    from devstack.servers import Addresses
    from devstack.stack import Outcome

_PAUSE_S = 0.2
_LAST_LINES = 40


class ServerKind(StrEnum):
    """Where PostgreSQL and Kafka come from, unless addresses are given."""

    EMBEDDED = "embedded"
    CONTAINERS = "containers"


def up(
    split: Annotated[bool, typer.Option("--split", help="Run api and worker of each service apart.")] = False,
    servers: Annotated[ServerKind, typer.Option(help="Programs of Python packages, or Docker containers.")] = (
        ServerKind.EMBEDDED
    ),
    folder: Folder = None,
) -> None:
    """Start the local stack: PostgreSQL, Kafka, all services; then print addresses, a key and a first request.

    Ctrl-C at any moment stops everything again. With FRONTLINE_CLI_POSTGRES_URL (a superuser's) and
    FRONTLINE_CLI_KAFKA_BOOTSTRAP the services use servers that run already.
    """
    from devstack.directory import create_directory
    from devstack.stack import Stack, Wish

    stack = Stack(stack_folder(folder))
    wish = Wish(split=split, given=_given_addresses(), containers=servers is ServerKind.CONTAINERS)
    with _interrupted_once(), Steps() as steps:

        def fill(outcome: "Outcome") -> None:
            made = stack.folder.directory_made
            if not made.exists():
                steps.step("directory", "creating agents, skills and desks")
                create_directory(outcome.state.api_url("routing"), outcome.key)
                write_whole(made, "")
                steps.step("directory", "ready")

        try:
            outcome = stack.bring_up(wish, steps, then=fill)
        except KeyboardInterrupt:
            note("interrupted: everything that was started is stopped again; data are kept")
            raise typer.Exit(130) from None
    if outcome.was_running:
        note("the stack runs already")
    _say_how_to_use(outcome)


def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Also delete all its data.")] = False, folder: Folder = None
) -> None:
    """Stop the local stack; its data stay unless --wipe is given."""
    from devstack.stack import Stack

    ran = Stack(stack_folder(folder)).bring_down(wipe=wipe)
    note(("stopped" if ran else "nothing was running") + (", data deleted" if wipe else ""))


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False, folder: Folder = None
) -> None:
    """Show what of the local stack runs. Exit code 3: not all of it."""
    from devstack.stack import Stack

    stack = Stack(stack_folder(folder))
    state, noted = read_state(stack.folder), read_status(stack.folder)
    supervised = stack.supervisor() is not None
    servers = stack.running_servers()
    rows: list[tuple[str, str, str]] = [(name, "running" if runs else "stopped", "") for name, runs in servers.items()]
    for name, process in noted.processes.items() if noted else ():
        exits = f", last exit code {process.last_exit}" if process.last_exit is not None else ""
        details = f"process {process.pid}, {process.restarts} restarts{exits}" if supervised else ""
        rows.append((name, process.state if supervised else "stopped", details))
    if as_json:
        say(json.dumps([{"name": name, "state": now, "details": details} for name, now, details in rows]))
    else:
        say_table(("what", "state", "details"), rows, empty="no stack was started here")
        if state and supervised:
            say("\n" + _addresses(state))
    if not rows or any(now != "running" for _, now, _ in rows):
        raise typer.Exit(3)


def logs(
    process: Annotated[str, typer.Argument(help="One of the files; without it they are listed.")] = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines arrive.")] = False,
    folder: Folder = None,
) -> None:
    """Show what a process of the local stack wrote last."""
    files = {path.stem: path for path in sorted(StackFolder(stack_folder(folder)).logs.glob("*.log"))}
    if not process:
        say_table(("log", "bytes"), [(name, path.stat().st_size) for name, path in files.items()], empty="no logs yet")
        return
    if process not in files:
        raise NotFound(f"no log of {process}; there are {', '.join(files) or 'none'}")
    with files[process].open(errors="replace") as log:
        for line in log.readlines()[-_LAST_LINES:]:
            say(readable(line.rstrip("\n")))
        while follow:
            line = log.readline()
            if line:
                say(readable(line.rstrip("\n")))
            else:
                time.sleep(_PAUSE_S)


def _given_addresses() -> "Addresses | None":
    from devstack.servers import Addresses

    postgres, kafka = (os.environ.get(f"FRONTLINE_CLI_{name}", "") for name in ("POSTGRES_URL", "KAFKA_BOOTSTRAP"))
    if bool(postgres) != bool(kafka):
        raise Misconfigured("give both FRONTLINE_CLI_POSTGRES_URL and FRONTLINE_CLI_KAFKA_BOOTSTRAP, or neither")
    return Addresses(postgres_url=postgres, kafka_bootstrap=kafka) if postgres else None


@contextmanager
def _interrupted_once() -> Generator[None]:
    """The first Ctrl-C, hang-up or termination interrupts; further ones do not disturb the clean-up that follows."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _say_how_to_use(outcome: "Outcome") -> None:
    state = outcome.state
    intake, frontline = state.api_url("intake"), _own_name()
    say(f"""
{_addresses(state)}
key         {outcome.key}

Open a ticket:

curl -sS {intake}/v1/tickets \\
  -H 'Authorization: Bearer {outcome.key}' \\
  -H 'Content-Type: application/json' -H "Idempotency-Key: $(date +%s)-$RANDOM" \\
  -d '{{"subject": "VPN drops every hour", "requester": {{"email": "customer@example.com"}},
       "source": {{"channel": "api"}}, "category": "network", "skills_hint": [{{"skill": "network", "level": 2}}]}}'

See its owner:  {frontline} ticket list
Watch events:   {frontline} tail
Watch a floor:  {frontline} demo --tickets 50 --seed 7
Stop:           {frontline} down""")


def _addresses(state: State) -> str:
    """Every service with its address, a line each, then Kafka's; each service describes itself at /openapi.json."""
    services = [f"{service:<11} {state.api_url(service)}  (/openapi.json)" for service in state.services]
    return "\n".join([*services, f"{'kafka':<11} {state.kafka_bootstrap}"])


def _own_name() -> str:
    """How to call this command from the working directory."""
    called = Path(sys.argv[0]).absolute()
    if shutil.which(called.name) == str(called):
        return called.name
    return str(called.relative_to(Path.cwd()) if called.is_relative_to(Path.cwd()) else called)
