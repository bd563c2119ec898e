"""S4: the relay drains its outbox into Kafka, beside a raw producer that sends the same bytes from memory.

Both baselines are idempotent with acks=all and zstd, tuned as the relay's own producer is. `send` goes in windows of
5,000 records, each window awaited; `send_batch` packs each window by partition. Neither reads nor deletes anything.
Beyond 100,000 they take the same messages again and again.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import cycle, islice

import uvloop
from aiokafka import AIOKafkaProducer
from sqlalchemy import text

from benchmarks.report import Row, record
from benchmarks.support.events import PARTITIONS, fresh_database, fresh_topic, make_rows, pending_rows
from benchmarks.support.processors import Processors
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
_SIZES = {False: (10_000, 40_000), True: (10_000, 100_000, 1_000_000)}
_MESSAGES = 100_000
_WINDOW = 5_000
_TOPIC = TOPICS["intake"].name
Message = tuple[bytes, bytes, list[Header], int]


async def measure_relay(
    servers: Servers, prefix: str, rows: Sequence[OutboxRow], taking: Callable[[], AbstractContextManager[None]]
) -> float:
    """Events a second from the commit that makes all rows visible to the last deletion.

    Args:
        taking: entered for as long as the relay works, so that what writes the rows does not count.
    """
    kafka = KafkaSettings(bootstrap=servers.kafka_bootstrap, topic_prefix=prefix, partitions=PARTITIONS)
    stop = asyncio.Event()
    async with fresh_database(servers) as database, asyncio.TaskGroup() as group:
        relay = run_relay(database=database, kafka=kafka, service="intake", beat=lambda: None, stop=stop)
        async with pending_rows(database, rows):
            spawn(group, relay, name="relay")
            await eventually(
                lambda: _is_true(database, "select count(*) = 8 from outbox_lease where expires_at > now()")
            )
        with taking():
            begin = time.perf_counter()
            await eventually(lambda: _is_true(database, "select not exists (select from outbox)"), within=600)
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


async def main(sizes: Sequence[int]) -> None:
    """Measure every size."""
    rows = make_rows(sizes[-1])
    messages = [
        (row.key.encode(), row.payload, kafka_headers(row.headers, row.seq), partition_of(row.key, PARTITIONS))
        for row in rows[:_MESSAGES]
    ]
    freeze_memory()
    with servers_for_tests() as servers:
        for size in sizes:
            await measure(servers, rows[:size], messages)


async def measure(servers: Servers, rows: Sequence[OutboxRow], messages: Sequence[Message]) -> None:
    """Measure in turn, so that each run has its baselines beside it; the first run is thrown away."""
    count = len(rows)
    messages = list(islice(cycle(messages), count))
    processors = Processors(servers)
    rates: dict[str, list[float]] = {"send": [], "relay": [], "send_batch": []}
    for number in range(_RUNS + 1):
        events = count if number else 0
        async with fresh_topic(servers, _TOPIC) as prefix:
            with processors.taken_by("send", events=events):
                send = await measure_producer(servers, prefix + _TOPIC, messages, batches=False)
            relay = await measure_relay(servers, prefix, rows, partial(processors.taken_by, "relay", events=events))
            with processors.taken_by("send_batch", events=events):
                send_batch = await measure_producer(servers, prefix + _TOPIC, messages, batches=True)
        if number:
            for name, rate in (("send", send), ("relay", relay), ("send_batch", send_batch)):
                rates[name].append(rate)
    for baseline, bar in (("send", 1.0), ("send_batch", 0.5)):
        record(
            Row(
                id="S4",
                what=f"relay drains {count:,} rows, against {baseline}",
                unit="events/s",
                runs=rates["relay"],
                baseline=f"raw aiokafka {baseline}, windows of 5,000",
                baseline_runs=rates[baseline],
                at_least=bar,
                note=f"{processors.say('relay')}; {processors.say(baseline)}",
            )
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="three sizes up to 1,000,000 rows instead of 40,000")
    uvloop.run(main(_SIZES[parser.parse_args().full]))
