"""Three Kafka brokers in one cluster, each a controller too, that may be killed and started again one by one."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from devstack.jars import cache_folder, fetch_jars
from devstack.kafka import EmbeddedKafka, Member, new_cluster_id
from devstack.processes import stop
from devstack.progress import Cancel, Silent
from tests.support.ports import free_ports

BROKERS = (1, 2, 3)
_JVM = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_START_S = 180.0
"""Three times as long as one broker alone may take, for they start at the same time."""
_SETTINGS = (
    # A dead broker's partitions are led by others after three seconds instead of nine.
    "broker.session.timeout.ms=3000",
    "broker.heartbeat.interval.ms=500",
)


class Cluster:
    """Brokers by their ids, on ports that stay. A partition has a replica on each; two must have a record in time."""

    def __init__(self, folder: Path) -> None:
        """Args: folder: of its own, for data and logs."""
        ports = free_ports(2 * len(BROKERS))
        self._ports = dict(zip(BROKERS, ports[: len(BROKERS)], strict=True))
        self._controllers = dict(zip(BROKERS, ports[len(BROKERS) :], strict=True))
        self._jars = fetch_jars(cache_folder() / "kafka", progress=Silent(), cancel=Cancel())
        cluster_id = new_cluster_id()
        self._brokers = {
            number: EmbeddedKafka(
                folder / f"kafka-{number}",
                log=folder / "logs" / f"kafka-{number}.log",
                jvm_options=_JVM,
                start_s=_START_S,
                member=Member(node_id=number, controllers=self._controllers, cluster_id=cluster_id, settings=_SETTINGS),
            )
            for number in BROKERS
        }
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self._ports.values())

    def start(self, numbers: Sequence[int] = BROKERS) -> None:
        """Start brokers that do not run, at the same time, and wait until each listens."""

        def start(number: int) -> None:
            if self._brokers[number].running() is None:
                self._brokers[number].start(
                    jars=self._jars, port=self._ports[number], controller_port=self._controllers[number]
                )

        with ThreadPoolExecutor(len(BROKERS)) as pool:
            list(pool.map(start, numbers))

    async def start_again(self, *numbers: int) -> None:
        """Start brokers that were ended, with the data that they have."""
        await asyncio.to_thread(self.start, numbers)

    async def end(self, number: int, first: signal.Signals = signal.SIGTERM) -> None:
        """End one broker: with SIGTERM it hands its partitions over first, with SIGKILL nobody is told."""
        running = self._brokers[number].running()
        if running is not None:
            await asyncio.to_thread(stop, running, first=first)

    def stop(self) -> None:
        """End all without farewell: nobody needs their data any more."""
        for broker in self._brokers.values():
            running = broker.running()
            if running is not None:
                stop(running, first=signal.SIGKILL)


@contextmanager
def kafka_cluster() -> Generator[Cluster]:
    """Three running brokers in a folder of their own, removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="frontline-cluster-"))
    try:
        cluster = Cluster(folder)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)
