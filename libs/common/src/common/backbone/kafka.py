"""The place that speaks aiokafka, with `reading`: a typed shell around its producer and consumer, with our settings.

aiokafka carries no types, so its own are silenced here and nowhere else.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportPrivateUsage=false, reportMissingTypeArgument=false

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    GroupAuthorizationFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import ConsumerRecord

from common.backbone import tracing
from common.backbone.partitioner import partition_of
from common.backbone.protocols import Delivered, LogEnded, OffsetLost, OutboxRow, Place, Record
from common.errors import Misconfigured, Unavailable
from common.settings import KafkaSettings
from contracts.envelope import kafka_headers

_log = logging.getLogger(__name__)
OPEN_LIMIT = timedelta(seconds=30)
_CLOSE_LIMIT = timedelta(seconds=3)
_LEAVE_LIMIT = timedelta(seconds=10)
REQUEST_LIMIT = timedelta(seconds=5)
_MAX_BATCH_BYTES = 512 * 1024
"""Half of what a broker accepts by default, so that a batch of any content passes."""
_GATHERED_BYTES = 128 * 1024
"""More than gathers in a moment: the broker answers at the end of the time, unless very much is waiting."""
_FETCH_WAIT_MS = 50
_POLL_WAIT_MS = 100
_FETCHED_BYTES = 16 * 1024 * 1024
"""Of all partitions together, so that a slow line carries an answer within the limit of a request."""
_SESSION_MS = 6_000
_REBALANCE_MS = _SESSION_MS
"""Who does not join within it would have been taken for dead anyway."""
_ANSWER_MS = 3_000
"""For an answer on top of what the broker waits for by itself; a join waits longest."""
_SINGLE_WAIT_MS = 2_000
"""How long a partition that has something may take to be fetched again."""
_UNREADABLE = "its bytes cannot be read: it or a record before it in its batch has a header name that is not UTF-8"


async def open_outgoing(settings: KafkaSettings, topic: str) -> "KafkaOutgoing":
    """A new idempotent producer session for one topic.

    Raises:
        Unavailable: Kafka does not answer.
        Misconfigured: the topic does not exist, or its partition count is not the one of the settings: then keys
            would move to other partitions and lose their order.
    """
    producer = AIOKafkaProducer(
        **settings.client_arguments(),  # pyright: ignore[reportArgumentType] - checked by the settings' own types
        enable_idempotence=True,
        acks="all",
        compression_type="zstd",
        max_batch_size=_MAX_BATCH_BYTES,
        linger_ms=0,
        request_timeout_ms=15_000,
        metadata_max_age_ms=60_000,
    )
    outgoing = KafkaOutgoing(producer, topic, settings.partitions)
    try:
        async with asyncio.timeout(OPEN_LIMIT.total_seconds()):
            await producer.start()
            found = await _count_partitions(producer, topic)
    except (KafkaError, OSError, TimeoutError) as error:
        await outgoing.close()
        raise Unavailable(f"Kafka does not answer at {settings.bootstrap}: {error!r}") from error
    except BaseException:
        await outgoing.close()
        raise
    if found != settings.partitions:
        await outgoing.close()
        raise Misconfigured(
            f"topic {topic} has {found} partitions, FRONTLINE_KAFKA_PARTITIONS says {settings.partitions}"
        )
    return outgoing


async def _count_partitions(producer: AIOKafkaProducer, topic: str) -> int:
    try:
        return len(await producer.partitions_for(topic))
    except UnknownTopicOrPartitionError as missing:
        raise Misconfigured(f"topic {topic} does not exist: create it first") from missing


class KafkaOutgoing:
    """See `protocols.OutgoingLog`."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: int) -> None:
        """Use `open_outgoing`."""
        self._producer = producer
        self._topic = topic
        self.partitions = partitions

    def partition_of(self, key: str) -> int:
        """See `OutgoingLog.partition_of`."""
        return partition_of(key, self.partitions)

    async def send(self, partition: int, rows: Sequence[OutboxRow], delivered: Delivered) -> int:
        """See `OutgoingLog.send`."""
        batch = self._producer.create_batch()
        sampled: list[str] = []
        count = 0
        for row in rows:
            headers = kafka_headers(row.headers, row.seq)
            if batch.append(timestamp=None, key=row.key.encode(), value=row.payload, headers=headers) is None:
                break
            tracing.collect(headers, sampled)
            count += 1
        batch.close()
        span = tracing.start_send(self._topic, sampled, count)

        def settle(future: "asyncio.Future[Any]") -> None:
            error = asyncio.CancelledError() if future.cancelled() else future.exception()
            tracing.end(span, error)
            delivered(error)

        (await self._producer.send_batch(batch, self._topic, partition=partition)).add_done_callback(settle)
        return count

    async def close(self) -> None:
        """See `OutgoingLog.close`. `stop` flushes, and with a broker away it would do so for ever."""
        try:
            async with asyncio.timeout(_CLOSE_LIMIT.total_seconds()):
                await self._producer.stop()
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("abandoned a producer", extra={"error": repr(error)})
            await self._abandon()

    async def _abandon(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_LIMIT.total_seconds()):
                await self._producer._sender.close()
                await self._producer.client.close()
        except (KafkaError, OSError, TimeoutError) as error:
            # Nothing is lost by a connection that stays open until the process ends.
            _log.warning("a producer did not end", extra={"error": repr(error)})


