"""Reading a stretch of a log from its beginning to its end, apart from any group."""
# aiokafka carries no types, see `kafka`.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from common.backbone.kafka import OPEN_LIMIT, REQUEST_LIMIT, Dealt, KafkaIncoming, partitions_of
from common.backbone.protocols import LogEnded, OffsetLost, Place, Record
from common.errors import Unavailable
from common.settings import KafkaSettings

_MAX_RECORDS = 1_000
_SILENCE_S = 30.0


class KafkaReading(KafkaIncoming):
    """Partitions read on one's own account, without a group: nobody is disturbed, and no offset is kept."""

    def start(self, ranges: Mapping[Place, tuple[int, int]]) -> None:
        """Read each partition from its first offset on."""
        for place, (first, _) in ranges.items():
            self.seek(place, first)

    async def position(self, place: Place) -> int:
        """The offset that the next poll goes on with."""
        try:
            async with asyncio.timeout(REQUEST_LIMIT.total_seconds()):
                return await self._consumer.position(TopicPartition(*place))
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka does not say where {place} stands: {error!r}") from error

    async def find_offsets(self, places: Collection[Place], at: datetime) -> dict[Place, int]:
        """By partition the first offset that is not older than that; absent where none is so young."""
        wanted = {partition: int(at.timestamp() * 1000) for partition in partitions_of(places)}
        try:
            async with asyncio.timeout(REQUEST_LIMIT.total_seconds()):
                found = await self._consumer.offsets_for_times(wanted)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka does not say its offsets: {error!r}") from error
        return {Place(tp.topic, tp.partition): known.offset for tp, known in found.items() if known is not None}


@asynccontextmanager
async def open_reading(settings: KafkaSettings, places: Collection[Place]) -> AsyncGenerator[KafkaReading]:
    """Read these partitions from wherever `KafkaReading.start` says.

    Raises:
        Unavailable: Kafka does not answer.
    """
    consumer = AIOKafkaConsumer(
        **settings.client_arguments(),  # pyright: ignore[reportArgumentType] - checked by the settings' own types
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=2 * 1024 * 1024,
        isolation_level="read_committed",
        request_timeout_ms=15_000,
    )
    consumer.assign(partitions_of(places))
    reading = KafkaReading(consumer, Dealt())
    try:
        try:
            async with asyncio.timeout(OPEN_LIMIT.total_seconds()):
                await consumer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka does not answer at {settings.bootstrap}: {error!r}") from error
        yield reading
    finally:
        await reading.close()


async def read_range(log: KafkaReading, ranges: Mapping[Place, tuple[int, int]]) -> AsyncGenerator[list[Record]]:
    """Every record of these partitions between two offsets, in batches, each partition in its order.

    Args:
        ranges: by partition the first offset, and the one behind the last.
    Raises:
        Unavailable: Kafka does not answer, gives nothing for 30 s, or has deleted meanwhile what was to be read.
    """
    waiting = {place for place, (first, end) in ranges.items() if first < end}
    log.start(ranges)
    loop = asyncio.get_running_loop()
    heard_at = loop.time()
    while waiting:
        try:
            polled = await log.poll(_MAX_RECORDS)
        except OffsetLost as lost:
            raise Unavailable(f"what was to be read is gone: {lost}") from lost
        except LogEnded as ended:
            raise Unavailable(f"Kafka has to be read anew: {ended}") from ended
        records = [each for place in polled for each in polled[place] if each.offset < ranges[place][1]]
        for place in list(waiting):
            # A position passes what is no record of ours: the marks of transactions, and what compaction removed.
            if await log.position(place) >= ranges[place][1]:
                waiting.remove(place)
        if polled:
            heard_at = loop.time()
        elif waiting and loop.time() - heard_at > _SILENCE_S:
            raise Unavailable(f"Kafka gives nothing of {min(waiting)} for {_SILENCE_S} s")
        if records:
            yield records
