"""Run intake's API and the baseline in turn, one process each, and record what both did."""

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import msgspec
import uvloop

from benchmarks.accept import baseline
from benchmarks.accept.load import Measured, load
from benchmarks.report import Row, record
from common.clock import SystemClock
from common.ids import new_id
from common.web.clients import create_key
from tests.support.ports import free_ports
from tests.support.servers import servers_for_tests

_RUNS = 3
_POOL = 16
_BODY = msgspec.json.encode(
    {
        "subject": "Printer on the third floor does not print",
        "description": "It shows a paper jam, but there is none. " * 8,
        "requester": {"system": "crm", "external_id": "#00000", "name": "A. Customer"},
        "source": {"channel": "api"},
        "category": "hardware",
        "component": "printer",
        "impact": 3,
        "urgency": 2,
    }
)
_REQUESTERS = 5_000
"""Different people who write; each is known after the first time."""
_runs = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One running server."""

    name: str
    port: int
    key: str
    database: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run of one contestant."""

    measured: Measured
    database_us: float
    """Microseconds of processor time that PostgreSQL's backends spent on a ticket."""


async def measure(contestant: Contestant, *, connections: int, length_s: float) -> Result:
    """One run."""
    label = next(_runs)

    def request(number: int) -> bytes:
        return (
            b"POST /v1/tickets HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\nauthorization: Bearer "
            + contestant.key.encode()
            + f"\r\nidempotency-key: {label}-{number}\r\ncontent-length: {len(_BODY)}\r\n\r\n".encode()
            + _BODY.replace(b"#00000", b"#%05d" % (number % _REQUESTERS))
        )

    await load(contestant.port, request, connections=connections, warm_up_s=0, length_s=length_s / 5)
    before = await _backend_seconds(contestant.database)
    label = next(_runs)
    measured = await load(contestant.port, request, connections=connections, warm_up_s=0, length_s=length_s)
    spent = await _backend_seconds(contestant.database) - before
    if measured.others:
        raise RuntimeError(f"{contestant.name} answered {measured.others[0]} {len(measured.others)} times")
    return Result(measured=measured, database_us=1e6 * spent / len(measured.seconds))


async def _backend_seconds(database: str) -> float:
    """Processor seconds of the backends of a database on this machine; 0 where they run elsewhere."""
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()
    return sum(_processor_seconds(row["pid"]) for row in rows)


def _processor_seconds(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def contestants(postgres_url: str, folder: Path) -> AsyncGenerator[tuple[Contestant, Contestant]]:
    """Ours and the baseline, each with a database of its own."""
    clients = folder / "clients.json"
    key = create_key(clients, "bench", scopes=["tickets:write"], now=SystemClock().now())
    ports = free_ports(3)
    ours_url, theirs_url = [await _make_database(postgres_url, name) for name in ("ours", "theirs")]
    environment = {
        "FRONTLINE_DATABASE_URL": ours_url,
        "FRONTLINE_DATABASE_POOL_SIZE": str(_POOL),
        "FRONTLINE_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "FRONTLINE_API_HOST": "127.0.0.1",
        "FRONTLINE_API_PORT": str(ports[0]),
        "FRONTLINE_API_CLIENTS_FILE": str(clients),
        "FRONTLINE_ADMIN_HOST": "127.0.0.1",
        "FRONTLINE_ADMIN_PORT": str(ports[1]),
    }
    _start(environment, "intake", "migrate").wait()
    theirs = await asyncpg.connect(theirs_url)
    await theirs.execute(baseline.TABLES)
    await theirs.close()
    processes = [
        _start(environment, "intake", "api"),
        _start({"URL": theirs_url, "KEY": key}, "benchmarks.accept.baseline", str(ports[2])),
    ]
    try:
        await asyncio.gather(
            _wait_for(f"http://127.0.0.1:{ports[1]}/readyz"), _wait_for(f"http://127.0.0.1:{ports[2]}/docs")
        )
        yield (
            Contestant(name="intake", port=ports[0], key=key, database=ours_url),
            Contestant(name="baseline", port=ports[2], key=key, database=theirs_url),
        )
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        for url in (ours_url, theirs_url):
            await _drop_database(postgres_url, url)


def _start(environment: Mapping[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FRONTLINE_")}
    return subprocess.Popen([sys.executable, "-m", *arguments], env={**kept, **environment})


async def _make_database(postgres_url: str, name: str) -> str:
    database = f"bench_{name}_{new_id().hex[-12:]}"
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"create database {database}")
    await admin.close()
    return f"{postgres_url.rpartition('/')[0]}/{database}"


async def _drop_database(postgres_url: str, url: str) -> None:
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f"drop database {url.rpartition('/')[2]} with (force)")
    await admin.close()


async def _wait_for(url: str) -> None:
    limit = time.monotonic() + 60
    async with httpx.AsyncClient() as http:
        while time.monotonic() < limit:
            try:
                if (await http.get(url)).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # it is not there yet; the limit decides
            await asyncio.sleep(0.1)
    raise RuntimeError(f"{url} did not come up")


def keep(connections: int, ours: Sequence[Result], theirs: Sequence[Result]) -> None:
    """Record the rows of one number of connections."""
    what, beside = f"POST /v1/tickets, {connections} connections", "FastAPI + asyncpg by hand, one statement"

    def row(suffix: str, unit: str, mine: list[float], others: list[float], **bar: float) -> None:
        record(Row(id="S1", what=what + suffix, unit=unit, runs=mine, baseline=beside, baseline_runs=others, **bar))

    row("", "tickets/s", [r.measured.per_second for r in ours], [r.measured.per_second for r in theirs], at_least=2.0)
    row(
        ", p99", "ms", [r.measured.percentile(0.99) for r in ours], [r.measured.percentile(0.99) for r in theirs],
        at_most=1.0,
    )  # fmt: skip
    if all(result.database_us > 0 for result in (*ours, *theirs)):
        row(
            ", PostgreSQL", "µs CPU/ticket", [r.database_us for r in ours], [r.database_us for r in theirs], at_most=0.5
        )


async def main(*, length_s: float) -> None:
    """Measure with 32 and 128 connections, in turn."""
    with servers_for_tests() as servers, tempfile.TemporaryDirectory() as folder:
        async with contestants(servers.postgres_url, Path(folder)) as (ours, theirs):
            for connections in (32, 128):
                mine: list[Result] = []
                others: list[Result] = []
                for _ in range(_RUNS):
                    mine.append(await measure(ours, connections=connections, length_s=length_s))
                    others.append(await measure(theirs, connections=connections, length_s=length_s))
                keep(connections, mine, others)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="15 seconds a run instead of 3")
    uvloop.run(main(length_s=15 if parser.parse_args().full else 3))
