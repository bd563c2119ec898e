"""Processes of a service: what they say when something is wrong, and how they end."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from common.clock import SystemClock
from common.ids import new_id
from common.lifecycle import spawn
from common.web.clients import create_key
from contracts.topics import TOPICS, topic_name
from tests.support.backbone import create_topics, kafka_settings
from tests.support.eventually import eventually
from tests.support.ports import free_ports
from tests.support.servers import Servers

_LIMIT_S = 30
NOTES = "tests.support.notes"


@pytest.fixture
def environment(empty_database: str, tmp_path: Path) -> dict[str, str]:
    """Settings of a notes service on an empty database."""
    clients = tmp_path / "clients.json"
    key = create_key(clients, "tester", scopes=["tickets:read", "tickets:write"], now=SystemClock().now())
    api, admin = free_ports(2)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("FRONTLINE_")},
        "FRONTLINE_DATABASE_URL": empty_database,
        "FRONTLINE_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "FRONTLINE_API_HOST": "127.0.0.1",
        "FRONTLINE_API_PORT": str(api),
        "FRONTLINE_API_CLIENTS_FILE": str(clients),
        "FRONTLINE_ADMIN_HOST": "127.0.0.1",
        "FRONTLINE_ADMIN_PORT": str(admin),
        "FRONTLINE_LIFE_DRAIN_TIMEOUT": "10s",
        "KEY": key,
    }


async def start(environment: Mapping[str, str], *arguments: str, module: str = NOTES) -> Process:
    """Start a service with these arguments."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, env=dict(environment), stdout=PIPE, stderr=PIPE
    )


async def finish(process: Process) -> tuple[int | None, str, str]:
    """Its exit code, standard output and standard error, when it has ended."""
    async with asyncio.timeout(_LIMIT_S):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def run(environment: Mapping[str, str], *arguments: str, module: str = NOTES) -> tuple[int | None, str, str]:
    """Start and finish."""
    return await finish(await start(environment, *arguments, module=module))


