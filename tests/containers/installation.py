"""All of the platform as containers, in the order in which the manifests are applied: topics, migrations, services."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from common.clock import SystemClock
from common.web.clients import create_key
from contracts.topics import topic_name
from devstack.databases import create_database
from devstack.plans import CALLERS
from tests.containers.images import Images
from tests.containers.pods import Surroundings, config_maps, contain
from tests.containers.servers import POSTGRES_ALIAS, ContainedServers, start_servers
from tests.support.eventually import eventually
from tests.support.ports import free_ports
from tests.support.servers import Servers
from tests.support.stack import ALL_SCOPES, SERVICES, Stack
from tools.manifests.objects import Installation, Pod, pods_of, selects
from tools.manifests.topics import topic_of

_READY_S = 240.0
_PUBLIC_URL = "FRONTLINE_FEEDBACK_PUBLIC_URL"
_LOOPBACK_ONLY = {
    "options": {
        "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
        "com.docker.network.bridge.enable_ip_masquerade": "false",
    }
}


@dataclass(kw_only=True)
class ContainedStack(Stack):
    """A running installation whose processes are containers."""

    contained: ContainedServers
    containers: dict[str, DockerContainer] = field(default_factory=dict[str, DockerContainer])
    pods: dict[str, Pod] = field(default_factory=dict[str, Pod])

    def logs(self) -> str:
        """The last lines of every container, for a failure's message."""
        return "\n".join(f"--- {name}\n{self.log_of(name)[-1500:]}" for name in self.containers)

    def log_of(self, name: str) -> str:
        """What one container said."""
        return b"".join(self.containers[name].get_logs()).decode(errors="replace")

    async def probe(self, name: str, probe: str) -> int:
        """The status that a pod's own probe gets: "startupProbe", "livenessProbe" or "readinessProbe"."""
        (container,) = self.pods[name].containers()
        async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
            answer = await client.get(self.admin_urls[name] + container.find(f"{probe}.httpGet.path"))
        return answer.status_code

    async def wait_until_ready(self) -> None:
        """Until every readiness probe is content."""

        async def all_ready() -> bool:
            for name in self.containers:
                try:
                    assert await self.probe(name, "readinessProbe") == 200, name
                except httpx.TransportError as refused:
                    raise AssertionError(f"{name}: {refused!r}\n{self.logs()}") from refused
            return True

        await eventually(all_ready, within=_READY_S)


@asynccontextmanager
async def running_installation(images: Images, manifests: Installation, folder: Path) -> AsyncGenerator[ContainedStack]:
    """Start everything, wait until it is ready, and remove it after, whatever happens.

    Args:
        manifests: a rendered overlay.
        folder: for the files of Secrets; any user must be able to pass it.
    """
    # Its reaper is an image of its own, which may not be there to be had; what is started here is removed here.
    testcontainers_config.ryuk_disabled = True
    with Network(docker_network_kw=_LOOPBACK_ONLY) as network:
        pages = free_ports(1)[0]
        around = Surroundings(
            network=network,
            config_maps=config_maps(manifests.everything),
            secrets=folder,
            overridden={_PUBLIC_URL: f"http://127.0.0.1:{pages}"},
        )
        kafka_host = _setting(around, "FRONTLINE_KAFKA_BOOTSTRAP").partition(":")[0]
        servers = await asyncio.to_thread(start_servers, images, network, kafka_host=kafka_host)
        stack = _describe(servers, folder)
        try:
            await servers.wait()
            await _create_topics(servers, manifests)
            for service in SERVICES:
                await asyncio.to_thread(_write_secrets, stack, service)
            await _migrate(manifests, around)
            await asyncio.to_thread(_start, stack, manifests, around)
            await stack.wait_until_ready()
            yield stack
        finally:
            for container in stack.containers.values():
                container.stop()
            servers.stop()


def _setting(around: Surroundings, name: str) -> str:
    return next(variables[name] for variables in around.config_maps.values() if name in variables)


