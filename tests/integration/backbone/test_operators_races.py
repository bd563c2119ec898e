"""Operators' actions beside a consumer and a redrive at work, on a real database: nothing lost, nothing twice."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from common.backbone.applying import Applier
from common.backbone.consume import consume_events
from common.backbone.decoding import pack_headers
from common.backbone.operating import Operator, operate_next
from common.backbone.operations import Operation, add_operation, get_operation
from common.backbone.parking import redrive_parked
from common.backbone.poison import retry_poison
from common.backbone.protocols import IncomingLog, Place, Record
from common.clock import MovableClock
from common.errors import Unavailable
from common.ids import new_id
from common.settings import KafkaSettings
from tests.support.backbone import ORIGIN, event_of, headers_of, no_beat, running, waits_for_lock
from tests.support.bench import PLACE, bench
from tests.support.eventually import eventually

BUSY = Place("support.intake.v1", 1)


async def test_a_poison_record_that_is_retried_while_its_repeat_is_applied_has_one_effect(empty_database: str) -> None:
    """The consumer that has its repeat in hand saw no parked subject: only the partition's row holds them apart."""
    ticket = new_id()
    event = event_of(ticket, 1)
    async with bench(empty_database) as service:
        database = service.inbox.database
        async with database.begin(ORIGIN) as tx:
            await tx.connection.execute(
                text("insert into poison_record values (:topic, 0, 777, null, :headers, :payload, 'x', now())"),
                {"topic": PLACE.topic, "headers": pack_headers(headers_of(event)), "payload": event.data},
            )
        service.add(event)
        service.gate.clear()

        async def retry() -> None:
            async with database.begin(ORIGIN) as tx:
                await retry_poison(tx, place=PLACE, offset=777, actor="client:ops", reason="mended")
            await service.redrive()

        async with asyncio.TaskGroup() as group:
            group.create_task(service.consume())
            await service.entered.wait()
            retrying = group.create_task(retry())

            async def retried_or_waits() -> bool:
                return retrying.done() or await waits_for_lock(database)

            await eventually(retried_or_waits)
            service.gate.set()
        assert await service.inbox.effects() == {f"ticket/{ticket}": [1]}
        assert await service.inbox.parked() == {}


async def test_very_many_gaps_are_parked_and_stop_nobody(empty_database: str) -> None:
    """No release mends what a topic has lost; the consumer must go on, or nobody could ever fetch it."""
    lost, whole = [new_id() for _ in range(40)], new_id()
    async with bench(empty_database) as service:
        service.add(*(event_of(ticket, 7) for ticket in lost), event_of(whole, 1))
        await service.consume()
        assert await service.inbox.parked() == {f"ticket/{ticket}": "gap" for ticket in lost}
        assert await service.inbox.effects() == {f"ticket/{whole}": [1]}
        service.inbox.poison.add(f"ticket/{new_id()}")
        bad = new_id()
        service.inbox.poison.add(f"ticket/{bad}")
        service.add(event_of(bad, 1))
        await service.consume()
        assert (await service.inbox.parked())[f"ticket/{bad}"] == "failed"


async def test_a_number_that_was_given_up_unseen_is_no_fork_when_its_event_comes_after_all(empty_database: str) -> None:
    ticket = new_id()
    async with bench(empty_database) as service:
        service.inbox.poison.add(f"ticket/{ticket}")
        service.add(event_of(ticket, 3))
        await service.consume()
        async with service.inbox.database.begin(ORIGIN) as tx:
            await redrive_parked(
                tx, source="intake", subject=f"ticket/{ticket}", actor="client:ops", reason="lost", over_gap=True
            )
        service.add(event_of(ticket, 2))
        await service.consume()
        service.inbox.poison.clear()
        assert await service.redrive()
        assert await service.inbox.effects() == {f"ticket/{ticket}": [3]}
        assert await service.inbox.parked() == {}


