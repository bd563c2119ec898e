"""PostgreSQL and Kafka as containers, reached by the services by the names in their settings, and by tests by ports."""

import secrets
from dataclasses import dataclass

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from tests.containers.images import Images
from tests.support.eventually import eventually
from tests.support.ports import free_ports

POSTGRES_ALIAS = "postgresql"
_INSIDE = 9092
_OUTSIDE = 9094
_LOOPBACK = "127.0.0.1"
_READY_S = 90.0


@dataclass(kw_only=True)
class ContainedServers:
    """Both servers and where a test reaches them; restarting one keeps its data and its ports."""

    postgres: DockerContainer
    kafka: DockerContainer
    postgres_url: str
    kafka_bootstrap: str

    async def wait(self) -> None:
        """Until both answer."""
        await eventually(self._postgres_answers, within=_READY_S)
        await eventually(self._kafka_answers, within=_READY_S)

    def restart(self, server: DockerContainer) -> None:
        """Stop a server as its engine would at a reboot, and start it again."""
        server.get_wrapped_container().restart(timeout=30)

    def stop(self) -> None:
        """Remove both with their data."""
        self.kafka.stop()
        self.postgres.stop()

    async def _postgres_answers(self) -> bool:
        try:
            await (await asyncpg.connect(self.postgres_url, timeout=5)).close()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as away:
            _check_runs(self.postgres)
            raise AssertionError(f"PostgreSQL: {away!r}") from away
        return True

    async def _kafka_answers(self) -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka_bootstrap, request_timeout_ms=5000)
        try:
            await admin.start()
            await admin.list_topics()
        except (OSError, KafkaError) as away:
            _check_runs(self.kafka)
            raise AssertionError(f"Kafka: {away!r}") from away
        finally:
            await admin.close()
        return True


def start_servers(images: Images, network: Network, *, kafka_host: str) -> ContainedServers:
    """Start both; they may need a while until they answer.

    Args:
        kafka_host: the name by which the services' settings call Kafka.
    """
    postgres_port, kafka_port = free_ports(2)
    password = secrets.token_hex(16)
    postgres = DockerContainer(images.postgres, command="postgres -c max_connections=400")
    postgres.with_env("POSTGRES_PASSWORD", password)
    kafka = DockerContainer(images.kafka).with_envs(**_kafka_settings(kafka_host, kafka_port))
    for server, alias, inside, outside in (
        (postgres, POSTGRES_ALIAS, 5432, postgres_port),
        (kafka, kafka_host, _OUTSIDE, kafka_port),
    ):
        server.with_network(network).with_network_aliases(alias)
        server.ports[f"{inside}/tcp"] = (_LOOPBACK, outside)
        server.start()
    return ContainedServers(
        postgres=postgres,
        kafka=kafka,
        postgres_url=f"postgresql://postgres:{password}@{_LOOPBACK}:{postgres_port}/postgres",
        kafka_bootstrap=f"{_LOOPBACK}:{kafka_port}",
    )


def _check_runs(server: DockerContainer) -> None:
    """Waiting for a server that has ended is of no use.

    Raises:
        RuntimeError: it has; the message is its last words.
    """
    server.reload()
    if server.status == "exited":
        raise RuntimeError(f"{server.image} ended: {b''.join(server.get_logs()).decode(errors='replace')[-3000:]}")


def _kafka_settings(host: str, port: int) -> dict[str, str]:
    settings = {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "LISTENERS": f"INSIDE://:{_INSIDE},OUTSIDE://:{_OUTSIDE},CONTROLLER://:9093",
        "ADVERTISED_LISTENERS": f"INSIDE://{host}:{_INSIDE},OUTSIDE://{_LOOPBACK}:{port}",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "INTER_BROKER_LISTENER_NAME": "INSIDE",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "LISTENER_SECURITY_PROTOCOL_MAP": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
    }
    return {f"KAFKA_{name}": value for name, value in settings.items()}
