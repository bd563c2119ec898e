"""S5: the relay beside Debezium's tuned outbox connector: how fast rows leave, and how soon a commit is in the topic.

Both relays are processes of their own, on one PostgreSQL that writes its log for logical decoding, and one broker that
stamps records itself. Rows wait, are let go, and the rate is that from the first append to the last. Then 100 events a
second are committed one by one, and a subscriber notes how long after the commit it holds each. The connector's rows
gather while it is stopped, its Java is warm, and the first run of both is thrown away.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
import uvloop
from sqlalchemy import text

from benchmarks.debezium.arrivals import Subscriber, subscribed
from benchmarks.debezium.connector import INSERT, fetch_connector, insert_rows, running_connector, slot_for_connector
from benchmarks.report import Row, record
from benchmarks.support.events import fresh_database, fresh_topic, make_rows, pending_rows
from benchmarks.support.processors import Processors
from common.backbone.protocols import OutboxRow
from common.database import Database
from common.errors import Unavailable
from common.ids import new_id
from common.lifecycle import freeze_memory
from common.transaction import Origin
from contracts.intake import TicketCreated
from contracts.topics import TOPICS
from devstack.kafka import FULL_JVM
from devstack.progress import Cancel, Silent
from devstack.servers import EmbeddedServers, start_both
from tests.support.eventually import eventually
from tests.support.servers import Servers

_RUNS = 3
_SIZES = {False: (10_000, 40_000), True: (10_000, 100_000, 1_000_000)}
_PER_S = 100
_LATENCY_S = 15
_TOPIC = TOPICS["intake"].name
_APPENDED = {"message.timestamp.type": "LogAppendTime"}
_OURS, _THEIRS = "ours", "Debezium"
_BASELINE = "Debezium's outbox connector, tuned"
Kept = dict[str, list[float]]


async def main(servers: Servers, sizes: Sequence[int], scratch: Path) -> None:
    """Measure ours and the connector in turn; ours alone where the connector cannot be had."""
    rows = make_rows(sizes[-1])
    freeze_memory()
    try:
        jars, absent = fetch_connector(), ""
    except Unavailable as unavailable:
        jars, absent = [], f"Debezium was not run: {unavailable.detail}"
        print(absent)
    processors = Processors(servers)
    ours: Kept = {}
    theirs: Kept = {}
    for run in range(_RUNS + 1):
        ran = Run(servers=servers, rows=rows, sizes=sizes, processors=processors, number=run)
        await measure_ours(replace(ran, kept=ours))
        if jars:
            folder = scratch / f"connect{run}"
            folder.mkdir()
            await measure_connector(replace(ran, kept=theirs), jars, folder)
    note = absent or "; ".join(processors.say(name) for name in (_OURS, _THEIRS))
    _record(ours, theirs, sizes, note=note)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run of either is given, and where its figures go."""

    servers: Servers
    rows: Sequence[OutboxRow]
    sizes: Sequence[int]
    processors: Processors
    number: int
    kept: Kept = field(default_factory=dict[str, list[float]])

    def keep(self, name: str, figure: float) -> None:
        """Note a figure; those of the first run are thrown away."""
        print(f"  run {self.number}: {name} {figure:,.1f}", flush=True)
        if self.number:
            self.kept.setdefault(name, []).append(figure)

    async def keep_waits(self, subscriber: Subscriber, commit: Callable[[int], Awaitable[UUID]]) -> None:
        """Commit events at the rate and note how long they took."""
        waits = sorted(await subscriber.measure_waits(commit, per_s=_PER_S, count=_PER_S * _LATENCY_S))
        self.keep("p50", waits[len(waits) // 2])
        self.keep("p99", waits[int(0.99 * len(waits))])

    def taken_by(self, name: str, size: int, **more: int) -> AbstractContextManager[None]:
        """What the block takes of the processors."""
        return self.processors.taken_by(name, events=size if self.number else 0, more=more)


async def measure_ours(run: Run) -> None:
    """Rates at each size and waits, of our relay."""
    async with fresh_topic(run.servers, _TOPIC, options=_APPENDED) as prefix:
        topic = prefix + _TOPIC
        for size in run.sizes:
            async with relayed(run.servers, prefix) as (database, process_id), subscribed(run.servers, topic) as seen:
                async with pending_rows(database, run.rows[:size]):
                    pass
                with run.taken_by(_OURS, size, relay=process_id):
                    run.keep(f"{size}", await seen.measure_rate(size))
        async with relayed(run.servers, prefix) as (database, _), subscribed(run.servers, topic) as seen:

            async def commit(number: int) -> UUID:
                row = run.rows[number]
                async with database.begin(Origin(actor="client:bench")) as tx:
                    tx.add_events(f"ticket/{row.key}", [msgspec.json.decode(row.payload, type=TicketCreated)])
                return tx.published[0].id

            await run.keep_waits(seen, commit)


async def measure_connector(run: Run, jars: Sequence[Path], folder: Path) -> None:
    """The same, of the connector."""
    async with (
        fresh_topic(run.servers, _TOPIC, options=_APPENDED) as prefix,
        fresh_database(run.servers) as database,
        slot_for_connector(database),
    ):
        topic, url = prefix + _TOPIC, _url_of(run.servers, database)
        with running_connector(jars, run.servers, database_url=url, topic=topic, folder=folder) as connector:
            await connector.wait_until_running()
            # The first for nothing, since Java compiles what it runs often.
            for number, size in enumerate((run.sizes[0], *run.sizes)):
                await connector.stop()
                await insert_rows(database, run.rows[:size])
                async with subscribed(run.servers, topic) as seen:
                    with run.taken_by(_THEIRS, size if number else 0, Connect=connector.process_id):
                        await connector.resume()
                        rate = await seen.measure_rate(size)
                if number:
                    run.keep(f"{size}", rate)
            connection = await database.connect_raw()

            async def commit(number: int) -> UUID:
                event_id = new_id()
                await connection.execute(INSERT, event_id, run.rows[number].key, run.rows[number].payload.decode())
                return event_id

            async with subscribed(run.servers, topic) as seen:
                await run.keep_waits(seen, commit)
            await connection.close()


@asynccontextmanager
async def relayed(servers: Servers, prefix: str) -> AsyncGenerator[tuple[Database, int]]:
    """A database with our relay on it, and the relay's process id."""
    async with fresh_database(servers) as database:
        arguments = [_url_of(servers, database), servers.kafka_bootstrap, prefix]
        relay = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.debezium.relay", *arguments)
        try:
            await eventually(lambda: _holds_all(database), within=30)
            yield database, relay.pid
        finally:
            relay.terminate()
            await relay.wait()


async def _holds_all(database: Database) -> bool:
    async with database.read() as connection:
        asked = "select count(*) = 8 from outbox_lease where expires_at > now()"
        return bool(await connection.scalar(text(asked)))


def _url_of(servers: Servers, database: Database) -> str:
    return f"{servers.postgres_url.rpartition('/')[0]}/{database.engine.url.database}"


def _record(ours: Kept, theirs: Kept, sizes: Sequence[int], *, note: str) -> None:
    waits = f"commit to topic at {_PER_S} events/s"
    wanted: list[tuple[str, str, str, float | None, float | None]] = [
        *((f"{size}", f"relay carries {size:,} rows", "events/s", 1.2, None) for size in sizes),
        ("p50", f"{waits}, p50", "ms", None, 0.8),
        ("p99", f"{waits}, p99", "ms", None, 1.0),
    ]
    for name, what, unit, at_least, at_most in wanted:
        beside = theirs.get(name, [])
        record(
            Row(
                id="S5",
                what=what,
                unit=unit,
                runs=ours[name],
                baseline=_BASELINE if beside else "",
                baseline_runs=beside,
                at_least=at_least if beside else None,
                at_most=at_most if beside else None,
                note=note,
            )
        )


@contextmanager
def logical_servers(folder: Path) -> Generator[Servers]:
    """Durable servers of our own, whose PostgreSQL writes its log so that it can be decoded."""
    folder.chmod(0o711)  # root's PostgreSQL runs as `nobody`, who must be able to pass
    servers = EmbeddedServers(
        postgres=folder / "postgres", kafka=folder / "kafka", logs=folder / "logs", jvm_options=FULL_JVM
    )
    try:
        asyncio.run(_write_logical(servers.start_postgres(Silent(), Cancel())))
        servers.stop()  # the setting counts from the next start
        found = start_both(servers, progress=Silent(), cancel=Cancel())
        yield Servers(postgres_url=found.postgres_url, kafka_bootstrap=found.kafka_bootstrap)
    finally:
        servers.stop()
        servers.remove()


async def _write_logical(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("alter system set wal_level = 'logical'")
    await connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help=f"sizes {_SIZES[True]} instead of {_SIZES[False]}")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, logical_servers(Path(scratch)) as servers:
        uvloop.run(main(servers, _SIZES[asked.full], Path(scratch)))