@asynccontextmanager
async def running(environment: Mapping[str, str], *arguments: str, module: str = NOTES) -> AsyncGenerator[Process]:
    """A process that is killed at the end of a test, if it still runs."""
    process = await start(environment, *arguments, module=module)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def admin_of(environment: Mapping[str, str]) -> httpx.AsyncClient:
    """A client of the admin port."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{environment['FRONTLINE_ADMIN_PORT']}")


def api_of(environment: Mapping[str, str]) -> httpx.AsyncClient:
    """A client of the API, with a key."""
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{environment['FRONTLINE_API_PORT']}",
        headers={"authorization": f"Bearer {environment['KEY']}"},
        timeout=40,
    )


async def wait_for_page(admin: httpx.AsyncClient, page: str, status: int) -> None:
    """Wait until a page of the admin port has this status."""

    async def there() -> bool:
        try:
            return (await admin.get(page)).status_code == status
        except httpx.TransportError:
            return False

    await eventually(there, within=_LIMIT_S)


async def test_check_config_says_yes_or_what_is_wrong(environment: dict[str, str]) -> None:
    """Without a server; one line for each problem and exit code 2."""
    assert await run(environment, "api", "--check-config") == (0, "configuration is valid\n", "")
    code, _, errors = await run({**environment, "FRONTLINE_DATABSE_URL": "x", "FRONTLINE_LOG_LEVEL": "loud"}, "api")
    assert code == 2
    lines = errors.splitlines()
    assert len(lines) == 2
    assert lines[0] == "FRONTLINE_DATABSE_URL is not a setting; the nearest is FRONTLINE_DATABASE_URL"
    assert lines[1].startswith("FRONTLINE_LOG_LEVEL: ")


@pytest.mark.parametrize(
    ("arguments", "changes", "remedy"),
    [
        (("api",), {"FRONTLINE_API_CLIENTS_FILE": "/no/such/file"}, "cannot read the API clients file"),
        (("serve",), {"FRONTLINE_API_CLIENTS_FILE": None}, "FRONTLINE_API_CLIENTS_FILE is required"),
        (("worker", "--roles", "relai"), {}, "has no role relai"),
    ],
)
async def test_check_config_looks_at_all_that_needs_no_server(
    environment: dict[str, str], arguments: tuple[str, ...], changes: dict[str, str | None], remedy: str
) -> None:
    """Files and roles too; what a command does not use may be absent."""
    given = {name: value for name, value in {**environment, **changes}.items() if value is not None}
    code, _, errors = await run(given, *arguments, "--check-config")
    assert (code, len(errors.splitlines())) == (2, 1), errors
    assert remedy in errors


async def test_what_must_be_mended_is_one_line(environment: dict[str, str]) -> None:
    """A schema behind, a database that does not exist, a wrong role, no clients, a taken port: exit code 2."""
    url = environment["FRONTLINE_DATABASE_URL"]
    [taken] = free_ports(1)
    listener = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", taken)
    cases: list[tuple[dict[str, str], str]] = [
        ({}, "run the migrate command"),
        ({"FRONTLINE_DATABASE_URL": url + "_absent"}, "create the database"),
        ({"FRONTLINE_DATABASE_URL": url.replace(urlsplit(url).username or "", "nobody_known")}, "FRONTLINE_DATABASE_"),
        ({"FRONTLINE_API_CLIENTS_FILE": "/no/such/file"}, "cannot read the API clients file"),
        ({"FRONTLINE_API_PORT": str(taken)}, "change FRONTLINE_API_PORT"),
    ]
    async with listener:
        for changes, remedy in cases:
            code, _, errors = await run({**environment, **changes}, "api")
            told = [line for line in errors.splitlines() if not line.startswith("{")]
            assert code == 2, errors
            assert len(told) == 1, errors
            assert remedy in told[0]
    assert (await run(environment, "worker", "--roles", "relai"))[0] == 2


async def test_sigterm_lets_requests_finish(environment: dict[str, str]) -> None:
    """A long poll ends at once, a command that waits for a lock is answered, then the process ends with 0."""
    assert (await run(environment, "migrate"))[0] == 0
    async with running(environment, "serve", "--roles", "timers") as process, api_of(environment) as api:
        async with admin_of(environment) as admin:
            await wait_for_page(admin, "/readyz", 200)
            assert (await admin.get("/livez")).status_code == 200
            assert (await admin.get("/startupz")).status_code == 200
        async with asyncio.TaskGroup() as group:
            poll = spawn(group, api.get("/v1/notes/next?wait_s=30"), name="poll")
            writes = [
                spawn(
                    group,
                    api.post("/v1/notes", json={"text": "x"}, headers={"idempotency-key": str(n)}),
                    name=f"write-{n}",
                )
                for n in range(50)
            ]
            first = await api.get("/v1/notes")
            process.send_signal(signal.SIGTERM)
        code, _, errors = await finish(process)
    assert first.status_code == 200
    assert code == 0, errors
    assert poll.result().status_code == 200
    assert {write.result().status_code for write in writes} == {201}


async def test_a_database_that_is_away_is_waited_for(environment: dict[str, str]) -> None:
    """Alive but not ready, until it comes; a stop during the wait is obeyed at once."""
    assert (await run(environment, "migrate"))[0] == 0
    url = environment["FRONTLINE_DATABASE_URL"]
    [port] = free_ports(1)
    parts = urlsplit(url)
    away = url.replace(f":{parts.port}/", f":{port}/")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(parts.hostname, parts.port)
        async with asyncio.TaskGroup() as group:
            spawn(group, copy(reader, behind_writer), name="out")
            spawn(group, copy(behind_reader, writer), name="back")

    async with (
        running({**environment, "FRONTLINE_DATABASE_URL": away}, "serve", "--roles", "timers") as process,
        admin_of(environment) as admin,
    ):
        await wait_for_page(admin, "/livez", 200)
        assert (await admin.get("/readyz")).json() == {"reason": "starting"}
        assert (await admin.get("/startupz")).status_code == 503
        async with await asyncio.start_server(forward, "127.0.0.1", port):
            await wait_for_page(admin, "/readyz", 200)
            async with api_of(environment) as api:
                assert (await api.get("/v1/notes/next")).status_code == 200
            metrics = (await admin.get("/metrics")).text
            process.send_signal(signal.SIGTERM)
            code, _, errors = await finish(process)
    assert code == 0, errors
    assert "python_gc_objects_collected_total" in metrics
    # By the route's pattern, never by the concrete path: that would be a series for each ticket.
    assert 'http_server_request_duration_seconds_count{http_request_method="GET"' in metrics
    assert 'http_route="/v1/notes/next"' in metrics


async def test_a_migration_that_waits_hears_a_stop(environment: dict[str, str]) -> None:
    [port] = free_ports(1)
    absent = {**environment, "FRONTLINE_DATABASE_URL": f"postgresql://x@127.0.0.1:{port}/x"}
    async with running(absent, "migrate") as process:
        assert process.stderr is not None
        async with asyncio.timeout(_LIMIT_S):
            assert b"begins anew in a moment" in await process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        code, _, errors = await finish(process)
    assert code == 1, errors
    assert "was stopped" in errors


@pytest.mark.parametrize("role", ["relay", "consumer"])
async def test_a_worker_is_not_ready_before_it_has_reached_kafka(environment: dict[str, str], role: str) -> None:
    """A release that cannot reach Kafka must not take the place of one that can."""
    assert (await run(environment, "migrate", module="routing"))[0] == 0
    worker = running(environment, "worker", "--roles", role, module="routing")
    async with worker as process, admin_of(environment) as admin:
        await wait_for_page(admin, "/startupz", 200)
        answer = await admin.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"reason": f"not at work yet: {role}"})
        assert (await admin.get("/livez")).status_code == 200
        process.send_signal(signal.SIGTERM)
        code, _, errors = await finish(process)
    assert code == 0, errors


async def test_a_worker_is_ready_when_it_has_reached_kafka(environment: dict[str, str], servers: Servers) -> None:
    assert (await run(environment, "migrate", module="routing"))[0] == 0
    prefix = f"ready{new_id().hex[-8:]}."
    kafka = kafka_settings(servers, prefix)
    await create_topics(kafka, [topic_name(service, prefix) for service in TOPICS])
    reached = {
        **environment,
        "FRONTLINE_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        "FRONTLINE_KAFKA_TOPIC_PREFIX": prefix,
        "FRONTLINE_KAFKA_PARTITIONS": str(kafka.partitions),
    }
    worker = running(reached, "worker", "--roles", "relay,consumer", module="routing")
    async with worker as process, admin_of(reached) as admin:
        await wait_for_page(admin, "/readyz", 200)
        process.send_signal(signal.SIGTERM)
        code, _, errors = await finish(process)
    assert code == 0, errors


async def test_a_stop_while_waiting_for_the_database(environment: dict[str, str]) -> None:
    """Ends with 0 and does not wait for what will not come."""
    [port] = free_ports(1)
    absent = {**environment, "FRONTLINE_DATABASE_URL": f"postgresql://x@127.0.0.1:{port}/x"}
    async with running(absent, "worker", "--roles", "timers") as process, admin_of(environment) as admin:
        await wait_for_page(admin, "/livez", 200)
        process.send_signal(signal.SIGTERM)
        assert (await finish(process))[0] == 0


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes until one side ends."""
    try:
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
    except ConnectionError:
        return  # either side may go first
    finally:
        writer.close()
