"""PostgreSQL and Kafka as containers, where they are asked for and a Docker daemon answers.

The containers bear names of the stack's identity and keep their data until they are removed: stopping the stack stops
them, starting it starts them again on the same ports.
"""
# the docker client carries no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import docker
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from docker.errors import DockerException, NotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from common.errors import Misconfigured, Unavailable
from devstack.ports import LOOPBACK, PortChooser
from devstack.progress import Cancel, Progress

IMAGES = {"postgres": "postgres:18", "kafka": "apache/kafka:4.3.1"}
"""What is run unless FRONTLINE_CLI_POSTGRES_IMAGE or FRONTLINE_CLI_KAFKA_IMAGE names another, such as a mirror's."""
_READY_S = 60.0
_PAUSE_S = 0.2
Container = Any
"""A container of the docker client, which carries no types."""


class ContainerServers:
    """Both servers of one stack."""

    def __init__(self, identity: str, *, postgres_port: int = 0, kafka_port: int = 0) -> None:
        """Args: identity: makes the containers' names; postgres_port, kafka_port: usual ones, 0 is "any".

        Raises:
            Misconfigured: no Docker daemon answers.
        """
        self._names = {kind: f"frontline-{identity[:12]}-{kind}" for kind in ("postgres", "kafka")}
        self._usual = {"postgres": postgres_port, "kafka": kafka_port}
        self._ports = PortChooser()
        try:
            self._docker = docker.from_env()
            self._docker.ping()
        except DockerException as failed:
            raise Misconfigured(f"containers were asked for, but no Docker daemon answers: {failed}") from failed
        # Its reaper would remove the containers as soon as this command ends, but a stack outlives its command.
        testcontainers_config.ryuk_disabled = True

    def start_postgres(self, progress: Progress, cancel: Cancel) -> str:
        """See `EmbeddedServers.start_postgres`."""
        progress.step("PostgreSQL", "starting container")
        container = self._start("postgres", self._new_postgres)
        environment = dict(entry.split("=", 1) for entry in container.attrs["Config"]["Env"])
        port = _host_port(container)
        url = f"postgresql://postgres:{environment['POSTGRES_PASSWORD']}@{LOOPBACK}:{port}/postgres"
        _wait("PostgreSQL", lambda: _ask_postgres(url), cancel)
        progress.step("PostgreSQL", f"ready on port {port}")
        return url

    def start_kafka(self, progress: Progress, cancel: Cancel) -> str:
        """See `EmbeddedServers.start_kafka`."""
        progress.step("Kafka", "starting container")
        bootstrap = f"{LOOPBACK}:{_host_port(self._start('kafka', self._new_kafka))}"
        _wait("Kafka", lambda: _ask_kafka(bootstrap), cancel)
        progress.step("Kafka", f"ready at {bootstrap}")
        return bootstrap

    def running(self) -> dict[str, bool]:
        """See `EmbeddedServers.running`."""
        found = {kind: self._find(kind) for kind in self._names}
        states = {kind: container is not None and container.status == "running" for kind, container in found.items()}
        return {"PostgreSQL": states["postgres"], "Kafka": states["kafka"]}

    def stop(self) -> None:
        """Stop both containers; they and their data stay."""
        for kind in ("kafka", "postgres"):
            container = self._find(kind)
            if container is not None:
                container.stop(timeout=20)

    def remove(self) -> None:
        """Remove both containers with their data."""
        for kind in self._names:
            container = self._find(kind)
            if container is not None:
                container.remove(force=True, v=True)

    def _find(self, kind: str) -> Container | None:
        try:
            return self._docker.containers.get(self._names[kind])
        except NotFound:
            return None

    def _start(self, kind: str, make: Callable[[int], DockerContainer]) -> Container:
        try:
            container = self._find(kind)
            if container is None:
                make(self._ports.choose(self._usual[kind])).with_name(self._names[kind]).start()
            elif container.status != "running":
                container.start()
            return self._docker.containers.get(self._names[kind])
        except DockerException as failed:
            raise Unavailable(f"the container {self._names[kind]} does not start: {failed}") from failed

    def _new_postgres(self, port: int) -> DockerContainer:
        container = DockerContainer(_image("postgres"), command="postgres -c max_connections=400")
        return _on_loopback(container.with_env("POSTGRES_PASSWORD", secrets.token_hex(16)), 5432, port)

    def _new_kafka(self, port: int) -> DockerContainer:
        # Inside it listens on the port that it has outside, so that the address it tells is right on both sides.
        settings = {
            "NODE_ID": "1",
            "PROCESS_ROLES": "broker,controller",
            "LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
            "ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port}",
            "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "AUTO_CREATE_TOPICS_ENABLE": "false",
            "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "OFFSETS_TOPIC_NUM_PARTITIONS": "4",
            "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        }
        container = DockerContainer(_image("kafka")).with_envs(
            **{f"KAFKA_{name}": text for name, text in settings.items()}
        )
        return _on_loopback(container, port, port)


def _image(kind: str) -> str:
    return os.environ.get(f"FRONTLINE_CLI_{kind.upper()}_IMAGE") or IMAGES[kind]


def _on_loopback(container: DockerContainer, inside: int, port: int) -> DockerContainer:
    """Publish a port to this machine only; the library's own way would publish it to the network."""
    container.ports[f"{inside}/tcp"] = (LOOPBACK, port)  # pyright: ignore[reportArgumentType] - docker takes such pairs
    return container


def _host_port(container: Container) -> int:
    bindings = container.attrs["HostConfig"]["PortBindings"]
    return int(next(iter(bindings.values()))[0]["HostPort"])


def _wait(name: str, ask: Callable[[], Awaitable[None]], cancel: Cancel) -> None:
    async def once() -> None:
        await ask()

    limit = time.monotonic() + _READY_S
    while True:
        cancel.check()
        try:
            asyncio.run(once())
            return
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError) as unready:
            if time.monotonic() > limit:
                raise Unavailable(f"{name} in its container does not answer: {unready}") from unready
            time.sleep(_PAUSE_S)


async def _ask_postgres(url: str) -> None:
    await (await asyncpg.connect(url, timeout=5)).close()


async def _ask_kafka(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    try:
        await admin.start()
        await admin.list_topics()
    finally:
        await admin.close()