async def test_a_partition_that_another_took_is_not_set_back_by_who_lost_its_offset(empty_database: str) -> None:
    async with bench(empty_database) as service:
        before = service.claims[PLACE]
        service.add(*(event_of(new_id(), 1) for _ in range(5)))
        await service.claim()
        await service.consume()
        late = await service.store.claim({PLACE: 2}, lost={PLACE: before.epoch}, owner="late", bootstrap=False)
        assert late[PLACE].next_offset == 5
        own = await service.store.claim({PLACE: 2}, lost={PLACE: late[PLACE].epoch}, owner="late", bootstrap=False)
        assert own[PLACE].next_offset == 2


class BusyLog:
    """A quiet partition with two records of one ticket beside one in which every poll finds a new ticket."""

    def __init__(self, clock: MovableClock, quiet: Sequence[Record]) -> None:
        self._clock = clock
        self._quiet = quiet
        self._positions = {PLACE: 0, BUSY: 0}

    def assignment(self) -> tuple[int, frozenset[Place]]:
        return 1, frozenset(self._positions)

    async def poll(self, max_records: int) -> dict[Place, list[Record]]:
        self._clock.move(timedelta(milliseconds=500))
        quiet = list(self._quiet[self._positions[PLACE] :])
        news = event_of(new_id(), 1)
        busy = replace(self._quiet[0], place=BUSY, offset=self._positions[BUSY], headers=headers_of(news))
        self._positions = {PLACE: len(self._quiet), BUSY: busy.offset + 1}
        return {BUSY: [replace(busy, value=news.data)]} | ({PLACE: quiet} if quiet else {})

    def seek(self, place: Place, offset: int) -> None:
        self._positions[place] = offset

    def end_offset(self, place: Place) -> int:
        return self._positions[place]

    def pause(self, paused: bool) -> None:
        pass

    async def find_bounds(self, places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        return {place: (0, self._positions[place]) for place in places}

    async def hint(self, offsets: Mapping[Place, int]) -> None:
        pass

    async def close(self) -> None:
        pass


async def test_a_replay_of_a_quiet_partition_does_not_wait_for_the_others_to_be_quiet(empty_database: str) -> None:
    ticket = new_id()
    async with bench(empty_database) as service:
        service.add(event_of(ticket, 1), event_of(ticket, 2))
        log = BusyLog(service.clock, [item.record for item in service.log])

        async def open_log() -> IncomingLog:
            return log

        def consume(stop: asyncio.Event) -> Coroutine[Any, Any, None]:
            applier = Applier(store=service.store, handlers=service.inbox.handlers)
            producers = {PLACE.topic: "intake"}
            return consume_events(open_log, applier, producers=producers, bootstrap=False, beat=no_beat, stop=stop)

        async def applied() -> bool:
            return (await service.inbox.effects()).get(f"ticket/{ticket}") == [1, 2]

        async with running(consume):
            await eventually(applied)
            async with service.inbox.database.begin(ORIGIN) as tx:
                lost = {"subject": f"ticket/{ticket}"}
                await tx.connection.execute(text("delete from effect where subject = :subject"), lost)
                await tx.connection.execute(text("delete from subject_cursor where subject = :subject"), lost)
                back = "update consumer_offset set next_offset = 0, epoch = epoch + 1 where partition = 0"
                await tx.connection.execute(text(back))
            await eventually(applied)


async def test_an_operation_that_is_given_up_says_what_kept_it_from_its_end(empty_database: str) -> None:
    async with bench(empty_database) as service:
        database = service.inbox.database
        async with database.begin(ORIGIN) as tx:
            target = {"source": "intake", "partition": 0, "offset": 0, "time": None}
            asked = await add_operation(tx, "replay", target, reason="a test")
        operator = Operator(
            database=database,
            kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
            service="routing",
            sources=["intake"],
            projections=[],
        )

        async def look() -> Operation:
            async with database.read() as connection:
                return await get_operation(connection, asked.id)

        for _ in range(3):
            with pytest.raises(Unavailable):
                await operate_next(operator)
            waiting = await look()
            assert (waiting.outcome, waiting.result["detail"][:37]) == ("", "Kafka does not answer at 127.0.0.1:1:")
            service.clock.move(timedelta(minutes=3))
        assert await operate_next(operator)
        ended = await look()
        assert ended.outcome == "failed"
        assert "given up: 3 processes did not come to its end; the last said: Kafka does not" in ended.result["detail"]
