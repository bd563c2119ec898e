"""Kafka and PostgreSQL die under a running installation: calls are answered as documented, and all goes on after."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from devstack.kafka import EmbeddedKafka
from devstack.postgres import EmbeddedPostgres
from devstack.processes import stop
from devstack.progress import Cancel, Silent
from devstack.servers import EmbeddedServers, UsualPorts, start_both
from tests.support.directory import new_ticket, open_directory
from tests.support.eventually import eventually
from tests.support.fold import fold
from tests.support.ports import free_ports
from tests.support.servers import Servers
from tests.support.stack import Stack, running_stack
from tests.support.topics import first_appearances, read_topic

_START_S = 60.0


class OwnServers:
    """A PostgreSQL and a Kafka that only this test uses, so that it may kill them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        postgres, kafka, controller = free_ports(3)
        self._usual = UsualPorts(postgres=postgres, kafka=kafka, controller=controller)
        started = start_both(self._servers(), progress=Silent(), cancel=Cancel())
        self.addresses = Servers(postgres_url=started.postgres_url, kafka_bootstrap=started.kafka_bootstrap)

    def _servers(self) -> EmbeddedServers:
        folder = self._folder
        return EmbeddedServers(
            postgres=folder / "postgres", kafka=folder / "kafka", logs=folder / "logs", usual=self._usual
        )

    def kill_kafka(self) -> None:
        running = EmbeddedKafka(self._folder / "kafka", log=self._folder / "logs" / "kafka.log").running()
        assert running is not None
        stop(running, first=signal.SIGKILL)

    def kill_postgres(self) -> None:
        """An immediate end of the server and of every connection, without a checkpoint."""
        running = EmbeddedPostgres(self._folder / "postgres", log=self._folder / "logs" / "postgres.log").running()
        assert running is not None
        os.kill(running.pid, signal.SIGQUIT)

    async def start_again(self) -> None:
        """On the same ports, with the same data."""

        def start() -> None:
            started = start_both(self._servers(), progress=Silent(), cancel=Cancel())
            assert started.postgres_url == self.addresses.postgres_url
            assert started.kafka_bootstrap == self.addresses.kafka_bootstrap

        await asyncio.to_thread(start)

    def remove(self) -> None:
        servers = self._servers()
        servers.stop()
        servers.remove()


@pytest.fixture
def own_servers() -> Generator[OwnServers]:
    """Both servers in a folder of their own; PostgreSQL's user must be able to pass it."""
    folder = Path(tempfile.mkdtemp(prefix="frontline-faults-"))
    folder.chmod(0o711)
    servers = OwnServers(folder)
    try:
        yield servers
    finally:
        servers.remove()
        shutil.rmtree(folder)


async def open_some(stack: Stack, names: range) -> list[str]:
    """Open tickets one after another; every call must succeed."""
    opened = []
    async with stack.client("intake") as client:
        for number in names:
            answer = await client.post(
                "/v1/tickets", headers={"Idempotency-Key": f"away-{number}"}, json=new_ticket(number)
            )
            assert answer.status_code == 201, answer.text
            opened.append(str(answer.json()["id"]))
    return opened


async def all_are_owned(stack: Stack, tickets: list[str]) -> bool:
    async with stack.client("intake") as client:
        for ticket in tickets:
            shown = (await client.get(f"/v1/tickets/{ticket}")).json()
            assert shown.get("routing_state") == "assigned", f"{shown}\n{stack.logs()}"
    return True


@pytest.mark.timeout(300)
async def test_servers_die_and_come_back(own_servers: OwnServers, tmp_path: Path) -> None:
    async with running_stack(own_servers.addresses, tmp_path) as stack:
        await open_directory(stack, agents=4, max_weight=1000)
        opened = await open_some(stack, range(5))
        await eventually(lambda: all_are_owned(stack, opened), within=20.0)

        own_servers.kill_kafka()
        opened += await open_some(stack, range(5, 30))
        await own_servers.start_again()
        await eventually(lambda: all_are_owned(stack, opened), within=_START_S)

        own_servers.kill_postgres()
        async with stack.client("intake") as client:
            refused = await client.post(
                "/v1/tickets", headers={"Idempotency-Key": "away-30"}, json=new_ticket(30), timeout=httpx.Timeout(30.0)
            )
            assert refused.status_code == 503, refused.text
            assert refused.headers["content-type"] == "application/problem+json"
            assert int(refused.headers["retry-after"]) >= 1
        await own_servers.start_again()

        async def open_again() -> list[str]:
            return await open_some(stack, range(30, 35))

        opened += await eventually(open_again, within=_START_S)
        await eventually(lambda: all_are_owned(stack, opened), within=_START_S)
        assert {name: process.starts for name, process in stack.processes.items()} == dict.fromkeys(stack.processes, 1)

        topics = [
            first_appearances(await read_topic(own_servers.addresses.kafka_bootstrap, stack.topics[service]))
            for service in ("intake", "routing")
        ]
        told = fold(topics[0], topics[1])
        assert told.keys() == set(opened)
        assert {state.assigned for state in told.values()} == {1}