class Dealt(ConsumerRebalanceListener):
    """Only counts: what a listener raises is swallowed by aiokafka, and a seek that fails here would skip records."""

    def __init__(self) -> None:
        self.number = 0

    def on_partitions_revoked(self, revoked: object) -> None:
        self.number += 1

    def on_partitions_assigned(self, assigned: object) -> None:
        self.number += 1


async def open_incoming(
    settings: KafkaSettings, topics: Collection[str], *, group: str, gather: timedelta = timedelta(0)
) -> "KafkaIncoming":
    """Join a group and wait for the first assignment.

    Args:
        gather: how long the broker may let records gather before it answers, so that batches are larger and fewer.
    Raises:
        Unavailable: Kafka does not answer, or a topic does not exist yet.
    """
    consumer = AIOKafkaConsumer(
        **settings.client_arguments(),  # pyright: ignore[reportArgumentType] - checked by the settings' own types
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        # Exactly one: with several, aiokafka sends a join for each of them.
        partition_assignment_strategy=(StickyPartitionAssignor,),
        session_timeout_ms=_SESSION_MS,
        heartbeat_interval_ms=2_000,
        # How long the group waits for members to join anew. Ours do so at once, whatever a transaction is doing, since
        # the listener only notes; a longer wait is only how long a member killed while joining holds up all others.
        rebalance_timeout_ms=_REBALANCE_MS,
        max_poll_interval_ms=300_000,
        fetch_min_bytes=_GATHERED_BYTES if gather else 1,
        fetch_max_wait_ms=round(1000 * gather.total_seconds()) or _FETCH_WAIT_MS,
        max_partition_fetch_bytes=2 * 1024 * 1024,
        fetch_max_bytes=_FETCHED_BYTES,
        isolation_level="read_committed",
        metadata_max_age_ms=60_000,
        # A connection that carries nothing any more is given up after so long, each one of its own: one to the
        # coordinator, one to the partitions.
        request_timeout_ms=_REBALANCE_MS + _ANSWER_MS,
    )
    dealt = Dealt()
    incoming = KafkaIncoming(consumer, dealt)
    consumer.subscribe(list(topics), listener=dealt)
    try:
        async with asyncio.timeout(OPEN_LIMIT.total_seconds()):
            await consumer.start()
    except (KafkaError, OSError, TimeoutError) as error:
        await incoming.close()
        raise Unavailable(f"cannot join group {group} at {settings.bootstrap}: {error!r}") from error
    except BaseException:
        await incoming.close()
        raise
    return incoming


