"""Where PostgreSQL and Kafka come from: given addresses, containers if asked for, else programs of Python packages."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from common.errors import FrontlineError
from devstack.jars import cache_folder, fetch_jars
from devstack.kafka import SMALL_JVM, EmbeddedKafka
from devstack.ports import LOOPBACK, PortChooser, is_free
from devstack.postgres import EmbeddedPostgres
from devstack.progress import Cancel, Progress

if TYPE_CHECKING:
    from devstack.containers import ContainerServers  # loads the docker client, which few stacks need

_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where servers answer: an administrator's URL of PostgreSQL, Kafka's bootstrap address."""

    postgres_url: str
    kafka_bootstrap: str


@dataclass(frozen=True, kw_only=True)
class UsualPorts:
    """The ports to take when they are free and nothing was started here before; 0 is "any"."""

    postgres: int = 0
    kafka: int = 0
    controller: int = 0


class EmbeddedServers:
    """Both servers of one folder, as plain processes."""

    def __init__(
        self,
        *,
        postgres: Path,
        kafka: Path,
        logs: Path,
        usual: UsualPorts | None = None,
        fsync: bool = True,
        jvm_options: Sequence[str] = SMALL_JVM,
        advertised_port: int = 0,
    ) -> None:
        """Args:
        postgres, kafka: data folders, which need not exist.
        fsync: PostgreSQL's data survive a power cut.
        advertised_port: where Kafka's clients find it, if something stands in between; 0 for its own port.
        """
        self._postgres = EmbeddedPostgres(postgres, log=logs / "postgres.log", fsync=fsync)
        self._kafka = EmbeddedKafka(
            kafka, log=logs / "kafka.log", jvm_options=jvm_options, advertised_port=advertised_port
        )
        self._usual = usual or UsualPorts()
        self._ports = PortChooser()

    def start_postgres(self, progress: Progress, cancel: Cancel) -> str:
        """Start PostgreSQL unless it runs; return an administrator's URL.

        Raises:
            FrontlineError: it does not start; says why.
            Interrupted: called off.
        """
        server = self._postgres
        if not server.running():
            progress.step("PostgreSQL", "starting")
            for attempt in range(1, _TRIES + 1):
                cancel.check()
                port = self._ports.choose(server.last_port(), self._usual.postgres)
                try:
                    server.start(port)
                    break
                except FrontlineError:
                    # Between the choice and the start somebody may have taken the port; another failure is final.
                    if attempt == _TRIES or is_free(port):
                        raise
        progress.step("PostgreSQL", f"ready on port {server.last_port()}")
        return server.url(server.last_port())

    def start_kafka(self, progress: Progress, cancel: Cancel) -> str:
        """Start Kafka unless it runs, fetching it first where the cache lacks it; return its bootstrap address.

        Raises:
            FrontlineError: it does not start; says why.
            Interrupted: called off.
        """
        server = self._kafka
        if not server.running():
            progress.step("Kafka", "checking files")
            repository = os.environ.get("FRONTLINE_CLI_MAVEN_REPOSITORY", "")
            jars = fetch_jars(cache_folder() / "kafka", progress=progress, cancel=cancel, repository=repository)
            progress.step("Kafka", "starting")
            for attempt in range(1, _TRIES + 1):
                cancel.check()
                last_port, last_controller = server.last_ports()
                port = self._ports.choose(last_port, self._usual.kafka)
                controller = self._ports.choose(last_controller, self._usual.controller)
                try:
                    server.start(jars=jars, port=port, controller_port=controller, check=cancel.check)
                    break
                except FrontlineError:
                    if attempt == _TRIES or (is_free(port) and is_free(controller)):
                        raise
        port, _ = server.last_ports()
        progress.step("Kafka", f"ready on port {port}")
        return f"{LOOPBACK}:{port}"

    def running(self) -> dict[str, bool]:
        """Which of the two runs."""
        return {"PostgreSQL": self._postgres.running() is not None, "Kafka": self._kafka.running() is not None}

    def stop(self) -> None:
        """Stop both, at the same time."""
        with ThreadPoolExecutor(2) as pool:
            for stopped in (pool.submit(self._kafka.stop), pool.submit(self._postgres.stop)):
                stopped.result()

    def remove(self) -> None:
        """Delete the data of stopped servers."""
        self._kafka.remove()
        self._postgres.remove()


class GivenServers:
    """Servers that somebody else runs, at addresses that were given. They are never stopped or wiped from here."""

    def __init__(self, addresses: Addresses) -> None:
        """Args: addresses: an administrator's, because databases and roles are created."""
        self._addresses = addresses

    def start_postgres(self, progress: Progress, cancel: Cancel) -> str:
        """See `EmbeddedServers.start_postgres`."""
        cancel.check()
        progress.step("PostgreSQL", "given by address")
        return self._addresses.postgres_url

    def start_kafka(self, progress: Progress, cancel: Cancel) -> str:
        """See `EmbeddedServers.start_kafka`."""
        cancel.check()
        progress.step("Kafka", f"given as {self._addresses.kafka_bootstrap}")
        return self._addresses.kafka_bootstrap

    def running(self) -> dict[str, bool]:
        """Nothing of ours."""
        return {}

    def stop(self) -> None:
        """Nothing of ours."""

    def remove(self) -> None:
        """Nothing of ours."""


Servers: TypeAlias = "EmbeddedServers | ContainerServers | GivenServers"


def start_both(
    servers: Servers,
    *,
    progress: Progress,
    cancel: Cancel,
    then_postgres: Callable[[str], None] = lambda _url: None,
    then_kafka: Callable[[str], None] = lambda _bootstrap: None,
) -> Addresses:
    """Start both servers at the same time, each followed by what only it is needed for.

    Raises:
        FrontlineError: the first failure; the other lane is called off, and what started is left to the caller to stop.
        Interrupted: called off.
    """

    def postgres_lane() -> str:
        url = servers.start_postgres(progress, cancel)
        then_postgres(url)
        return url

    def kafka_lane() -> str:
        bootstrap = servers.start_kafka(progress, cancel)
        then_kafka(bootstrap)
        return bootstrap

    with ThreadPoolExecutor(2) as pool:
        lanes = pool.submit(postgres_lane), pool.submit(kafka_lane)
        try:
            for lane in as_completed(lanes):
                lane.result()
        except BaseException:
            cancel.call_off()
            raise
    return Addresses(postgres_url=lanes[0].result(), kafka_bootstrap=lanes[1].result())
