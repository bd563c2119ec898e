"""The command's root."""

import sys

import typer

from common.errors import FrontlineError, Misconfigured
from devstack.cli import repairs, stack
from devstack.cli.agents import agents
from devstack.cli.console import note
from devstack.cli.demo import demo
from devstack.cli.keys import keys
from devstack.cli.operations import operations
from devstack.cli.poison import poison
from devstack.cli.tail import tail
from devstack.cli.tickets import tickets
from devstack.cli.webhooks import webhooks

app = typer.Typer(
    help="Frontline: the local stack, tickets, agents and operations.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (stack.up, stack.down, stack.status, stack.logs, tail, demo):
    app.command()(command)
app.add_typer(keys, name="keys")
app.add_typer(tickets, name="ticket")
app.add_typer(agents, name="agent")
app.add_typer(webhooks, name="webhooks")
for repair in (repairs.export, repairs.resync, repairs.replay, repairs.rebuild, repairs.asked):
    operations.command()(repair)
operations.add_typer(poison, name="poison")
app.add_typer(operations, name="ops")


def main() -> None:
    """Run the command line. Exit codes: 1 refused or unavailable, 2 wrong use or settings, 130 interrupted."""
    try:
        app()
    except FrontlineError as failed:
        note(f"frontline: {failed.detail}")
        sys.exit(2 if isinstance(failed, Misconfigured) else 1)
    except BrokenPipeError:
        sys.exit(0)  # whoever read our output has seen enough
