"""Kafka and PostgreSQL die under a running installation: calls are answered as documented, and all goes on after."""

from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from tests.support.directory import new_ticket, open_directory
from tests.support.eventually import eventually
from tests.support.fold import fold
from tests.support.own_servers import OwnServers, own_servers
from tests.support.stack import Stack, running_stack
from tests.support.topics import first_appearances, read_topic

_START_S = 60.0


@pytest.fixture(name="servers")
def _servers() -> Generator[OwnServers]:
    """Servers that may be killed."""
    with own_servers() as servers:
        yield servers


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
async def test_servers_die_and_come_back(servers: OwnServers, tmp_path: Path) -> None:
    async with running_stack(servers.addresses, tmp_path) as stack:
        await open_directory(stack, agents=4, max_weight=1000)
        opened = await open_some(stack, range(5))
        await eventually(lambda: all_are_owned(stack, opened), within=20.0)

        servers.kill_kafka()
        opened += await open_some(stack, range(5, 30))
        await servers.start_again()
        await eventually(lambda: all_are_owned(stack, opened), within=_START_S)

        servers.kill_postgres()
        async with stack.client("intake") as client:
            refused = await client.post(
                "/v1/tickets", headers={"Idempotency-Key": "away-30"}, json=new_ticket(30), timeout=httpx.Timeout(30.0)
            )
            assert refused.status_code == 503, refused.text
            assert refused.headers["content-type"] == "application/problem+json"
            assert int(refused.headers["retry-after"]) >= 1
        await servers.start_again()

        async def open_again() -> list[str]:
            return await open_some(stack, range(30, 35))

        opened += await eventually(open_again, within=_START_S)
        await eventually(lambda: all_are_owned(stack, opened), within=_START_S)
        assert {name: process.starts for name, process in stack.processes.items()} == dict.fromkeys(stack.processes, 1)

        topics = [
            first_appearances(await read_topic(servers.addresses.kafka_bootstrap, stack.topics[service]))
            for service in ("intake", "routing")
        ]
        told = fold(topics[0], topics[1])
        assert told.keys() == set(opened)
        assert {state.assigned for state in told.values()} == {1}
