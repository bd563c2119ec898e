"""A PostgreSQL and a Kafka that nobody else uses, so that they may be killed, filled up and started again."""

import asyncio
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from common.errors import FrontlineError
from devstack.kafka import EmbeddedKafka
from devstack.postgres import EmbeddedPostgres
from devstack.processes import stop
from devstack.progress import Cancel, Silent
from devstack.servers import EmbeddedServers, UsualPorts, start_both
from tests.support.eventually import pass_time
from tests.support.ports import free_ports
from tests.support.servers import Servers

_START_S = 120.0
_PAUSE_S = 0.1


class OwnServers:
    """Both servers in one folder, on ports that stay.

    Attributes:
        addresses: of the servers themselves.
        volume: the small file system that PostgreSQL's data lie on; None where they lie on the folder's own.
    """

    def __init__(self, folder: Path, *, advertised_port: int = 0, volume: Path | None = None) -> None:
        """Args: advertised_port: what Kafka tells its clients, for a proxy in front of it; 0 for its own port."""
        self._folder = folder
        self._advertised_port = advertised_port
        self.volume = volume
        self._turns = asyncio.Lock()
        """One end or start at a time: of two faults at once, one would end what the other is starting."""
        postgres, kafka, controller = free_ports(3)
        self._usual = UsualPorts(postgres=postgres, kafka=kafka, controller=controller)
        started = start_both(self._servers(), progress=Silent(), cancel=Cancel())
        self.addresses = Servers(postgres_url=started.postgres_url, kafka_bootstrap=started.kafka_bootstrap)

    @property
    def _data(self) -> Path:
        return (self.volume or self._folder) / "postgres"

    def _servers(self) -> EmbeddedServers:
        folder = self._folder
        return EmbeddedServers(
            postgres=self._data,
            kafka=folder / "kafka",
            logs=folder / "logs",
            usual=self._usual,
            advertised_port=self._advertised_port,
        )

    async def kill_kafka(self) -> None:
        """No flush, no farewell."""
        await self._end(self._kafka(), signal.SIGKILL)

    async def stop_kafka(self) -> None:
        """As an administrator would."""
        await self._end(self._kafka(), signal.SIGTERM)

    async def kill_postgres(self) -> None:
        """An immediate end of the server and of every connection, without a checkpoint."""
        postgres = EmbeddedPostgres(self._data, log=self._folder / "logs" / "postgres.log")
        await self._end(postgres, signal.SIGQUIT)

    def _kafka(self) -> EmbeddedKafka:
        return EmbeddedKafka(self._folder / "kafka", log=self._folder / "logs" / "kafka.log")

    async def _end(self, server: EmbeddedKafka | EmbeddedPostgres, first: signal.Signals) -> None:
        def end() -> None:
            running = server.running()
            if running is not None:
                stop(running, first=first)

        async with self._turns:
            await asyncio.to_thread(end)

    async def start_again(self) -> None:
        """Start what does not run, on the same ports, with the same data, until PostgreSQL takes a connection.

        One that runs may be about to end by itself, or recover from the end of one of its processes.

        Raises:
            FrontlineError, asyncpg.PostgresError, OSError: it takes none in time.
        """

        def start() -> None:
            started = start_both(self._servers(), progress=Silent(), cancel=Cancel())
            assert started.postgres_url == self.addresses.postgres_url
            assert started.kafka_bootstrap == self.addresses.kafka_bootstrap

        limit = time.monotonic() + _START_S
        while True:
            try:
                async with self._turns:
                    await asyncio.to_thread(start)
                    connection = await asyncpg.connect(self.addresses.postgres_url)
                await connection.close()
                return
            except (FrontlineError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                if time.monotonic() > limit:
                    raise
            await pass_time(_PAUSE_S)

    def remove(self) -> None:
        """Stop both and delete their data."""
        servers = self._servers()
        servers.stop()
        servers.remove()


@contextmanager
def own_servers(*, advertised_port: int = 0, volume_bytes: int = 0) -> Generator[OwnServers]:
    """Both servers in a folder of their own, removed in the end.

    Args:
        volume_bytes: put PostgreSQL's data on a file system of their own of this size, where we may mount one.
    """
    folder = Path(tempfile.mkdtemp(prefix="frontline-faults-"))
    folder.chmod(0o711)  # PostgreSQL's user must be able to pass it
    volume = _mount(folder / "volume", volume_bytes) if volume_bytes else None
    try:
        servers = OwnServers(folder, advertised_port=advertised_port, volume=volume)
        try:
            yield servers
        finally:
            servers.remove()
    finally:
        if volume is not None:
            subprocess.run(["umount", "--lazy", str(volume)], check=True)
        shutil.rmtree(folder)


@contextmanager
def own_postgres() -> Generator[str]:
    """A PostgreSQL alone, in a folder of its own that is removed in the end; its administrator's URL."""
    folder = Path(tempfile.mkdtemp(prefix="frontline-postgres-"))
    folder.chmod(0o711)
    servers = EmbeddedServers(postgres=folder / "postgres", kafka=folder / "kafka", logs=folder / "logs")
    try:
        yield servers.start_postgres(Silent(), Cancel())
    finally:
        servers.stop()
        shutil.rmtree(folder)


def _mount(place: Path, size_bytes: int) -> Path | None:
    """A file system in memory at `place`; None where it is not permitted."""
    place.mkdir()
    if shutil.which("mount") is None:
        return None
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0711", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, check=False)
    return place if done.returncode == 0 else None