class KafkaIncoming:
    """See `protocols.IncomingLog`."""

    def __init__(self, consumer: AIOKafkaConsumer, dealt: Dealt) -> None:
        """Use `open_incoming`."""
        self._consumer = consumer
        self._dealt = dealt
        self._positions: dict[Place, int] = {}
        """Where the next poll goes on. aiokafka's own positions skip what a failed poll had already taken."""

    def assignment(self) -> tuple[int, frozenset[Place]]:
        """See `IncomingLog.assignment`."""
        return self._dealt.number, frozenset(Place(tp.topic, tp.partition) for tp in self._consumer.assignment())

    async def poll(self, max_records: int) -> dict[Place, list[Record]]:
        """See `IncomingLog.poll`.

        aiokafka reads in a task of its own, which an assertion there can end, for instance where a partition's leader
        moves while it looks for where to begin. `getmany` then waits for records as if there were none.
        """
        fetcher = self._consumer._fetcher
        if fetcher is None or fetcher._fetch_task.done():
            raise LogEnded("aiokafka's task that fetches has ended")
        try:
            return await self._poll(max_records)
        except NoOffsetForPartitionError:
            # A partition that we have not claimed yet, hence not told where to begin.
            return {}
        except OffsetOutOfRangeError as error:
            raise OffsetLost([Place(tp.topic, tp.partition) for tp in error.args[0]]) from error
        except (GroupAuthorizationFailedError, TopicAuthorizationFailedError) as error:
            raise Misconfigured(f"Kafka refuses us: {error!r}") from error
        except KafkaError as error:
            raise Unavailable(f"polling failed: {error!r}") from error

    async def _poll(self, max_records: int) -> dict[Place, list[Record]]:
        try:
            polled = await self._consumer.getmany(timeout_ms=_POLL_WAIT_MS, max_records=max_records)
            others = self._others(polled) if sum(map(len, polled.values())) == max_records else []
            if others:
                polled |= await self._consumer.getmany(*others, timeout_ms=0, max_records=max_records)
            found = {(place := Place(*tp)): [_read(place, each) for each in records] for tp, records in polled.items()}
        except UnicodeDecodeError:
            self._rewind()
            found = await self._poll_singly(max_records)
        except BaseException:
            self._rewind()
            raise
        for place, records in found.items():
            self._positions[place] = records[-1].offset + 1
        return found

    def _others(self, polled: Collection[TopicPartition]) -> list[TopicPartition]:
        """Our partitions of other numbers, which may be applied beside these."""
        numbers = {partition.partition for partition in polled}
        return [partition for partition in self._consumer.assignment() if partition.partition not in numbers]

    async def _poll_singly(self, max_records: int) -> dict[Place, list[Record]]:
        """Record by record, a share from each partition, so that one that aiokafka cannot read harms no other."""
        places = self.assignment()[1] & self._positions.keys()
        share = max(1, max_records // max(1, len(places)))
        try:
            found = {place: await self._read_singly(place, share) for place in sorted(places)}
        except BaseException:
            self._rewind()
            raise
        return {place: records for place, records in found.items() if records}

    async def _read_singly(self, place: Place, limit: int) -> list[Record]:
        partition = TopicPartition(*place)
        position = self._positions[place]
        records: list[Record] = []
        wait_ms = _SINGLE_WAIT_MS
        while len(records) < limit and position < self.end_offset(place):
            try:
                polled = await self._consumer.getmany(partition, timeout_ms=wait_ms, max_records=1)
                if not polled:
                    break
                records.append(_read(place, polled[partition][0]))
                wait_ms = 0
            except UnicodeDecodeError:
                _log.exception("an unreadable record at %d", position, extra={"place": place})
                records.append(_unreadable(place, position))
                wait_ms = _SINGLE_WAIT_MS
                self._move(place, position + 1)
            position = records[-1].offset + 1
        return records

    def _rewind(self) -> None:
        """Go back to where the last poll that returned something ended: what was taken since then was lost."""
        for place in self.assignment()[1] & self._positions.keys():
            self._move(place, self._positions[place])

    def seek(self, place: Place, offset: int) -> None:
        """See `IncomingLog.seek`."""
        self._positions[place] = offset
        self._move(place, offset)

    def _move(self, place: Place, offset: int) -> None:
        """A partition that was taken from us meanwhile is no error."""
        try:
            self._consumer.seek(TopicPartition(place.topic, place.partition), offset)
        except IllegalStateError:
            _log.info("cannot seek in a partition that was taken away", extra={"place": place})

    def pause(self, paused: bool) -> None:
        """See `IncomingLog.pause`."""
        partitions = self._consumer.assignment()
        (self._consumer.pause if paused else self._consumer.resume)(*partitions)

    async def find_bounds(self, places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        """See `IncomingLog.find_bounds`."""
        partitions = partitions_of(places)
        try:
            async with asyncio.timeout(REQUEST_LIMIT.total_seconds()):
                first = await self._consumer.beginning_offsets(partitions)
                end = await self._consumer.end_offsets(partitions)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka does not say its offsets: {error!r}") from error
        return {Place(tp.topic, tp.partition): (first[tp], end[tp]) for tp in partitions}

    async def hint(self, offsets: Mapping[Place, int]) -> None:
        """See `IncomingLog.hint`. Failing is no harm, and the next hint carries the same again."""
        try:
            async with asyncio.timeout(REQUEST_LIMIT.total_seconds()):
                await self._consumer.commit({TopicPartition(*place): offset for place, offset in offsets.items()})
        except (CommitFailedError, IllegalStateError, KafkaError, OSError, TimeoutError) as error:
            _log.info("could not hint offsets", extra={"error": repr(error)})

    def end_offset(self, place: Place) -> int:
        """See `IncomingLog.end_offset`. aiokafka asserts that the partition is ours; our claims learn of it later."""
        partition = TopicPartition(*place)
        if partition not in self._consumer.assignment():
            return 0
        return self._consumer.highwater(partition) or 0

    async def close(self) -> None:
        """See `IncomingLog.close`."""
        try:
            async with asyncio.timeout(_LEAVE_LIMIT.total_seconds()):
                await self._consumer.stop()
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("a consumer did not end", extra={"error": repr(error)})
            await self._abandon()

    async def _abandon(self) -> None:
        """Where the fetching task has failed, `stop` raises that once more, before it has closed the connections."""
        try:
            async with asyncio.timeout(_CLOSE_LIMIT.total_seconds()):
                await self._consumer._client.close()
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("a consumer's connections stay open", extra={"error": repr(error)})


def _read(place: Place, record: ConsumerRecord[Any, Any]) -> Record:
    return Record(
        place=place,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=record.headers,
        written_at_ms=record.timestamp,
    )


def _unreadable(place: Place, offset: int) -> Record:
    return Record(place=place, offset=offset, key=None, value=None, headers=(), written_at_ms=0, fault=_UNREADABLE)


def partitions_of(places: Iterable[Place]) -> list[TopicPartition]:
    """The same in aiokafka's words."""
    return [TopicPartition(place.topic, place.partition) for place in places]
