"""The installation that faults are made to: servers of its own, wires before them, every service armed."""

import random
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from tests.faults.armed import EFFECT_LOG
from tests.faults.journal import Journal
from tests.faults.load import recorded_house
from tests.faults.world import World
from tests.support.own_servers import own_servers
from tests.support.ports import free_ports
from tests.support.servers import Servers
from tests.support.stack import Stack, running_stack
from tests.support.wire import at_port, wire

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
        servers = held.enter_context(own_servers(advertised_port=kafka_port, volume_bytes=size_bytes))
        postgres.target_port = urlsplit(servers.addresses.postgres_url).port or 0
        kafka.target_port = int(servers.addresses.kafka_bootstrap.rpartition(":")[2])
        through = Servers(
            postgres_url=at_port(servers.addresses.postgres_url, postgres_port),
            kafka_bootstrap=f"127.0.0.1:{kafka_port}",
        )
        await _keep_log_short(servers.addresses.postgres_url)
        stack = await held.enter_async_context(running_stack(through, folder, starter=STARTER, prepare=prepare))
        house = recorded_house(journal, stack.urls, stack.key)
        held.push_async_callback(house.close)
        yield World(
            stack=stack,
            servers=servers,
            postgres=postgres,
            kafka=kafka,
            journal=journal,
            house=house,
            chance=random.Random(),
        )


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
