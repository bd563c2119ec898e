"""What an ordinary subscriber sees: when the broker appended each record, and how long after its commit it arrived."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.support.events import PARTITIONS
from tests.support.servers import Servers

_LIMIT_S = 600.0
_ID_HEADERS = {"ce_id", "id"}
"""Ours, and the connector's."""


class Subscriber:
    """Reads a topic from its end, as fast as it can."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        """Use `subscribed`."""
        self._consumer = consumer

    async def measure_rate(self, count: int) -> float:
        """Records a second from the append of the first to the append of the last, by the broker's clock."""
        stamps: list[int] = []
        async with asyncio.timeout(_LIMIT_S):
            while len(stamps) < count:
                polled = await self._consumer.getmany(timeout_ms=500)
                stamps += [record.timestamp for records in polled.values() for record in records]
        assert len(stamps) == count, f"{len(stamps)} records arrived of {count} rows"
        return 1000 * count / max(1, max(stamps) - min(stamps))

    async def measure_waits(self, commit: Callable[[int], Awaitable[UUID]], *, per_s: int, count: int) -> list[float]:
        """Milliseconds from the end of each commit to its arrival here.

        Args:
            commit: commits the n-th event and returns its id.
        """
        committed: dict[UUID, float] = {}
        arrived: dict[UUID, float] = {}

        async def follow() -> None:
            while len(arrived) < count:
                polled = await self._consumer.getmany(timeout_ms=500)
                now = time.perf_counter()
                for record in (record for records in polled.values() for record in records):
                    arrived.setdefault(UUID(_id_of(record.headers)), now)

        async with asyncio.timeout(_LIMIT_S), asyncio.TaskGroup() as group:
            group.create_task(follow())
            begun = time.perf_counter()
            for number in range(count):
                await asyncio.sleep(max(0.0, begun + number / per_s - time.perf_counter()))
                event_id = await commit(number)
                committed[event_id] = time.perf_counter()
        return [1000 * (arrived[event_id] - at) for event_id, at in committed.items()]


@asynccontextmanager
async def subscribed(servers: Servers, topic: str) -> AsyncGenerator[Subscriber]:
    """A subscriber that stands at the end of every partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers.kafka_bootstrap, max_partition_fetch_bytes=2 * 1024 * 1024)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        for place in places:
            await consumer.position(place)
        yield Subscriber(consumer)
    finally:
        await consumer.stop()


def _id_of(headers: tuple[tuple[str, bytes], ...]) -> str:
    return next(value for name, value in headers if name in _ID_HEADERS).decode()
