"""PostgreSQL and Kafka started together from Python packages alone, each in its own thread."""

from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from common.errors import FrontlineError
from devstack.jars import cache_folder, fetch_jars
from devstack.kafka import EmbeddedKafka
from devstack.ports import LOOPBACK, PortChooser, is_free
from devstack.postgres import EmbeddedPostgres
from devstack.progress import Cancel, Progress

POSTGRES_PORT = 15432
KAFKA_PORT = 19092
CONTROLLER_PORT = 19093
_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where servers answer: an administrator's URL of PostgreSQL, Kafka's bootstrap address."""

    postgres_url: str
    kafka_bootstrap: str


@dataclass(frozen=True, kw_only=True)
class ServerPorts:
    """The ports in use, or those preferred at the next start; 0 is "no preference"."""

    postgres: int = 0
    kafka: int = 0
    controller: int = 0


USUAL_PORTS = ServerPorts(postgres=POSTGRES_PORT, kafka=KAFKA_PORT, controller=CONTROLLER_PORT)


class EmbeddedServers:
    """Both servers of one folder."""

    def __init__(self, *, postgres: Path, kafka: Path, logs: Path, for_tests: bool = False) -> None:
        """Args: postgres, kafka: data folders, which need not exist; for_tests: no fsync."""
        self.postgres = EmbeddedPostgres(postgres, log=logs / "postgres.log", for_tests=for_tests)
        self.kafka = EmbeddedKafka(kafka, log=logs / "kafka.log")

    def start(self, preferred: ServerPorts, *, progress: Progress, cancel: Cancel) -> tuple[Addresses, ServerPorts]:
        """Start what does not run yet, and return where it answers.

        Args:
            preferred: for a server that runs already, the port it has.
        Raises:
            FrontlineError: one of them does not start; the other one is left as it is, for the caller to stop.
            Interrupted: called off.
        """
        ports = PortChooser()
        with ThreadPoolExecutor(2) as pool:
            postgres = pool.submit(self._start_postgres, preferred.postgres, ports, progress, cancel)
            kafka = pool.submit(self._start_kafka, preferred, ports, progress, cancel)
            try:
                for started in as_completed((postgres, kafka)):
                    started.result()
            except BaseException:
                cancel.call_off()
                raise
        kafka_port, controller_port = kafka.result()
        found = ServerPorts(postgres=postgres.result(), kafka=kafka_port, controller=controller_port)
        return self.addresses(found), found

    def addresses(self, ports: ServerPorts) -> Addresses:
        """Where servers with these ports answer."""
        return Addresses(postgres_url=self.postgres.url(ports.postgres), kafka_bootstrap=f"{LOOPBACK}:{ports.kafka}")

    def stop(self) -> None:
        """Stop both, at the same time."""
        with ThreadPoolExecutor(2) as pool:
            for stopped in (pool.submit(self.kafka.stop), pool.submit(self.postgres.stop)):
                stopped.result()

    def remove(self) -> None:
        """Delete the data of stopped servers."""
        self.kafka.remove()
        self.postgres.remove()

    def _start_postgres(self, preferred: int, ports: PortChooser, progress: Progress, cancel: Cancel) -> int:
        if self.postgres.running():
            return preferred
        progress.step("PostgreSQL", "starting")
        for attempt in range(1, _TRIES + 1):
            cancel.check()
            port = ports.choose(preferred)
            try:
                self.postgres.start(port)
            except FrontlineError:
                # Between the choice and the start somebody else may have taken the port; any other failure is final.
                if attempt == _TRIES or is_free(port):
                    raise
                continue
            progress.step("PostgreSQL", f"ready on port {port}")
            return port
        raise AssertionError("unreachable: the last try returns or raises")

    def _start_kafka(
        self, preferred: ServerPorts, ports: PortChooser, progress: Progress, cancel: Cancel
    ) -> tuple[int, int]:
        if self.kafka.running():
            return preferred.kafka, preferred.controller
        progress.step("Kafka", "fetching")
        jars = fetch_jars(cache_folder() / "kafka", progress=progress, cancel=cancel)
        progress.step("Kafka", "starting")
        for attempt in range(1, _TRIES + 1):
            cancel.check()
            port, controller_port = ports.choose(preferred.kafka), ports.choose(preferred.controller)
            try:
                self.kafka.start(jars=jars, port=port, controller_port=controller_port, check=cancel.check)
            except FrontlineError:
                if attempt == _TRIES or (is_free(port) and is_free(controller_port)):
                    raise
                continue
            progress.step("Kafka", f"ready on port {port}")
            return port, controller_port
        raise AssertionError("unreachable: the last try returns or raises")
