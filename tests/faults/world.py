"""What faults are made to: a running installation, its servers, the wires between them, and chance."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from devstack.demo.people import House
from tests.faults.journal import Journal
from tests.support.cluster import Cluster
from tests.support.eventually import pass_time
from tests.support.own_servers import OwnServers
from tests.support.ports import free_ports
from tests.support.stack import SERVICES, Process, Stack
from tests.support.wire import Wire

LOOK_S = 0.05
_START_S = 120.0
"""How long a process may take to start, on a machine that is slow and busy."""
_COUNTED_S = 10.0
"""How much of one wait may widen the bound of its window."""


class NotPossible(Exception):
    """A fault cannot be made here; says why. It counts as not run."""


class NotMade(Exception):
    """A fault that can be made here, or what must follow it, did not come about; says what. It fails the run."""


@dataclass(frozen=True, kw_only=True)
class Single:
    """A PostgreSQL and one broker of an installation's own, and the wires before them."""

    servers: OwnServers
    postgres: Wire
    kafka: Wire


@dataclass(kw_only=True)
class World:
    """One running installation.

    Attributes:
        postgres_url: an administrator's, past any wire.
        single: what its servers are, unless it has a cluster of brokers.
        cluster: its brokers, where it has several; None else.
        house: its APIs, each call written down.
        chance: draws for the present window, from the run's seed.
        patience: by how much faults that are better when longer are prolonged; 1 in continuous integration.
        forged: (topic, partition, offset) of the records that we wrote ourselves.
        poisoned: (consumer, source, subject) of the streams that such records are to park.
        forged_at: when the last of them was written, on the monotonic clock; None as long as there is none.
        uncounted_s: how much of the present window's length does not widen its bound.
    """

    stack: Stack
    postgres_url: str
    single: Single | None = None
    cluster: Cluster | None = None
    journal: Journal
    house: House
    chance: random.Random
    patience: float = 1.0
    forged: set[tuple[str, int, int]] = field(default_factory=set[tuple[str, int, int]])
    poisoned: set[tuple[str, str, str]] = field(default_factory=set[tuple[str, str, str]])
    forged_at: float | None = None
    uncounted_s: float = 0.0
    extras: dict[str, Process] = field(default_factory=dict[str, Process])

    @property
    def servers(self) -> OwnServers:
        """PostgreSQL and the one broker, to be ended and started again."""
        return self._single().servers

    @property
    def wires(self) -> Sequence[Wire]:
        """The ways to PostgreSQL and to the one broker."""
        return (self._single().postgres, self._single().kafka)

    def _single(self) -> Single:
        if self.single is None:
            raise NotPossible("this installation has a cluster of brokers")
        return self.single

    @property
    def brokers(self) -> Cluster:
        """The brokers of a cluster, to be ended and started again."""
        if self.cluster is None:
            raise NotPossible("this installation has one broker")
        return self.cluster

    @property
    def workers(self) -> list[Process]:
        """The worker of each service."""
        return [self.stack.processes[f"{service}-worker"] for service in SERVICES]

    @property
    def apis(self) -> list[Process]:
        """The API process of each service."""
        return [self.stack.processes[f"{service}-api"] for service in SERVICES]

    def database_url(self, service: str) -> str:
        """A service's database, past the wire."""
        return self.postgres_url.rpartition("/")[0] + "/" + self.database_name(service)

    def database_name(self, service: str) -> str:
        """The name of a service's database."""
        return self.stack.database_urls[service].rpartition("/")[2]

    @asynccontextmanager
    async def connected(self, service: str = "") -> AsyncGenerator[asyncpg.Connection]:
        """An administrator's connection, past the wire: to a service's database, else to the server's own."""
        url = self.database_url(service) if service else self.postgres_url
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            connection.terminate()

    async def started_again(self, processes: Sequence[Process]) -> None:
        """Until each of these listens again after it was killed: so long a killed process is the supervisor's matter,
        and only then the platform's.

        Raises:
            NotMade: one does not.
        """

        async def all_listen() -> bool:
            ports = [int(process.environment["FRONTLINE_ADMIN_PORT"]) for process in processes]
            return all(await asyncio.gather(*(asks(port, "/livez") for port in ports)))

        if not await self.wait_uncounted(all_listen, within=_START_S):
            raise NotMade(f"not all of {names(processes)} listened again within {_START_S:g} s")

    async def wait_uncounted(self, check: Callable[[], Awaitable[bool]], *, within: float) -> bool:
        """`wait_for`, for what says more of the machine than of the platform: a long wait counts as a short one."""
        began_at = time.monotonic()
        try:
            return await wait_for(check, within=within)
        finally:
            # Of several, which may have been at the same time, the longest.
            self.uncounted_s = max(self.uncounted_s, time.monotonic() - began_at - _COUNTED_S)

    async def stop_workers(self) -> None:
        """End every worker for good, as a deployment does it: nothing that is due later can happen any more."""
        for process in self.workers:
            process.stop()
        for process in self.workers:
            if process.running is not None:
                await process.running.wait()

    def take_endings(self) -> list[str]:
        """Which processes ended by themselves since this was asked last, in words."""
        found: list[str] = []
        for process in (*self.stack.processes.values(), *self.extras.values()):
            found += [f"{process.name} ended by itself: {ending}" for ending in process.endings]
            process.endings.clear()
        return found

    @asynccontextmanager
    async def second(
        self, service: str, *arguments: str, ready: bool = True, **environment: str
    ) -> AsyncGenerator[Process]:
        """A second worker of a service, ended afterwards.

        Args:
            ready: whether to wait until it is.
        Raises:
            NotMade: it is not in time.
        """
        first = self.stack.processes[f"{service}-worker"]
        admin, api = free_ports(2)
        name = f"{service}-worker-{len(self.extras) + 2}"
        ports = {"FRONTLINE_ADMIN_PORT": str(admin), "FRONTLINE_API_PORT": str(api)}
        process = Process(
            name=name,
            arguments=(*first.arguments, *arguments),
            environment={**first.environment, **ports, "FAULTS_TRAP": str(self.stack.folder / f"{name}.trap")}
            | environment,
            log=self.stack.folder / f"{name}.log",
        )
        self.extras[name] = process
        running = asyncio.create_task(process.keep_running(), name=name)
        try:
            if ready and not await self.wait_uncounted(lambda: asks(admin, "/readyz"), within=_START_S):
                raise NotMade(f"{name}, a second worker, was not ready within {_START_S:g} s")
            yield process
        finally:
            process.stop()
            await running


async def asks(port: int, path: str) -> bool:
    """Whether what listens there answers 200."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except ConnectionError:
        return False
    finally:
        writer.close()


async def at_once(*works: Coroutine[Any, Any, object]) -> None:
    """Do all at the same time. Where one fails, the others are ended before its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def wait_for(check: Callable[[], Awaitable[bool]], *, within: float) -> bool:
    """Look until it is true; False where the time is over."""
    limit = time.monotonic() + within
    while not await check():
        if time.monotonic() > limit:
            return False
        await pass_time(LOOK_S)
    return True


def names(processes: Sequence[Process]) -> str:
    """Their names, for a report."""
    return ", ".join(process.name for process in processes)
