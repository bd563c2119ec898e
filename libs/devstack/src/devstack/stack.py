"""Bringing a whole stack up and down: servers, databases, topics, services."""

import base64
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import msgspec

from common.clock import SystemClock
from common.errors import Conflict, Unavailable
from devstack.databases import ServiceDatabase, create_database
from devstack.folder import StackFolder, write_whole
from devstack.loglines import sentence
from devstack.plans import CALLERS, SERVICES, choose_services, migration_settings, write_plans
from devstack.ports import LOOPBACK
from devstack.processes import Running, find_running, last_words, run_quietly, start_detached, stop
from devstack.progress import Cancel, Progress
from devstack.servers import Addresses, EmbeddedServers, GivenServers, Servers, UsualPorts, start_both
from devstack.state import State, development_key, read_state, write_state
from devstack.supervisor import end_strays, read_status
from devstack.topics import create_topics

USUAL_PORTS = UsualPorts(postgres=15432, kafka=19092, controller=19093)
_READY_S = 60.0
_PAUSE_S = 0.05
_DEATHS_TO_GIVE_UP = 3
_TO_BE_MENDED = 2
"""A service's exit code for "a person must mend something": starting it again is of no use."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What `bring_up` is asked for.

    Attributes:
        split: api and worker of each service apart.
        given: servers that run already; else `containers` or, by default, embedded ones.
    """

    split: bool = False
    given: Addresses | None = None
    containers: bool = False

    @property
    def servers(self) -> str:
        """The word for where the servers come from, as in `State.servers`."""
        return "given" if self.given else "containers" if self.containers else "embedded"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A running stack. `was_running`: nothing had to be started."""

    state: State
    key: str
    was_running: bool


class Stack:
    """One stack, known by its folder."""

    def __init__(self, root: Path, *, usual: UsualPorts = USUAL_PORTS) -> None:
        """Args: root: the stack's folder; it need not exist."""
        self.folder = StackFolder(root)
        self._usual = usual

    def bring_up(self, wish: Wish, progress: Progress, *, then: Callable[[Outcome], None]) -> Outcome:
        """Start everything that does not run yet, and wait until it can serve.

        Whatever ends this early, an error or Ctrl-C, also stops everything of the stack that runs.

        Args:
            then: what belongs to a complete start and needs the running services.
        Raises:
            Conflict: another command is at work here, or the stack runs in another shape.
            Unavailable, Misconfigured: something does not start; the message says what.
            KeyboardInterrupt: called off by the user.
        """
        with self.folder.locked():
            known = read_state(self.folder)
            if known and self.supervisor():
                _refuse_another_shape(known, wish)
                if all(self._servers(known).running().values()) and _unready(known) is None:
                    return Outcome(state=known, key=development_key(self.folder), was_running=True)
            self._end_services()
            state = State(
                servers=wish.servers,
                split=wish.split,
                services=choose_services(known),
                postgres_url=wish.given.postgres_url if wish.given else "",
                kafka_bootstrap=wish.given.kafka_bootstrap if wish.given else "",
            )
            cancel = Cancel()
            try:
                outcome = self._start(state, progress, cancel)
                then(outcome)
                return outcome
            except BaseException:
                cancel.call_off()
                self._end_everything(state)
                raise

    def bring_down(self, *, wipe: bool = False) -> bool:
        """Stop everything of the stack that runs, and with `wipe` delete its data; return whether anything ran.

        Raises:
            Conflict: another command is at work here.
        """
        if not self.folder.root.exists():
            return False
        with self.folder.locked():
            known = read_state(self.folder)
            ran = self.supervisor() is not None or any(self._servers(known).running().values())
            self._end_everything(known)
            if wipe:
                self._servers(known).remove()
                shutil.rmtree(self.folder.postgres.parent, ignore_errors=True)
                shutil.rmtree(self.folder.root, ignore_errors=True)
            return ran

    def supervisor(self) -> Running | None:
        """The process that keeps the services running."""
        return find_running(str(self.folder.processes))

    def running_servers(self) -> dict[str, bool]:
        """Which of PostgreSQL and Kafka run, where they are the stack's own."""
        return self._servers(read_state(self.folder)).running() if self.folder.root.exists() else {}

    def _start(self, state: State, progress: Progress, cancel: Cancel) -> Outcome:
        databases: dict[str, ServiceDatabase] = {}

        def prepare(postgres_url: str) -> None:
            databases.update(self._prepare_databases(postgres_url, state, progress, cancel))
            self._ensure_keys()

        addresses = start_both(
            self._servers(state), progress=progress, cancel=cancel, then_postgres=prepare, then_kafka=create_topics
        )
        state = msgspec.structs.replace(
            state, postgres_url=addresses.postgres_url, kafka_bootstrap=addresses.kafka_bootstrap
        )
        write_plans(self.folder, state, databases)
        write_state(self.folder, state)
        self._start_supervisor()
        self._wait_until_ready(state, progress)
        return Outcome(state=state, key=development_key(self.folder), was_running=False)

    def _servers(self, state: State | None) -> Servers:
        if state and state.servers == "given":
            return GivenServers(Addresses(postgres_url=state.postgres_url, kafka_bootstrap=state.kafka_bootstrap))
        folder = self.folder
        if state and state.servers == "containers":
            from devstack.containers import ContainerServers  # loads the docker client, which few stacks need

            usual = self._usual
            return ContainerServers(folder.identity, postgres_port=usual.postgres, kafka_port=usual.kafka)
        return EmbeddedServers(postgres=folder.postgres, kafka=folder.kafka, logs=folder.logs, usual=self._usual)

    def _prepare_databases(
        self, admin_url: str, state: State, progress: Progress, cancel: Cancel
    ) -> dict[str, ServiceDatabase]:
        progress.step("databases", "migrating")

        def prepare(service: str) -> ServiceDatabase:
            own = state.services[service]
            database = create_database(admin_url, service, passwords=(own.owner_password, own.runtime_password))
            run_quietly(
                [sys.executable, "-m", service, "migrate"],
                name=f"the migration of {service}",
                log=self.folder.logs / f"{service}-migrate.log",
                environment=migration_settings(service, database),
                check=cancel.check,
            )
            return database

        with ThreadPoolExecutor(len(SERVICES)) as pool:
            prepared = dict(zip(SERVICES, pool.map(prepare, SERVICES), strict=True))
        progress.step("databases", "ready")
        return prepared

    def _ensure_keys(self) -> None:
        from common.web.clients import SCOPES  # slow: loads while Kafka starts

        self._ensure_key("development", self.folder.development_key, sorted(SCOPES))
        for service, scopes in CALLERS.items():
            self._ensure_key(service, self.folder.key_of(service), scopes)
        if not self.folder.webhooks_key.exists():
            write_whole(self.folder.webhooks_key, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() + "\n")

    def _ensure_key(self, client_id: str, place: Path, scopes: Sequence[str]) -> None:
        from common.web.clients import create_key, list_clients, revoke_key

        if place.exists() and self.folder.clients.exists():
            return
        for client in list_clients(self.folder.clients):  # a key whose text was lost would count against the limit
            for lost in client.keys if client.client_id == client_id else ():
                revoke_key(self.folder.clients, lost.prefix)
        key = create_key(self.folder.clients, client_id, scopes=scopes, now=SystemClock().now())
        write_whole(place, key + "\n")

    def _start_supervisor(self) -> None:
        self.folder.status.unlink(missing_ok=True)
        command = [sys.executable, "-m", "devstack.supervisor", str(self.folder.processes)]
        start_detached(command, log=self.folder.logs / "supervisor.log")

    def _wait_until_ready(self, state: State, progress: Progress) -> None:
        for service in SERVICES:
            progress.step(service, "starting")
        waiting = set(SERVICES)
        limit = time.monotonic() + _READY_S
        while waiting:
            for service in sorted(waiting):
                if _unready(state, service) is None:
                    progress.step(service, f"ready at {state.api_url(service)}")
                    waiting.discard(service)
            self._refuse_dying()
            if waiting and time.monotonic() > limit:
                late = min(waiting)
                raise Unavailable(f"{late} is not ready after {_READY_S:g} s: {_unready(state, late)}")
            time.sleep(_PAUSE_S)

    def _refuse_dying(self) -> None:
        """End the wait for a process that ends again and again, with what it said last."""
        status = read_status(self.folder)
        for name, process in status.processes.items() if status else ():
            if process.last_exit == _TO_BE_MENDED or process.restarts >= _DEATHS_TO_GIVE_UP:
                log = self.folder.logs / f"{name}.log"
                raise Unavailable(f"{name} does not stay up: {sentence(last_words(log))} (see {log})")

    def _end_services(self) -> None:
        supervisor = self.supervisor()
        if supervisor:
            stop(supervisor, timeout_s=40)
        end_strays(self.folder)

    def _end_everything(self, state: State | None) -> None:
        self._end_services()
        self._servers(state).stop()


def _refuse_another_shape(known: State, wish: Wish) -> None:
    if (known.split, known.servers) != (wish.split, wish.servers):
        shape = "with api and worker apart" if known.split else "with api and worker in one process"
        raise Conflict(f"the stack runs already, {shape} on {known.servers} servers: stop it first (frontline down)")


def _unready(state: State, only: str = "") -> str | None:
    """Why the services (or only one) cannot serve yet; None if they can."""
    services = (only,) if only else tuple(state.services)
    return next((why for name in services for port in state.admin_ports(name) if (why := _unready_at(port))), None)


def _unready_at(admin_port: int) -> str | None:
    # Not by httpx: a client of it costs 50 ms of computing to make, and this is asked many times a second.
    connection = HTTPConnection(LOOPBACK, admin_port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        text = answer.read(200).decode(errors="replace")
        return None if answer.status == HTTPStatus.OK else f"port {admin_port} answers {answer.status}: {text}"
    except (OSError, HTTPException) as failed:
        return f"port {admin_port}: {failed}"
    finally:
        connection.close()
