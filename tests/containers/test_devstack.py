"""The local stack's own containers, as `frontline up --servers=containers` has them."""

import asyncio
import uuid

import asyncpg
import pytest

from devstack.containers import ContainerServers
from devstack.progress import Cancel, Silent
from devstack.servers import start_both
from devstack.topics import create_topics
from tests.containers.images import Images

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]


async def test_servers_in_containers_keep_data_and_addresses(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTLINE_CLI_POSTGRES_IMAGE", images.postgres)
    monkeypatch.setenv("FRONTLINE_CLI_KAFKA_IMAGE", images.kafka)
    identity = uuid.uuid4().hex
    servers = ContainerServers(identity)
    try:
        first = await asyncio.to_thread(start_both, servers, progress=Silent(), cancel=Cancel())
        await asyncio.to_thread(create_topics, first.kafka_bootstrap)
        connection = await asyncpg.connect(first.postgres_url)
        await connection.execute("create table kept as select 7 as number")
        await connection.close()
        assert servers.running() == {"PostgreSQL": True, "Kafka": True}
        await asyncio.to_thread(servers.stop)
        assert servers.running() == {"PostgreSQL": False, "Kafka": False}

        again = ContainerServers(identity)
        assert await asyncio.to_thread(start_both, again, progress=Silent(), cancel=Cancel()) == first
        await asyncio.to_thread(create_topics, first.kafka_bootstrap, partitions=6)  # refuses topics of another size
        connection = await asyncpg.connect(first.postgres_url)
        assert await connection.fetchval("select number from kept") == 7
        await connection.close()
    finally:
        await asyncio.to_thread(servers.remove)
    assert servers.running() == {"PostgreSQL": False, "Kafka": False}
