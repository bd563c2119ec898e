"""A log in memory: partitions with retention, and producers of one session each, as Kafka's idempotent ones behave.

What is on its way is the network's: it arrives although its producer was killed meanwhile, and it may arrive late.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from common.backbone.partitioner import partition_of
from common.backbone.protocols import Delivered, OutboxRow, Place, Record
from common.errors import Unavailable
from contracts.envelope import Header, kafka_headers
from tests.simulation.history import Appended, Entry, History
from tests.simulation.loop import Loop, Process

_TRIES = 4
"""After so many requests without an answer a batch has expired: its numbers are used up, whether it arrived or not."""
_RETRY_S = 0.2
_LATE_S = 8.0
_HANGS = 0.15
"""How often trouble means that a producer says nothing for ever, instead of an error."""


class Refused(Exception):
    """What a producer says of a batch that did not get through."""


@dataclass(kw_only=True)
class Partition:
    """Records from offset `first` on; `next_number` is what each producer must send next."""

    records: list[Record] = field(default_factory=list[Record])
    first: int = 0
    next_number: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return len(self.records)


class Topic:
    """One topic of the log."""

    def __init__(self, loop: Loop, history: History, *, name: str, partitions: int) -> None:
        self.loop = loop
        self.history = history
        self.name = name
        self.partitions = [Partition() for _ in range(partitions)]
        self.away = False
        self.trouble = 0.0
        """How probably a request or its answer is lost."""
        self.waiting: list[asyncio.Future[None]] = []
        """Polls that wait for something to arrive."""
        self.producers = 0
        self.in_flight = 0
        """Batches that their producers wait for."""

    def places(self) -> list[Place]:
        """All partitions."""
        return [Place(self.name, number) for number in range(len(self.partitions))]

    def append(
        self,
        number: int,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header],
        origin: str,
        about: tuple[str, int, UUID | None],
    ) -> None:
        """Add a record; `about` is (subject, seq, event id) as far as it says so."""
        partition, place = self.partitions[number], Place(self.name, number)
        offset, at = partition.end, self.loop.time()
        record = Record(place=place, offset=offset, key=key, value=value, headers=headers, written_at_ms=0)
        partition.records.append(record)
        self.history.appended.append(Appended(at, place, offset, *about, value, origin))
        self.history.note(Entry(at, "append", *about, f"{number}@{offset} by {origin}"))
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def open_producer(self, process: Process) -> "MemoryOutgoing":
        """Begin a producer session.

        Raises:
            Unavailable: the brokers do not answer.
        """
        if self.away:
            raise Unavailable("no broker answers")
        self.producers += 1
        return MemoryOutgoing(self, process, self.producers)


class _Batch:
    """What is sent to one partition at once, with the number of its first record in the producer's session."""

    def __init__(self, partition: int, rows: Sequence[OutboxRow], first: int, delivered: Delivered) -> None:
        self.partition = partition
        self.rows = rows
        self.first = first
        self.delivered = delivered
        self.answered = False


class MemoryOutgoing:
    """See `protocols.OutgoingLog`."""

    idempotent = True

    def __init__(self, topic: Topic, process: Process, session: int) -> None:
        """Use `Topic.open_producer`."""
        self._topic = topic
        self._process = process
        self._session = session
        self._numbers: dict[int, int] = {}
        self._closed = False
        self.partitions = len(topic.partitions)

    def partition_of(self, key: str) -> int:
        """See `OutgoingLog.partition_of`."""
        return partition_of(key, self.partitions)

    async def send(self, partition: int, rows: Sequence[OutboxRow], delivered: Delivered) -> int:
        """See `OutgoingLog.send`."""
        chance = self._topic.loop.chance
        self._process.check()
        if chance.random() < 0.3:
            await self._topic.loop.wait(chance.random() * 0.01)
            self._process.check()
        count = len(rows) if chance.random() < 0.7 else chance.randint(1, len(rows))
        first = self._numbers.get(partition, 0)
        self._numbers[partition] = first + count
        batch = _Batch(partition, [rows[number] for number in range(count)], first, delivered)
        self._topic.in_flight += 1
        self._request(batch, 1, chance.choice((0.0, 0.001, 0.02)))
        return count

    async def close(self) -> None:
        """See `OutgoingLog.close`. What is on its way may still arrive."""
        self._closed = True

    def _request(self, batch: _Batch, attempt: int, seconds: float) -> None:
        self._topic.loop.soon(lambda: self._arrive(batch, attempt), seconds)

    def _arrive(self, batch: _Batch, attempt: int) -> None:
        """At the broker, or not."""
        topic, chance = self._topic, self._topic.loop.chance
        if topic.away or (topic.trouble and chance.random() < topic.trouble):
            if not topic.away and chance.random() < 0.3:
                # Not lost but late, whatever is thought of it meanwhile.
                topic.loop.soon(lambda: self._write(batch) and None, chance.random() * _LATE_S)
            self._again(batch, attempt)
            return
        if not self._write(batch):
            self._answer(batch, Refused("OutOfOrderSequenceNumber"))
        elif topic.trouble and chance.random() < topic.trouble:
            self._again(batch, attempt)
        else:
            self._answer(batch, None, chance.choice((0.0, 0.001, 0.02)))

    def _write(self, batch: _Batch) -> bool:
        """What the broker does with it; False where numbers before it are missing."""
        partition = self._topic.partitions[batch.partition]
        expected = partition.next_number.get(self._session, 0)
        if self.idempotent and batch.first != expected:
            return batch.first < expected
        partition.next_number[self._session] = batch.first + len(batch.rows)
        for row in batch.rows:
            headers = kafka_headers(row.headers, row.seq)
            found = dict(headers)
            about = (found["ce_subject"].decode(), row.seq, UUID(found["ce_id"].decode()))
            self._topic.append(
                batch.partition, key=row.key.encode(), value=row.payload, headers=headers, origin="relay", about=about
            )
        return True

    def _again(self, batch: _Batch, attempt: int) -> None:
        """The client has heard nothing: it asks again, or gives the batch up."""
        if self._closed or not self._process.alive:
            return
        if attempt < _TRIES:
            self._request(batch, attempt + 1, _RETRY_S)
        elif self._topic.loop.chance.random() > _HANGS:
            self._answer(batch, Refused("the batch has expired"))

    def _answer(self, batch: _Batch, error: Exception | None, seconds: float = 0.0) -> None:
        self._topic.in_flight -= 1

        def tell() -> None:
            if not self._closed and not batch.answered:
                batch.answered = True
                batch.delivered(error)

        self._topic.loop.soon(tell, seconds, process=self._process)
