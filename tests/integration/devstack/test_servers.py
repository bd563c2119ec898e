"""PostgreSQL and Kafka as the stack runs them: data survive, taken ports are avoided, nothing is left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from common.errors import Misconfigured
from contracts.topics import TOPICS
from devstack.databases import create_database
from devstack.postgres import EmbeddedPostgres
from devstack.progress import Cancel, Silent
from devstack.servers import EmbeddedServers, UsualPorts, start_both
from devstack.topics import create_topics
from tests.support.eventually import eventually
from tests.support.ports import free_ports
from tests.support.servers import Servers


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[asyncpg.Connection]:
    """A connection that is closed in the end."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Somebody else listens on the port."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


def runs(process: psutil.Process) -> bool:
    """Whether it has not ended yet, be it that nobody has asked for its exit code."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def list_topics(bootstrap: str) -> set[str]:
    """The topics there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


def test_data_survive_a_restart_on_other_ports(folder: Path) -> None:
    servers = EmbeddedServers(postgres=folder / "postgres", kafka=folder / "kafka", logs=folder / "logs", fsync=False)
    try:
        before = start_both(servers, progress=Silent(), cancel=Cancel(), then_kafka=create_topics)
        assert start_both(servers, progress=Silent(), cancel=Cancel()) == before, "a second start changes nothing"

        async def write() -> None:
            async with connected(before.postgres_url) as connection:
                await connection.execute("create table kept as select 42 as number")

        asyncio.run(write())
        servers.stop()
        assert servers.running() == {"PostgreSQL": False, "Kafka": False}

        postgres_port = int(before.postgres_url.rpartition(":")[2].partition("/")[0])
        kafka_port = int(before.kafka_bootstrap.rpartition(":")[2])
        with taken(postgres_port), taken(kafka_port):
            after = start_both(servers, progress=Silent(), cancel=Cancel())
        assert (after.postgres_url, after.kafka_bootstrap) != (before.postgres_url, before.kafka_bootstrap)

        async def read() -> tuple[int, set[str]]:
            async with connected(after.postgres_url) as connection:
                return await connection.fetchval("select number from kept"), await list_topics(after.kafka_bootstrap)

        number, topics = asyncio.run(read())
        assert number == 42
        assert topics >= {topic.name for topic in TOPICS.values()}
    finally:
        servers.stop()


def test_a_broker_that_was_faster_to_take_the_port_is_not_taken_for_our_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devstack.ports.is_free", lambda _port: True)  # as it was when we chose
    [port] = free_ports(1)
    servers = EmbeddedServers(
        postgres=folder / "postgres", kafka=folder / "kafka", logs=folder / "logs", usual=UsualPorts(kafka=port)
    )
    try:
        with taken(port):
            bootstrap = servers.start_kafka(Silent(), Cancel())
            assert servers.running()["Kafka"]
            assert bootstrap != f"127.0.0.1:{port}"
            assert asyncio.run(list_topics(bootstrap)) == set()
    finally:
        servers.stop()


def test_a_crash_whose_pid_was_given_to_another_process_is_no_obstacle(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "postgres", log=folder / "postgres.log", fsync=False)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    try:
        server.start(port)
        running = server.running()
        assert running
        children = psutil.Process(running.pid).children(recursive=True)
        os.kill(running.pid, signal.SIGKILL)

        async def is_dead() -> bool:
            """With its children: each holds the shared memory, and while one does the server refuses to start."""
            return not running.alive() and not any(runs(child) for child in children)

        asyncio.run(eventually(is_dead))
        pid_file = folder / "postgres" / "postmaster.pid"
        pid_file.write_text(f"{os.getpid()}\n" + pid_file.read_text().partition("\n")[2])
        assert server.running() is None
        server.start(port)
        assert server.running()
    finally:
        server.stop()


@pytest.mark.timeout(240)
def test_servers_end_with_the_process_that_asked_for_them(folder: Path) -> None:
    asker = textwrap.dedent(
        """
        import sys, time
        from tests.support.servers import servers_for_tests
        with servers_for_tests() as servers:
            print(servers.kafka_bootstrap, flush=True)
            time.sleep(600)
        """
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TEST_")}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[3]), "TMPDIR": str(folder)}
    with subprocess.Popen([sys.executable, "-c", asker], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        port = int(process.stdout.readline().rpartition(":")[2])
        assert len(list(folder.glob("frontline-test-*"))) == 1
        process.kill()

    def is_gone() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0 and not list(folder.glob("frontline-test-*"))

    async def all_gone() -> bool:
        return is_gone()

    asyncio.run(eventually(all_gone, within=90))


def test_a_runtime_role_owns_nothing(servers: Servers) -> None:
    service = f"owned_{os.getpid()}"
    database = create_database(servers.postgres_url, service, passwords=("ownerpassword", "runtimepassword"))
    again = create_database(servers.postgres_url, service, passwords=("ownerpassword", "runtimepassword"))
    assert again == database

    async def use() -> None:
        async with connected(database.owner_url) as owner:
            await owner.execute("create table thing (id int generated always as identity, name text)")
        async with connected(database.runtime_url) as runtime:
            await runtime.execute("insert into thing (name) values ('a')")
            await runtime.execute("update thing set name = 'b'")
            assert await runtime.fetchval("select name from thing") == "b"
            for forbidden in (
                "drop table thing",
                "truncate thing",
                "create table other ()",
                "alter table thing add x int",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await runtime.execute(forbidden)

    async def clean_up() -> None:
        async with connected(servers.postgres_url) as admin:
            await admin.execute(f"drop database if exists frontline_{service} with (force)")
            await admin.execute(f"drop role if exists {service}, {service}_owner")

    try:
        asyncio.run(use())
    finally:
        asyncio.run(clean_up())


def test_topics_that_belong_to_another_installation_are_refused(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"devstack{os.getpid()}."
    renamed = {name: type(topic)(name=prefix + topic.name, producer=topic.producer) for name, topic in TOPICS.items()}
    monkeypatch.setattr("devstack.topics.TOPICS", renamed)
    create_topics(servers.kafka_bootstrap, partitions=3)
    create_topics(servers.kafka_bootstrap, partitions=3)
    with pytest.raises(Misconfigured, match="3 partitions instead of 6"):
        create_topics(servers.kafka_bootstrap, partitions=6)
