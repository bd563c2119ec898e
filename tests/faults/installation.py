"""The installations that faults are made to: servers of their own, every service armed.

One has a single broker, with wires before it and before PostgreSQL; the other has a cluster of three brokers.
"""

import asyncio
import random
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from tests.faults.armed import EFFECT_LOG
from tests.faults.journal import Journal
from tests.faults.load import recorded_house
from tests.faults.world import Single, World
from tests.support.cluster import BROKERS, kafka_cluster
from tests.support.own_servers import own_postgres, own_servers
from tests.support.ports import free_ports
from tests.support.servers import Servers
from tests.support.stack import Stack, running_stack
from tests.support.wire import at_port, wire

T = TypeVar("T")
STARTER = ("tests.faults.armed",)
_VOLUME_BYTES = 512 * 1024 * 1024
"""The server's first data, its log's segments, four databases."""
_VOLUME_BYTES_A_MINUTE = 24 * 1024 * 1024


@asynccontextmanager
async def installation(journal: Journal, *, minutes: float) -> AsyncGenerator[World]:
    """Start everything; end and remove everything after.

    Args:
        minutes: how long it will be under load at most, for the size of PostgreSQL's volume.
    """
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="frontline-logs-")))
        postgres_port, kafka_port = free_ports(2)
        postgres = await held.enter_async_context(wire(postgres_port))
        kafka = await held.enter_async_context(wire(kafka_port))
        size_bytes = _VOLUME_BYTES + round(minutes * _VOLUME_BYTES_A_MINUTE)
        servers = await held.enter_async_context(
            _aside(own_servers(advertised_port=kafka_port, volume_bytes=size_bytes))
        )
        postgres.target_port = urlsplit(servers.addresses.postgres_url).port or 0
        kafka.target_port = int(servers.addresses.kafka_bootstrap.rpartition(":")[2])
        through = Servers(
            postgres_url=at_port(servers.addresses.postgres_url, postgres_port),
            kafka_bootstrap=f"127.0.0.1:{kafka_port}",
        )
        await _keep_log_short(servers.addresses.postgres_url)
        world = await held.enter_async_context(_running(journal, through, folder))
        world.postgres_url = servers.addresses.postgres_url
        world.single = Single(servers=servers, postgres=postgres, kafka=kafka)
        yield world


@asynccontextmanager
async def cluster_installation(journal: Journal) -> AsyncGenerator[World]:
    """The same on three brokers: every partition has three replicas, of which two must have a record in time."""
    async with AsyncExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="frontline-logs-")))
        url = await held.enter_async_context(_aside(own_postgres()))
        cluster = await held.enter_async_context(_aside(kafka_cluster()))
        servers = Servers(postgres_url=url, kafka_bootstrap=cluster.bootstrap)
        world = await held.enter_async_context(_running(journal, servers, folder, replicas=len(BROKERS)))
        world.cluster = cluster
        yield world


@asynccontextmanager
async def _aside(managed: AbstractContextManager[T]) -> AsyncGenerator[T]:
    """Enter and leave it in a thread: servers take seconds to start and to end, and another installation is at work."""
    held = ExitStack()
    try:
        yield await _to_its_end(held.enter_context, managed)
    finally:
        await _to_its_end(held.close)


async def _to_its_end(work: Callable[..., T], *given: Any) -> T:
    """Do it in a thread. Who is cancelled waits for its end all the same, so that nothing is left running."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *given))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


@asynccontextmanager
async def _running(journal: Journal, servers: Servers, folder: Path, *, replicas: int = 1) -> AsyncGenerator[World]:
    """All services on these servers."""

    async with running_stack(servers, folder, starter=STARTER, replicas=replicas, prepare=prepare) as stack:
        house = recorded_house(journal, stack.urls, stack.key)
        try:
            yield World(
                stack=stack, postgres_url=servers.postgres_url, journal=journal, house=house, chance=random.Random()
            )
        finally:
            await house.close()


async def prepare(stack: Stack) -> None:
    """Give every database its log of effects, and every process a file for its trap."""
    for url in stack.database_urls.values():
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(EFFECT_LOG)
        finally:
            await connection.close()
    for process in stack.processes.values():
        process.environment = {**process.environment, "FAULTS_TRAP": str(stack.folder / f"{process.name}.trap")}


async def _keep_log_short(url: str) -> None:
    """The small volume has no room for the segments that PostgreSQL likes to keep."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("alter system set max_wal_size = '96MB'")
        await connection.execute("alter system set min_wal_size = '32MB'")
        await connection.execute("select pg_reload_conf()")
    finally:
        await connection.close()
