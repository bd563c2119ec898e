"""Real servers for every test that asks: addresses from the environment, else the embedded stack. Never skipped."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

import asyncpg
import pytest
import uvloop
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support.databases import Databases
from tests.support.servers import Servers, servers_for_tests

# How long an example takes says what else this machine has to do, and nothing about the product.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL and Kafka for the whole run; fails where neither can be had."""
    with servers_for_tests() as running:
        yield running


@pytest.fixture(scope="session")
def databases(servers: Servers) -> Iterator[Databases]:
    """Migrated databases of the services."""
    made = Databases(servers)
    yield made
    made.drop()


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every asynchronous test runs on the loop that the services run on."""
    return {"uvloop": uvloop.new_event_loop}


_TOGETHER = ("tests/e2e", "tests/integration/devstack")
"""Folders whose tests run one after the other: they share the whole installation, or start stacks of their own, each of
which would like to have the usual ports."""


class _Scheduling(LoadFileScheduling):
    """A file's tests stay together and in order, and so do all of a folder that must."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = super()._split_scope(nodeid)
        return next((folder for folder in _TOGETHER if scope.startswith(f"{folder}/")), scope)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Scheduling:
    """How tests are dealt out where they run in several processes."""
    return _Scheduling(config, log)


@pytest.fixture
async def empty_database(servers: Servers) -> AsyncGenerator[str]:
    """A database of its own, without tables: its URL, `postgresql://…`."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(servers.postgres_url)
    try:
        await admin.execute(f"create database {name}")
        yield servers.postgres_url.rpartition("/")[0] + "/" + name
        await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test uses."""
    return f"t{uuid.uuid4().hex[:10]}."
