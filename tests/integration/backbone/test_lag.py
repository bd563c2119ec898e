"""What the consumer tells of its lag while nothing can be applied, once nothing is left, and when others read."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.backbone import metrics
from common.backbone.applying import Applier
from common.backbone.consume import consume_events
from common.backbone.consumer import Handler
from common.backbone.inbox_store import PostgresInbox
from common.backbone.protocols import Claim, IncomingLog, Place, Record
from common.clock import MovableClock
from common.database import UnknownOutcome
from common.errors import Unavailable
from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.intake import TicketClosed
from tests.support.backbone import event_of, headers_of, migrated, no_beat, running
from tests.support.eventually import eventually

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = Place("support.intake.v1", 0)
OTHER = Place("support.intake.v1", 1)


class Log:
    """One partition with two records, an hour old; it can be taken away."""

    def __init__(self) -> None:
        self.dealt = (1, frozenset({PLACE}))
        self._position = 0
        ticket = new_id()
        self._records = [
            Record(
                place=PLACE,
                offset=event.seq - 1,
                key=b"k",
                value=event.data,
                headers=headers_of(event),
                written_at_ms=int((START - timedelta(hours=1)).timestamp() * 1000),
            )
            for event in (event_of(ticket, 1), event_of(ticket, 2))
        ]

    def assignment(self) -> tuple[int, frozenset[Place]]:
        return self.dealt

    async def poll(self, max_records: int) -> dict[Place, list[Record]]:
        found, self._position = self._records[self._position :], 2
        if not found:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()
        return {PLACE: found} if found else {}

    def seek(self, place: Place, offset: int) -> None:
        if place == PLACE:
            self._position = offset

    def end_offset(self, place: Place) -> int:
        return 2 if place == PLACE else 0

    def pause(self, paused: bool) -> None:
        pass

    async def find_bounds(self, places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        return {place: (0, self.end_offset(place)) for place in places}

    async def hint(self, offsets: Mapping[Place, int]) -> None:
        pass

    async def close(self) -> None:
        pass


class Shown:
    """What a gauge shows, by partition."""

    def __init__(self) -> None:
        self.by_partition: dict[object, float] = {}

    def set(self, value: float, labels: Mapping[str, object]) -> None:
        self.by_partition[labels["partition"]] = value


class Outage(PostgresInbox):
    """A database that is lost in the middle of the first batch, and cannot be claimed from before it is back."""

    away = False
    refused = 0

    async def claim(
        self, places: Mapping[Place, int], *, lost: Mapping[Place, int], owner: str, bootstrap: bool
    ) -> dict[Place, Claim]:
        if self.away:
            self.refused += 1
            raise Unavailable("the database is away")
        return await super().claim(places, lost=lost, owner=owner, bootstrap=bootstrap)


async def test_the_lag_stands_while_the_database_is_away(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    time_lag, offset_lag = Shown(), Shown()
    monkeypatch.setattr(metrics, "time_lag", time_lag)
    monkeypatch.setattr(metrics, "offset_lag", offset_lag)
    log, clock = Log(), MovableClock(START)

    async def apply(tx: Transaction, events: Sequence[Event]) -> None:
        if tx.now == START:
            store.away = True
            clock.move(timedelta(seconds=1))
            raise UnknownOutcome("the connection was lost during COMMIT")

    async def open_log() -> IncomingLog:
        return log

    async with migrated(empty_database, clock=clock) as database:
        store = Outage(database, service="routing")
        handler = Handler(name="any", types=frozenset({TicketClosed.event_type}), apply=apply)
        applier = Applier(store=store, handlers=[handler])

        def consume(stop: asyncio.Event) -> Coroutine[Any, Any, None]:
            producers = {PLACE.topic: "intake"}
            return consume_events(open_log, applier, producers=producers, bootstrap=False, beat=no_beat, stop=stop)

        async def cannot_claim() -> bool:
            return store.refused > 1

        async def caught_up() -> bool:
            return (time_lag.by_partition.get(0), offset_lag.by_partition.get(0)) == (0, 0)

        async with running(consume):
            await eventually(cannot_claim)
            assert (time_lag.by_partition[0], offset_lag.by_partition[0]) == (3601, 2)
            store.away = False
            await eventually(caught_up)


async def test_the_lag_is_told_while_nothing_is_applied_and_is_nothing_once_nothing_is_left(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_lag, offset_lag = Shown(), Shown()
    monkeypatch.setattr(metrics, "time_lag", time_lag)
    monkeypatch.setattr(metrics, "offset_lag", offset_lag)
    log, clock, locked = Log(), MovableClock(START), asyncio.Event()
    locked.set()

    async def apply(tx: Transaction, events: Sequence[Event]) -> None:
        if locked.is_set():
            raise Unavailable("lock not available")

    async def open_log() -> IncomingLog:
        return log

    async with migrated(empty_database, clock=clock) as database:
        handler = Handler(name="locked", types=frozenset({TicketClosed.event_type}), apply=apply)
        applier = Applier(store=PostgresInbox(database, service="routing"), handlers=[handler])

        def consume(stop: asyncio.Event) -> Coroutine[Any, Any, None]:
            producers = {PLACE.topic: "intake"}
            return consume_events(open_log, applier, producers=producers, bootstrap=False, beat=no_beat, stop=stop)

        def shows(seconds: float, records: float) -> bool:
            return (time_lag.by_partition.get(0), offset_lag.by_partition.get(0)) == (seconds, records)

        async def waits() -> bool:
            return shows(3600, 2)

        async def caught_up() -> bool:
            return shows(0, 0)

        async with running(consume):
            await eventually(waits)
            locked.clear()
            await eventually(caught_up)
            locked.set()
            time_lag.by_partition[0] = 60
            log.dealt = (2, frozenset({OTHER}))
            await eventually(caught_up)
