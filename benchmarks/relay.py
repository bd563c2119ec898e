"""S4: the relay drains its outbox into Kafka, beside a raw producer that sends the same bytes from memory.

Both baselines are idempotent with acks=all and zstd, tuned as the relay's own producer is. `send` goes in windows of
5,000 records, each window awaited; `send_batch` packs each window by partition. Neither reads nor deletes anything.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence

import uvloop
from aiokafka import AIOKafkaProducer
from sqlalchemy import text

from benchmarks.report import Row, record
from benchmarks.support.events import PARTITIONS, fresh_database, fresh_topic, make_rows, pending_rows
from common.backbone.partitioner import partition_of
from common.backbone.protocols import OutboxRow
from common.backbone.relay import run_relay
from common.database import Database
from common.lifecycle import freeze_memory, spawn
from common.settings import KafkaSettings
from contracts.envelope import Header, kafka_headers
from contracts.topics import TOPICS
from tests.support.eventually import eventually
from tests.support.servers import Servers, servers_for_tests

_RUNS = 3
_WINDOW = 5_000
_TOPIC = TOPICS["intake"].name
Message = tuple[bytes, bytes, list[Header], int]


async def measure_relay(servers: Servers, prefix: str, rows: Sequence[OutboxRow]) -> float:
    """Events a second from the commit that makes all rows visible to the last deletion."""
    kafka = KafkaSettings(bootstrap=servers.kafka_bootstrap, topic_prefix=prefix, partitions=PARTITIONS)
    stop = asyncio.Event()
    async with fresh_database(servers) as database, asyncio.TaskGroup() as group:
        relay = run_relay(database=database, kafka=kafka, service="intake", beat=lambda: None, stop=stop)
        async with pending_rows(database, rows):
            spawn(group, relay, name="relay")
            await eventually(
                lambda: _is_true(database, "select count(*) = 8 from outbox_lease where expires_at > now()")
            )
        begin = time.perf_counter()
        await eventually(lambda: _is_true(database, "select not exists (select from outbox)"), within=300)
        seconds = time.perf_counter() - begin
        stop.set()
    return len(rows) / seconds


async def _is_true(database: Database, question: str) -> bool:
    async with database.read() as connection:
        return bool(await connection.scalar(text(question)))


async def measure_producer(servers: Servers, topic: str, messages: Sequence[Message], *, batches: bool) -> float:
    """Events a second of the raw producer."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers.kafka_bootstrap,
        enable_idempotence=True,
        acks="all",
        compression_type="zstd",
        max_batch_size=512 * 1024,
        linger_ms=0 if batches else 5,
    )
    await producer.start()
    try:
        await producer.partitions_for(topic)
        begin = time.perf_counter()
        for start in range(0, len(messages), _WINDOW):
            window = messages[start : start + _WINDOW]
            await (_send_batches if batches else _send)(producer, topic, window)
        return len(messages) / (time.perf_counter() - begin)
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, topic: str, window: Sequence[Message]) -> None:
    sent = [await producer.send(topic, value, key=key, headers=headers) for key, value, headers, _ in window]
    await asyncio.gather(*sent)


async def _send_batches(producer: AIOKafkaProducer, topic: str, window: Sequence[Message]) -> None:
    batches = {partition: producer.create_batch() for partition in range(PARTITIONS)}
    for key, value, headers, partition in window:
        taken = batches[partition].append(timestamp=None, key=key, value=value, headers=headers)
        assert taken is not None, "the window does not fit into one batch a partition"
    sent = [await producer.send_batch(batch, topic, partition=number) for number, batch in batches.items()]
    await asyncio.gather(*sent)


async def main(count: int) -> None:
    """Measure in turn, so that each run has its baselines beside it."""
    rows = make_rows(count)
    messages = [
        (row.key.encode(), row.payload, kafka_headers(row.headers, row.seq), partition_of(row.key, PARTITIONS))
        for row in rows
    ]
    freeze_memory()
    relay: list[float] = []
    send: list[float] = []
    send_batch: list[float] = []
    with servers_for_tests() as servers:
        for _ in range(_RUNS):
            async with fresh_topic(servers, _TOPIC) as prefix:
                send.append(await measure_producer(servers, prefix + _TOPIC, messages, batches=False))
                relay.append(await measure_relay(servers, prefix, rows))
                send_batch.append(await measure_producer(servers, prefix + _TOPIC, messages, batches=True))
    what = f"relay drains {count:,} rows"
    against = (("send, windows of 5,000", send, 1.0), ("send_batch, windows of 5,000", send_batch, 0.5))
    for baseline, runs, bar in against:
        record(
            Row(
                id="S4",
                what=f"{what}, against {baseline.partition(',')[0]}",
                unit="events/s",
                runs=relay,
                baseline=f"raw aiokafka {baseline}",
                baseline_runs=runs,
                at_least=bar,
            )
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="100,000 rows instead of 40,000")
    uvloop.run(main(100_000 if parser.parse_args().full else 40_000))
