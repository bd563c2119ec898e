"""The relay over a log and a store in memory: what it does when a send fails, stays away, or the database does."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from common.backbone import relay
from common.backbone.partitioner import partition_of
from common.backbone.protocols import Delivered, OutboxRow, OutboxStore, OutgoingLog, Sample
from common.backbone.relay import SendFailed, relay_events
from common.clock import Clock, MovableClock, SystemClock
from common.errors import Unavailable
from tests.support.backbone import no_beat
from tests.support.eventually import eventually

Answer = Callable[[Delivered], None]


@dataclass(kw_only=True)
class MemoryOutbox:
    """An outbox in memory that only this test uses; leases are always granted."""

    rows: dict[int, OutboxRow]
    reads: int = 0

    async def claim_shards(self, holder: str) -> frozenset[int]:
        return frozenset(range(8))

    async def renew_shards(self, holder: str) -> frozenset[int]:
        return frozenset(range(8))

    async def release_shards(self, holder: str) -> None:
        return

    async def read_rows(self, floors: Mapping[int, int], known: Collection[int], limit: int) -> list[OutboxRow]:
        self.reads += 1
        return [row for id_, row in sorted(self.rows.items()) if id_ not in known][:limit]

    async def delete_rows(self, rows: Sequence[tuple[int, int]]) -> None:
        for _, id_ in rows:
            del self.rows[id_]

    async def draw_sample(self) -> Sample:
        return Sample(0, 0)

    async def raise_floors(self, sample: Sample, floors: Mapping[int, int]) -> dict[int, int] | None:
        return None

    async def find_below(self, floors: Mapping[int, int]) -> list[tuple[int, int]]:
        return []

    async def find_oldest_age(self) -> float:
        return 0.0

    async def close(self) -> None:
        return


@dataclass(kw_only=True)
class MemoryLog:
    """A topic in memory. `answer` says what becomes of each batch."""

    answer: Answer
    partitions: int = 2
    sent: list[tuple[int, list[int]]] = field(default_factory=list[tuple[int, list[int]]])
    closed: bool = False

    def partition_of(self, key: str) -> int:
        return partition_of(key, self.partitions)

    async def send(self, partition: int, rows: Sequence[OutboxRow], delivered: Delivered) -> int:
        batch = [row.id for row in rows][:3]
        self.sent.append((partition, batch))
        asyncio.get_running_loop().call_soon(self.answer, delivered)
        return len(batch)

    async def close(self) -> None:
        self.closed = True


def acknowledge(delivered: Delivered) -> None:
    delivered(None)


def refuse(delivered: Delivered) -> None:
    delivered(RuntimeError("not enough replicas"))


def stay_silent(_: Delivered) -> None:
    return


def some_rows(count: int) -> dict[int, OutboxRow]:
    return {id_: OutboxRow(id_ % 8, id_, 1, f"key-{id_ % 5}", b"", b"") for id_ in range(1, count + 1)}


async def run(
    outbox: MemoryOutbox,
    logs: Callable[[], Awaitable[OutgoingLog]],
    stop: asyncio.Event,
    clock: Clock | None = None,
    bell: asyncio.Event | None = None,
) -> None:
    async def open_session() -> tuple[OutboxStore, OutgoingLog]:
        return outbox, await logs()

    await relay_events(
        open_session, clock=clock or SystemClock(), bell=bell or asyncio.Event(), beat=no_beat, stop=stop
    )


async def test_after_a_refused_batch_a_new_session_reads_everything_again() -> None:
    outbox = MemoryOutbox(rows=some_rows(20))
    logs = [MemoryLog(answer=refuse), MemoryLog(answer=refuse), MemoryLog(answer=acknowledge)]
    opened: list[MemoryLog] = []
    stop = asyncio.Event()

    async def open_log() -> OutgoingLog:
        opened.append(logs[len(opened)])
        return opened[-1]

    async def is_empty() -> bool:
        return not outbox.rows

    async with asyncio.TaskGroup() as group:
        group.create_task(run(outbox, open_log, stop))
        await eventually(is_empty)
        stop.set()
    assert [log.closed for log in opened] == [True, True, True]
    by_partition: dict[int, list[int]] = {}
    for partition, batch in logs[2].sent:
        by_partition.setdefault(partition, []).extend(batch)
    assert sorted(id_ for ids in by_partition.values() for id_ in ids) == list(range(1, 21))
    assert all(ids == sorted(ids) for ids in by_partition.values())


async def test_a_bell_ends_the_pause_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "_POLL_S", (600.0, 600.0))
    outbox, log = MemoryOutbox(rows={}), MemoryLog(answer=acknowledge)
    stop, bell = asyncio.Event(), asyncio.Event()

    async def open_log() -> OutgoingLog:
        return log

    async def has_rested() -> bool:
        return outbox.reads > 0 and not bell.is_set()

    async def has_sent() -> bool:
        return len(log.sent) > 0

    async with asyncio.TaskGroup() as group:
        group.create_task(run(outbox, open_log, stop, bell=bell))
        for sent in (1, 2):
            await eventually(has_rested)
            log.sent.clear()
            outbox.rows = {sent: some_rows(sent)[sent]}
            bell.set()
            await eventually(has_sent)
        stop.set()
        bell.set()


async def test_five_failures_in_a_row_end_the_process() -> None:
    outbox = MemoryOutbox(rows=some_rows(3))
    opened: list[MemoryLog] = []

    async def open_log() -> OutgoingLog:
        opened.append(MemoryLog(answer=refuse))
        return opened[-1]

    with pytest.raises(SendFailed, match="not enough replicas"):
        await run(outbox, open_log, asyncio.Event())
    assert len(opened) == 5
    assert len(outbox.rows) == 3


async def test_a_batch_that_is_never_acknowledged_ends_the_session_after_fifteen_seconds() -> None:
    clock = MovableClock(datetime(2026, 1, 1, tzinfo=UTC))
    outbox = MemoryOutbox(rows=some_rows(1))
    logs = [MemoryLog(answer=stay_silent), MemoryLog(answer=acknowledge)]
    opened: list[MemoryLog] = []
    stop = asyncio.Event()

    async def open_log() -> OutgoingLog:
        opened.append(logs[len(opened)])
        return opened[-1]

    async def is_sent() -> bool:
        return bool(logs[0].sent)

    async def is_empty() -> bool:
        return not outbox.rows

    async with asyncio.TaskGroup() as group:
        group.create_task(run(outbox, open_log, stop, clock))
        await eventually(is_sent)
        clock.move(timedelta(seconds=14))
        assert len(opened) == 1
        clock.move(timedelta(seconds=2))
        await eventually(is_empty)
        stop.set()
    assert len(opened) == 2


async def test_an_absent_kafka_is_waited_for_however_often_it_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.backbone.backoff._LONGEST_S", 0.01)
    outbox = MemoryOutbox(rows=some_rows(5))
    attempts = 0
    stop = asyncio.Event()

    async def open_log() -> OutgoingLog:
        nonlocal attempts
        attempts += 1
        if attempts <= 12:
            raise Unavailable("nobody there")
        return MemoryLog(answer=acknowledge)

    async def is_empty() -> bool:
        return not outbox.rows

    async with asyncio.TaskGroup() as group:
        group.create_task(run(outbox, open_log, stop))
        await eventually(is_empty)
        stop.set()


async def test_a_partition_has_one_unacknowledged_batch_at_most() -> None:
    outbox = MemoryOutbox(rows=some_rows(200))
    unanswered: list[Delivered] = []
    log = MemoryLog(answer=unanswered.append, partitions=4)
    stop = asyncio.Event()

    async def open_log() -> OutgoingLog:
        return log

    async def is_empty() -> bool:
        for delivered in [unanswered.pop() for _ in range(len(unanswered))]:
            delivered(None)
        return not outbox.rows

    async def all_are_busy() -> bool:
        return outbox.reads > 5

    async with asyncio.TaskGroup() as group:
        group.create_task(run(outbox, open_log, stop))
        await eventually(all_are_busy)
        partitions = [partition for partition, _ in log.sent]
        assert len(partitions) == len(set(partitions))
        await eventually(is_empty)
        stop.set()
    for partition in range(4):
        ids = [id_ for sent, batch in log.sent for id_ in batch if sent == partition]
        assert ids == sorted(ids)


async def test_housekeeping_that_outlasts_the_lease_does_not_keep_events_back() -> None:
    """Each step takes six seconds and the lease five: it is renewed behind them, before anything is sent."""
    clock = MovableClock(datetime(2026, 1, 1, tzinfo=UTC))

    @dataclass(kw_only=True)
    class SlowOutbox(MemoryOutbox):
        async def find_below(self, floors: Mapping[int, int]) -> list[tuple[int, int]]:
            clock.move(timedelta(seconds=6))
            return []

        async def find_oldest_age(self) -> float:
            clock.move(timedelta(seconds=6))
            return 0.0

    assert await publish_all(SlowOutbox(rows=some_rows(100)), clock) == 1


async def test_a_gauge_that_never_answers_does_not_keep_events_back() -> None:
    class SilentOutbox(MemoryOutbox):
        async def find_oldest_age(self) -> float:
            await asyncio.Event().wait()
            return 0.0

    assert await publish_all(SilentOutbox(rows=some_rows(100)), SystemClock()) == 1


async def publish_all(outbox: MemoryOutbox, clock: Clock) -> int:
    """Run until the outbox is empty; returns how many sessions it took."""
    stop = asyncio.Event()
    opened: list[MemoryLog] = []

    async def open_log() -> OutgoingLog:
        opened.append(MemoryLog(answer=acknowledge))
        return opened[-1]

    async def is_empty() -> bool:
        return not outbox.rows

    async with asyncio.TaskGroup() as group:
        group.create_task(run(outbox, open_log, stop, clock))
        await eventually(is_empty)
        stop.set()
    return len(opened)
