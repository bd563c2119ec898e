"""All services as real processes, on databases and topics of their own, for the tests that look at the whole."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from common.clock import SystemClock
from common.ids import new_id
from common.web.clients import create_key
from contracts.topics import TOPICS, topic_name
from devstack.plans import CALLERS
from tests.support.eventually import eventually
from tests.support.ports import free_ports
from tests.support.servers import Servers

SERVICES = ("intake", "routing", "escalation", "feedback")
PARTITIONS = 6
ALL_SCOPES = [
    "tickets:read",
    "tickets:write",
    "agents:read",
    "agents:write",
    "routing:read",
    "routing:write",
    "routing:admin",
    "escalation:read",
    "escalation:write",
    "feedback:read",
    "feedback:write",
    "events:read",
    "webhooks:write",
    "ops:read",
    "ops:write",
    "act-as",
]
_START_S = 120.0
_CANNOT_START = 2
_LAST_WORDS = 300


@dataclass(kw_only=True)
class Process:
    """One process of a service, started again whenever it ends, until it is stopped.

    Attributes:
        starts: how often it was started.
        endings: how it ended by itself, neither stopped nor killed: exit codes, and the last that it said, in words.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    running: asyncio.subprocess.Process | None = None
    starts: int = 0
    endings: list[str] = field(default_factory=list[str])
    stopping: bool = False

    async def keep_running(self) -> None:
        """Run it, again and again, until `stop`.

        Raises:
            AssertionError: it says that it cannot start at all (exit code 2); starting it again would not help.
        """
        while not self.stopping:
            with self.log.open("ab") as output:
                self.running = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", *self.arguments, env=dict(self.environment), stdout=output, stderr=output
                )
            self.starts += 1
            if self.stopping:
                self.kill(signal.SIGTERM)  # `stop` came while it was being started, and found nothing to end
            try:
                code = await self.running.wait()
            except asyncio.CancelledError:
                self.stop()
                await self.running.wait()
                raise
            if not self.stopping and code != -signal.SIGKILL:
                self.endings.append(f"exit code {code}, {self.log.read_text(errors='replace')[-_LAST_WORDS:]!r}")
            assert code != _CANNOT_START, f"{self.name}: {self.log.read_text(errors='replace')}"

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the present process; nothing where none runs."""
        if self.running is not None and self.running.returncode is None:
            self.running.send_signal(number)

    def stop(self) -> None:
        """End it for good."""
        self.stopping = True
        self.kill(signal.SIGTERM)


@dataclass(kw_only=True)
class Stack:
    """A running installation: where it listens and how to reach into it."""

    urls: dict[str, str]
    admin_urls: dict[str, str]
    database_urls: dict[str, str]
    key: str
    topics: dict[str, str]
    servers: Servers
    folder: Path
    processes: dict[str, Process] = field(default_factory=dict[str, Process])

    def client(self, service: str, *, actor: str = "") -> httpx.AsyncClient:
        """An HTTP client of one service's API that carries the key, acting for `actor` ("agent:<id>") if given."""
        headers = {"Authorization": f"Bearer {self.key}"} | ({"Support-Actor": actor} if actor else {})
        return httpx.AsyncClient(base_url=self.urls[service], headers=headers, timeout=30.0, trust_env=False)

    def logs(self) -> str:
        """The last lines of every process, for a failure's message."""
        tails = ((name, process.log.read_text(errors="replace")[-1500:]) for name, process in self.processes.items())
        return "\n".join(f"--- {name}\n{tail}" for name, tail in tails)


async def _nothing(_stack: Stack) -> None:
    """There is nothing to prepare."""


