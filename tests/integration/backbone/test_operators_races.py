"""Operators' actions beside a consumer and a redrive at work, on a real database: nothing lost, nothing twice."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from common.backbone.applying import Applier, next_offsets
from common.backbone.consume import consume_events
from common.backbone.decoding import decode_record, pack_headers
from common.backbone.inbox_store import PostgresInbox
from common.backbone.operating import Operator, operate_next
from common.backbone.operations import Operation, add_operation, get_operation
from common.backbone.parking import discard_parked, redrive_parked
from common.backbone.poison import discard_poison, retry_poison
from common.backbone.protocols import Broken, Claim, Delivery, IncomingLog, Place, Record, RecordHeader
from common.backbone.redrive import redrive_next
from common.clock import MovableClock
from common.errors import Conflict, Unavailable
from common.ids import new_id
from common.settings import KafkaSettings
from common.transaction import Transaction
from contracts.envelope import Event
from tests.support.backbone import (
    ORIGIN,
    Inbox,
    count,
    event_of,
    headers_of,
    make_effects,
    migrated,
    no_beat,
    running,
    waits_for_lock,
)
from tests.support.eventually import eventually

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = Place("support.intake.v1", 0)
BUSY = Place("support.intake.v1", 1)


@dataclass(kw_only=True)
class Bench:
    """A consuming service whose log is this list; a handler waits at the gate."""

    inbox: Inbox
    clock: MovableClock
    log: list[Delivery | Broken] = field(default_factory=list[Delivery | Broken])
    claims: dict[Place, Claim] = field(default_factory=dict[Place, Claim])
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def store(self) -> PostgresInbox:
        return PostgresInbox(self.inbox.database, service="routing")

    def add(self, *events: Event) -> None:
        self.add_raw(*((headers_of(event), event.data) for event in events))

    def add_raw(self, *records: tuple[Sequence[RecordHeader], bytes]) -> None:
        for headers, value in records:
            record = Record(place=PLACE, offset=len(self.log), key=b"k", value=value, headers=headers, written_at_ms=0)
            self.log.append(decode_record(record, {PLACE.topic: "intake"}))

    async def claim(self) -> None:
        self.claims = await self.store.claim({PLACE: 0}, lost={}, owner="test", bootstrap=False)

    async def consume(self) -> None:
        """All that is new, in one batch; what fails is parked."""
        items = self.log[self.claims[PLACE].next_offset :]
        handlers = [replace(handler, apply=self._apply) for handler in self.inbox.handlers]
        applier = Applier(store=self.store, handlers=handlers)
        try:
            await applier.apply(items, self.claims, {})
        except ValueError:
            await applier.apply(items, self.claims, {}, slice_of=len(items))
        self.claims[PLACE] = replace(self.claims[PLACE], next_offset=next_offsets(items)[PLACE])

    async def _apply(self, tx: Transaction, events: Sequence[Event]) -> None:
        self.entered.set()
        await self.gate.wait()
        await self.inbox.apply(tx, events)

    async def redrive(self) -> bool:
        self.clock.move(timedelta(hours=2))
        return await redrive_next(self.store, self.inbox.handlers)

    async def read_again(self) -> None:
        """A replay from the start."""
        async with self.inbox.database.begin(ORIGIN) as tx:
            await tx.connection.execute(text("update consumer_offset set next_offset = 0, epoch = epoch + 1"))
        await self.claim()
        await self.consume()

    async def discard(
        self, ticket: UUID, *, first: int | None = None, first_seq: int | None = None, count: int = 1
    ) -> int:
        """Args: first: the offset of the record that is meant."""
        stream = {"source": "intake", "subject": f"ticket/{ticket}"}
        async with self.inbox.database.begin(ORIGIN) as tx:
            return await discard_parked(
                tx,
                **stream,
                actor="client:ops",
                reason="a test",
                first=None if first is None else (PLACE, first),
                first_seq=first_seq,
                count=count,
            )


@asynccontextmanager
async def bench(url: str) -> AsyncGenerator[Bench]:
    clock = MovableClock(START)
    async with migrated(url, clock=clock) as database:
        await make_effects(database)
        kafka = KafkaSettings(bootstrap="nowhere:1")
        made = Bench(inbox=Inbox(database=database, kafka=kafka, topic=PLACE.topic), clock=clock)
        made.gate.set()
        await made.claim()
        yield made


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


async def test_two_operators_who_discard_the_same_event_discard_no_other(empty_database: str) -> None:
    ticket = new_id()
    async with bench(empty_database) as service:
        service.inbox.poison.add(f"ticket/{ticket}")
        service.add(*(event_of(ticket, seq) for seq in (1, 2, 3)))
        await service.consume()
        done = await asyncio.gather(*(service.discard(ticket, first_seq=1) for _ in range(2)), return_exceptions=True)
        assert sorted(map(str, done)) == ["1", f"ticket/{ticket} changed meanwhile: its first event is 2 now, not 1"]
        assert [each.code for each in done if isinstance(each, Conflict)] == ["changed_meanwhile"]
        service.inbox.poison.clear()
        assert await service.redrive()
        assert await service.inbox.effects() == {f"ticket/{ticket}": [2, 3]}


async def test_a_discard_gives_up_nothing_that_a_redrive_has_come_to_meanwhile(empty_database: str) -> None:
    """1 was applied after all when 2 failed for another reason: who gives up 1 does not mean 2."""
    ticket = new_id()
    async with bench(empty_database) as service:
        service.inbox.poison.add(f"ticket/{ticket}")
        service.add(*(event_of(ticket, seq) for seq in (1, 3)))
        await service.consume()
        service.inbox.poison.clear()
        assert await service.redrive()
        assert await service.inbox.parked() == {f"ticket/{ticket}": "gap"}
        with pytest.raises(Conflict, match="its first event is 3 now, not 1"):
            await service.discard(ticket, first_seq=1)
        assert await count(service.inbox.database, "parked_event") == 1


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


async def test_what_was_given_up_stays_so_when_it_is_read_again(empty_database: str) -> None:
    """A replay brings back neither a poison record nor a record without a number nor one that cannot be read."""
    ticket = new_id()
    whole = headers_of(event_of(ticket, 2))
    unreadable = [(name, b"yesterday" if name == "ce_time" else value) for name, value in whole]
    numberless = [(name, value) for name, value in whole if name != "ce_subjectseq"]
    async with bench(empty_database) as service:
        service.add(event_of(ticket, 1))
        service.add_raw((unreadable, b"{}"), (numberless, b"{}"), ([], b"?"))
        await service.consume()
        await service.discard(ticket, first_seq=0)
        await service.discard(ticket, first_seq=2)
        async with service.inbox.database.begin(ORIGIN) as tx:
            await discard_poison(tx, place=PLACE, offset=3, actor="client:ops", reason="a stranger's")
            await tx.connection.execute(text("update consumer_offset set next_offset = 0, epoch = epoch + 1"))
        await service.claim()
        await service.consume()
        assert await service.inbox.parked() == {}
        assert await count(service.inbox.database, "poison_record") == 0
        service.add(event_of(ticket, 3))
        await service.consume()
        assert await service.inbox.effects() == {f"ticket/{ticket}": [1, 3]}


@pytest.mark.parametrize("readable", [True, False])
async def test_giving_up_a_number_far_ahead_gives_up_none_of_those_in_between(
    empty_database: str, readable: bool
) -> None:
    """Only the record goes, for good: a replay does not bring it back, before the next event or behind it."""
    ticket = new_id()
    forged = event_of(ticket, 999_999)
    headers = [(name, value if readable or name != "ce_time" else b"soon") for name, value in headers_of(forged)]
    async with bench(empty_database) as service:
        service.add(event_of(ticket, 1))
        service.add_raw((headers, forged.data))
        await service.consume()
        assert await service.inbox.parked() == {f"ticket/{ticket}": "gap" if readable else "undecodable"}
        await service.discard(ticket, first=1)
        await service.read_again()
        service.add(event_of(ticket, 2))
        await service.consume()
        await service.read_again()
        assert await service.inbox.parked() == {}
        assert await service.inbox.effects() == {f"ticket/{ticket}": [1, 2]}


async def test_giving_up_a_number_beyond_a_gap_skips_nothing(empty_database: str) -> None:
    """To go over the gap is a deed of its own."""
    ticket = new_id()
    async with bench(empty_database) as service:
        service.add(*(event_of(ticket, seq) for seq in (1, 4, 5)))
        await service.consume()
        assert await service.discard(ticket, first_seq=4) == 1
        assert await service.redrive()
        assert await service.inbox.parked() == {f"ticket/{ticket}": "gap"}
        service.add(event_of(ticket, 2))
        await service.consume()
        assert await service.redrive()
        assert await service.inbox.effects() == {f"ticket/{ticket}": [1, 2]}


async def test_a_fork_that_was_given_up_stays_so_when_it_is_read_again(empty_database: str) -> None:
    ticket = new_id()
    async with bench(empty_database) as service:
        service.add(*(event_of(ticket, seq) for seq in (1, 2, 2)))
        await service.consume()
        assert await service.inbox.parked() == {f"ticket/{ticket}": "fork"}
        await service.discard(ticket, first=2)
        await service.read_again()
        assert await service.inbox.parked() == {}
        service.add(event_of(ticket, 3))
        await service.consume()
        assert await service.inbox.effects() == {f"ticket/{ticket}": [1, 2, 3]}


async def test_two_operators_who_discard_one_of_two_records_without_a_number_discard_no_other(
    empty_database: str,
) -> None:
    ticket = new_id()
    numberless = [(name, value) for name, value in headers_of(event_of(ticket, 1)) if name != "ce_subjectseq"]
    async with bench(empty_database) as service:
        service.add_raw((numberless, b"first"), (numberless, b"second"))
        await service.consume()
        done = await asyncio.gather(*(service.discard(ticket, first=0) for _ in range(2)), return_exceptions=True)
        changed = f"{PLACE.topic}/0/1 now, not {PLACE.topic}/0/0"
        assert sorted(map(str, done)) == ["1", f"ticket/{ticket} changed meanwhile: its first record is {changed}"]
        assert await count(service.inbox.database, "parked_event where payload = 'second'") == 1


async def test_what_was_given_up_is_known_again_where_a_header_has_no_value(empty_database: str) -> None:
    ticket = new_id()
    headers: list[RecordHeader] = [(name, value) for name, value in headers_of(event_of(ticket, 1)) if name != "ce_id"]
    async with bench(empty_database) as service:
        service.add_raw(([*headers, ("ce_id", None)], b"{}"), ([("ce_subject", None)], b"?"))
        await service.consume()
        await service.discard(ticket, first=0)
        async with service.inbox.database.begin(ORIGIN) as tx:
            await discard_poison(tx, place=PLACE, offset=1, actor="client:ops", reason="a stranger's")
        await service.read_again()
        assert await service.inbox.parked() == {}
        assert await count(service.inbox.database, "poison_record") == 0


async def test_a_topic_made_anew_hides_no_record_behind_one_that_stood_at_its_place(empty_database: str) -> None:
    """Whether that one was given up as poison, or waits to this day."""
    former, ticket = new_id(), new_id()
    async with bench(empty_database) as service:
        service.inbox.poison.update((f"ticket/{former}", f"ticket/{ticket}"))
        service.add_raw(([], b"?"))
        service.add(event_of(former, 1))
        await service.consume()
        async with service.inbox.database.begin(ORIGIN) as tx:
            await discard_poison(tx, place=PLACE, offset=0, actor="client:ops", reason="a stranger's")
        service.log.clear()
        service.add_raw(([], b"!"))
        service.add(event_of(ticket, 1))
        await service.read_again()
        await service.read_again()
        assert await count(service.inbox.database, "poison_record where payload = '!'") == 1
        assert await count(service.inbox.database, "parked_event") == 2
        service.inbox.poison.clear()
        assert await service.redrive()
        assert await service.redrive()
        assert await service.inbox.effects() == {f"ticket/{former}": [1], f"ticket/{ticket}": [1]}


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