def _describe(servers: ContainedServers, folder: Path) -> ContainedStack:
    clients = folder / "frontline-clients"
    clients.mkdir()
    key = create_key(clients / "clients.json", "tests", scopes=ALL_SCOPES, now=SystemClock().now())
    return ContainedStack(
        urls={},
        admin_urls={},
        database_urls={},
        key=key,
        topics={service: topic_name(service) for service in SERVICES},
        servers=Servers(postgres_url=servers.postgres_url, kafka_bootstrap=servers.kafka_bootstrap),
        folder=folder,
        contained=servers,
    )


async def _create_topics(servers: ContainedServers, manifests: Installation) -> None:
    """What the topic operator would do with the manifests."""
    topics = [
        NewTopic(
            topic_of(topic),
            topic.find("spec.partitions"),
            topic.find("spec.replicas"),
            topic_configs={name: str(value) for name, value in topic.find("spec.config").items()},
        )
        for topic in manifests.topics
    ]
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics(topics)
    finally:
        await admin.close()


def _write_secrets(stack: ContainedStack, service: str) -> None:
    """A database with its two roles, and the Secrets that the manifests name."""
    made = create_database(stack.servers.postgres_url, service, passwords=(f"{service}1", f"{service}2"))
    stack.database_urls[service] = made.runtime_url
    secrets: dict[str, Mapping[str, str]] = {
        f"{service}-database": {"url": _inside(made.runtime_url)},
        f"{service}-database-owner": {"url": _inside(made.owner_url)},
    }
    if service in CALLERS:
        clients = stack.folder / "frontline-clients" / "clients.json"
        key = create_key(clients, service, scopes=CALLERS[service], now=SystemClock().now())
        secrets[f"{service}-peers"] = {"key": key}
        clients.chmod(0o644)  # as Secrets are mounted; root owns it, the services read it
    for name, files in secrets.items():
        (stack.folder / name).mkdir()
        for key, text in files.items():
            (stack.folder / name / key).write_text(text)


def _inside(url: str) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@{POSTGRES_ALIAS}:5432"))


async def _migrate(manifests: Installation, around: Surroundings) -> None:
    jobs = [pod for manifest in manifests.migrations for pod in pods_of(manifest)]
    await asyncio.gather(*(asyncio.to_thread(_run_to_end, pod, around) for pod in jobs))


def _run_to_end(pod: Pod, around: Surroundings) -> None:
    with contain(pod, around, aliases=(), ports={}) as job:
        code = job.wait()
        assert code == 0, f"{pod.owner.name} ended with {code}: {b''.join(job.get_logs()).decode(errors='replace')}"


def _start(stack: ContainedStack, manifests: Installation, around: Surroundings) -> None:
    for pod in (pod for manifest in manifests.running for pod in pods_of(manifest)):
        name = f"{pod.service}-{pod.component}"
        http, admin = free_ports(2)
        if name == "feedback-api":  # where the links lead that customers get
            http = int(around.overridden[_PUBLIC_URL].rpartition(":")[2])
        aliases = _service_names(manifests, pod)
        stack.pods[name] = pod
        stack.containers[name] = contain(pod, around, aliases=aliases, ports={"http": http, "admin": admin}).start()
        stack.admin_urls[name] = f"http://127.0.0.1:{admin}"
        if pod.component == "api":
            stack.urls[pod.service] = f"http://127.0.0.1:{http}"


def _service_names(manifests: Installation, pod: Pod) -> list[str]:
    """The names of the Services that lead to a pod."""
    leading = [
        one for one in manifests.of("Service") if selects({"matchLabels": one.find("spec.selector")}, pod.labels)
    ]
    listens = {port["name"]: port["containerPort"] for one in pod.containers() for port in one.document["ports"]}
    for service in leading:
        for port in service.find("spec.ports"):
            # A network alias is a name alone: where a Service translates the port too, nobody would answer here.
            assert port["port"] == listens[port["targetPort"]], f"{service.name} leads {port} to {listens}"
    return [service.name for service in leading]
