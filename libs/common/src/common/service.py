"""The command line of a service: `python -m <service> api|worker|migrate|serve`.

Ends with 0 after a drain or a finished migration, with 2 where a person must mend something (one line says what and
how), with 1 where a task failed and its supervisor should start it anew.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

import uvloop

from common.clock import SystemClock
from common.database import Database
from common.errors import FrontlineError, Misconfigured
from common.migrate import migrate
from common.process import Service, create_api, role_names, run_process
from common.runtime import Role, Runtime
from common.settings import ServiceSettings, WrongSettings, load
from common.telemetry import set_up_logs, set_up_telemetry

__all__ = ["Role", "Runtime", "Service", "create_api", "run"]

S = TypeVar("S", bound=ServiceSettings)
_log = logging.getLogger(__name__)
_FAILED = 1
_TO_BE_MENDED = 2
_BEHIND_CALLERS = 4
"""How much nicer a worker is than an API on the same processors: a caller waits for each answer, and what gathers
meanwhile costs less together. `benchmarks.sustained --rate` shows both, the slowest answers and the lag."""


def run(name: str, settings: type[S], build: Callable[[S], Service]) -> NoReturn:
    """Do what the command line says and end the process.

    Args:
        name: the service, as in `python -m <name>`.
        build: its composition root.
    """
    arguments = _parse(name)
    try:
        loaded = load(settings, os.environ)
        if arguments.check_config:
            _check(arguments, build(loaded))
            sys.stdout.write("configuration is valid\n")
            sys.exit(0)
        set_up_logs(loaded.log, service=name)
        telemetry = set_up_telemetry(loaded.telemetry, service=name, installation=loaded.installation)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_perform(arguments, build(loaded)))
        finally:
            telemetry.close()
    except WrongSettings as wrong:
        sys.stderr.write("".join(f"{problem}\n" for problem in wrong.problems))
        sys.exit(_TO_BE_MENDED)
    except Misconfigured as wrong:
        sys.stderr.write(f"{wrong.detail}\n")
        sys.exit(_TO_BE_MENDED)
    except FrontlineError as failed:
        sys.stderr.write(f"{failed.detail}\n")
        sys.exit(_FAILED)
    sys.exit(0)


def _check(arguments: argparse.Namespace, service: Service) -> None:
    """All that needs no server; the settings themselves were checked when they were read.

    Raises:
        Misconfigured: see `create_api`, or a role is unknown.
    """
    settings, clock = service.settings, SystemClock()
    database = Database.from_settings(settings.database, clock=clock, source="", application_name="")
    if arguments.command in ("api", "serve"):
        create_api(service, Runtime(settings=settings, database=database, clock=clock))
    if arguments.command in ("worker", "serve"):
        _chosen_roles(arguments.roles, service)


async def _perform(arguments: argparse.Namespace, service: Service) -> None:
    command: str = arguments.command
    if command == "migrate":
        await _migrate(service)
        return
    if command == "worker":
        os.nice(_BEHIND_CALLERS)
    try:
        await run_process(
            service,
            api=command in ("api", "serve"),
            roles=() if command == "api" else _chosen_roles(arguments.roles, service),
            clock=SystemClock(),
            command=command,
        )
    except BaseExceptionGroup as failures:
        wrong = failures.subgroup(Misconfigured)
        if wrong is not None:
            raise _first(wrong) from None
        _log.error("the process ends because a task failed", exc_info=failures)
        sys.exit(_FAILED)


async def _migrate(service: Service) -> None:
    """A stop is listened for: the first process of a container hears nothing of a signal that it has no handler for."""
    migrating = asyncio.current_task()
    assert migrating is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, migrating.cancel)
    try:
        await migrate(service.settings.database, service.migrations)
    except asyncio.CancelledError:
        _log.warning("the migration was stopped; what was applied stays, and the next one goes on from there")
        sys.exit(_FAILED)


def _chosen_roles(asked: str, service: Service) -> Sequence[str]:
    known = role_names(service)
    if not asked:
        return known
    chosen = tuple(asked.split(","))
    unknown = set(chosen) - set(known)
    if unknown:
        raise Misconfigured(f"--roles: {service.name} has no role {min(unknown)}; it has {', '.join(known)}")
    return chosen


def _first(group: BaseExceptionGroup[Misconfigured]) -> Misconfigured:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _parse(name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=f"The {name} service of Frontline.")
    parser.add_argument(
        "command",
        choices=("api", "worker", "migrate", "serve"),
        help="HTTP; consumer, relay and timers; bring the database to head; all in one process",
    )
    parser.add_argument("--roles", default="", help="of a worker, by commas: consumer,relay,timers and its own")
    parser.add_argument("--check-config", action="store_true", help="say whether the settings are usable, and end")
    return parser.parse_args()