@asynccontextmanager
async def running_stack(
    servers: Servers,
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    services: Sequence[str] = SERVICES,
    starter: Sequence[str] = (),
    replicas: int = 1,
    prepare: Callable[[Stack], Awaitable[None]] = _nothing,
) -> AsyncGenerator[Stack]:
    """Start api and worker of every service apart, wait until they are ready, and end and drop everything after.

    Args:
        folder: for logs and the clients file.
        settings: further FRONTLINE_* variables, given to every process.
        services: which of them run; the topics and the addresses of the others are there all the same.
        starter: a module that starts a service in its stead, given the service's name and arguments.
        replicas: of each partition; with more than one, all but one must have a record before it is acknowledged.
        prepare: called when the databases are migrated and no process runs yet.
    """
    prefix = f"t{new_id().hex[-10:]}."
    key = create_key(folder / "clients.json", "tests", scopes=ALL_SCOPES, now=SystemClock().now())
    stack = Stack(
        urls={},
        admin_urls={},
        database_urls={},
        key=key,
        topics={service: topic_name(service, prefix) for service in SERVICES},
        servers=servers,
        folder=folder,
    )
    await _create_topics(servers, prefix, replicas)
    try:
        for service in SERVICES:
            stack.urls[service] = f"http://127.0.0.1:{free_ports(1)[0]}"
        for service in services:
            name = f"{service}_{new_id().hex[-10:]}"
            await _administer(servers, f"create database {name}")
            stack.database_urls[service] = servers.postgres_url.rpartition("/")[0] + "/" + name
        for service in services:
            _define(stack, service, prefix, settings or {}, starter)
        await asyncio.gather(*(_migrate(stack.processes[f"{service}-api"], service) for service in services))
        await prepare(stack)
        async with asyncio.TaskGroup() as group:
            for process in stack.processes.values():
                group.create_task(process.keep_running(), name=process.name)
            try:
                # As many brokers as replicas share the machine.
                await _wait_until_ready(stack, within=_START_S * replicas)
                yield stack
            finally:
                for process in stack.processes.values():
                    process.stop()
    finally:
        for url in stack.database_urls.values():
            await _administer(servers, f"drop database if exists {url.rpartition('/')[2]} with (force)")


async def _administer(servers: Servers, statement: str) -> None:
    connection = await asyncpg.connect(servers.postgres_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _define(stack: Stack, service: str, prefix: str, settings: Mapping[str, str], starter: Sequence[str]) -> None:
    api_admin, worker_admin = free_ports(2)
    api = stack.urls[service].rpartition(":")[2]
    common = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("FRONTLINE_", "PYTHON"))},
        "FRONTLINE_INSTALLATION": "tests",
        "FRONTLINE_DATABASE_URL": stack.database_urls[service],
        "FRONTLINE_KAFKA_BOOTSTRAP": stack.servers.kafka_bootstrap,
        "FRONTLINE_KAFKA_TOPIC_PREFIX": prefix,
        "FRONTLINE_KAFKA_PARTITIONS": str(PARTITIONS),
        "FRONTLINE_API_HOST": "127.0.0.1",
        "FRONTLINE_API_CLIENTS_FILE": str(stack.folder / "clients.json"),
        "FRONTLINE_ADMIN_HOST": "127.0.0.1",
        **_peers(stack, service),
        **{name: value for name, value in settings.items() if _concerns(name, service)},
    }
    for role, admin_port in (("api", api_admin), ("worker", worker_admin)):
        name = f"{service}-{role}"
        stack.admin_urls[name] = f"http://127.0.0.1:{admin_port}"
        stack.processes[name] = Process(
            name=name,
            arguments=(*starter, service, role),
            environment={**common, "FRONTLINE_API_PORT": api, "FRONTLINE_ADMIN_PORT": str(admin_port)},
            log=stack.folder / f"{name}.log",
        )


def _peers(stack: Stack, service: str) -> dict[str, str]:
    """What a service needs that calls the others."""
    if service not in CALLERS:
        return {}
    peers = {
        "FRONTLINE_PEERS_INTAKE_URL": stack.urls["intake"],
        "FRONTLINE_PEERS_ROUTING_URL": stack.urls["routing"],
        "FRONTLINE_PEERS_KEY": stack.key,
    }
    return peers | ({"FRONTLINE_FEEDBACK_PUBLIC_URL": stack.urls[service]} if service == "feedback" else {})


def _concerns(name: str, service: str) -> bool:
    """Whether a service knows a setting: another service's own settings are unknown to it."""
    group = name.removeprefix("FRONTLINE_").partition("_")[0].lower()
    return group == service or group not in SERVICES


async def _migrate(process: Process, service: str) -> None:
    with process.log.open("ab") as output:
        migration = await asyncio.create_subprocess_exec(
            sys.executable, "-m", service, "migrate", env=dict(process.environment), stdout=output, stderr=output
        )
    assert await migration.wait() == 0, process.log.read_text(errors="replace")


async def _create_topics(servers: Servers, prefix: str, replicas: int) -> None:
    in_step = {"min.insync.replicas": str(max(1, replicas - 1))}
    topics = [NewTopic(topic_name(name, prefix), PARTITIONS, replicas, topic_configs=in_step) for name in TOPICS]
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics(topics)
    finally:
        await admin.close()


async def _wait_until_ready(stack: Stack, *, within: float) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:

        async def all_ready() -> bool:
            for name, url in stack.admin_urls.items():
                try:
                    answer = await client.get(f"{url}/readyz")
                except httpx.TransportError as refused:
                    raise AssertionError(f"{name}: {refused}\n{stack.logs()}") from refused
                assert answer.status_code == 200, f"{name}: {answer.text}\n{stack.logs()}"
            return True

        await eventually(all_ready, within=within)
