"""The way into a simulated database: offsets, cursors, parked streams and effects (see `protocols.InboxStore`)."""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, cast
from uuid import UUID

from common.backbone.consumer import Handler, caused_by
from common.backbone.protocols import Claim, Cursor, Due, Move, ParkedRecord, Parking, Place, Record, Stream
from common.clock import Clock
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.registry import Body
from tests.simulation.database import GONE, Database, MemoryTransaction, Work
from tests.simulation.history import Moved
from tests.simulation.loop import Process
from tests.simulation.outbox import EVENT_TYPE

_FIRST_RETRY = timedelta(seconds=1)
_LATELY = timedelta(minutes=1)


class Noted(Body):
    """What an effect says to others."""

    event_type: ClassVar[str] = "support.test.noted.v1"


@dataclass(frozen=True, kw_only=True)
class Offset:
    """A row of `consumer_offset`."""

    next_offset: int
    epoch: int
    bootstrap: bool


@dataclass(frozen=True, kw_only=True)
class Parked:
    """A row of `parked_subject`."""

    reason: str
    attempts: int
    next_attempt_at: datetime | None
    parked_at: datetime


class MemoryInbox:
    """See the module; one for each process."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._process = process

    @property
    def clock(self) -> Clock:
        """See `InboxStore.clock`."""
        return self._process

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """See `InboxStore.begin`."""
        return self._database.begin(self._process, self._flush)

    @asynccontextmanager
    async def savepoint(self, tx: Transaction) -> AsyncGenerator[None]:
        """See `InboxStore.savepoint`."""
        work, mark = _work(tx), len(tx.pending)
        writes, notes = dict(work.writes), len(work.notes)
        try:
            yield
            await self._flush(tx)
        except BaseException:
            work.writes = writes
            del work.notes[notes:], tx.pending[mark:]
            raise

    async def is_answering(self) -> bool:
        """See `InboxStore.is_answering`."""
        await self._database.loop.wait(0.001)
        return not self._database.away

    async def claim(
        self, places: Mapping[Place, int], *, lost: Mapping[Place, int], owner: str, bootstrap: bool
    ) -> dict[Place, Claim]:
        """See `InboxStore.claim`."""
        claims: dict[Place, Claim] = {}
        async with self._database.begin(self._process) as tx:
            work = tx.work
            for place in sorted(places):
                await self._database.travel(self._process, work)
                await self._database.lock(work, ("offset", place))
                row: Offset | None = self._database.get(work, ("offset", place))
                if row is None:
                    row = Offset(next_offset=places[place], epoch=1, bootstrap=bootstrap)
                elif row.epoch == lost.get(place):
                    self._note_move(work, place, row.next_offset, places[place], lost=True)
                    row = replace(row, next_offset=places[place], epoch=row.epoch + 2)
                else:
                    row = replace(row, epoch=row.epoch + 1)
                self._database.write(work, ("offset", place), row)
                claims[place] = Claim(epoch=row.epoch, next_offset=row.next_offset, bootstrap=row.bootstrap)
        return claims

    async def move_offsets(self, tx: Transaction, moves: Sequence[Move]) -> bool:
        """See `InboxStore.move_offsets`."""
        await self._travel(tx)
        work, moved = _work(tx), 0
        for move in sorted(moves, key=lambda move: move.place):
            key = ("offset", move.place)
            await self._database.lock(work, key)
            row: Offset | None = self._database.get(work, key)
            if row is not None and self.is_ours(row, move):
                self._note_move(work, move.place, row.next_offset, move.next_offset, lost=False)
                self._database.write(work, key, replace(row, next_offset=move.next_offset))
                moved += 1
        return moved == len(moves)

    @staticmethod
    def is_ours(row: Offset, move: Move) -> bool:
        """Whether a partition stands where a batch left it, and under the claim of who moves it."""
        return (row.epoch, row.next_offset) == (move.epoch, move.expected)

    async def lock_parked(self, tx: Transaction, streams: Collection[Stream]) -> set[Stream]:
        """See `InboxStore.lock_parked`."""
        await self._travel(tx)
        work, found = _work(tx), set[Stream]()
        for stream in sorted(streams):
            key = ("parked", stream)
            if self._database.get(work, key) is not None:
                await self._database.lock(work, key)
                if self._database.get(work, key) is not None:
                    found.add(stream)
        return found

    async def list_cursors(self, tx: Transaction, streams: Collection[Stream]) -> dict[Stream, Cursor]:
        """See `InboxStore.list_cursors`."""
        await self._travel(tx)
        found = {stream: self._database.get(_work(tx), ("cursor", stream)) for stream in streams}
        return {stream: cursor for stream, cursor in found.items() if cursor is not None}

    async def save_cursors(self, tx: Transaction, cursors: Mapping[Stream, Cursor]) -> None:
        """See `InboxStore.save_cursors`."""
        await self._travel(tx)
        for stream in sorted(cursors):
            await self._database.lock(_work(tx), ("cursor", stream))
            self._database.write(_work(tx), ("cursor", stream), cursors[stream])

    async def park(self, tx: Transaction, streams: Sequence[Parking], records: Sequence[ParkedRecord]) -> None:
        """See `InboxStore.park`."""
        await self._travel(tx)
        work = _work(tx)
        for parking in sorted(streams, key=lambda parking: parking.stream):
            key = ("parked", parking.stream)
            await self._database.lock(work, key)
            if self._database.get(work, key) is None:
                row = Parked(reason=parking.reason, attempts=0, next_attempt_at=tx.now + _FIRST_RETRY, parked_at=tx.now)
                self._database.write(work, key, row)
                self._database.note(work, "park", parking.stream[1], note=parking.reason)
        for kept in records:
            self._database.write(work, ("kept", kept.record.place, kept.record.offset), kept)
            self._database.note(work, "keep", kept.stream[1], kept.seq, note=f"offset {kept.record.offset}")

    async def add_poison(self, tx: Transaction, records: Sequence[tuple[Record, str]]) -> None:
        """See `InboxStore.add_poison`."""
        await self._travel(tx)
        for record, error in records:
            self._database.write(_work(tx), ("poison", record.place, record.offset), error)

    async def find_given_up(self, tx: Transaction, records: Sequence[ParkedRecord]) -> set[tuple[Place, int]]:
        """See `InboxStore.find_given_up`."""
        await self._travel(tx)
        given_up = self._database.table("given up")
        found = [kept.record for kept in records]
        return {(each.place, each.offset) for each in found if (each.key, tuple(each.headers), each.value) in given_up}

    async def count_lately_parked(self, tx: Transaction, reasons: Collection[str]) -> int:
        """See `InboxStore.count_lately_parked`."""
        await self._travel(tx)
        await self.wait_for_parking(tx)
        rows = [row for _, row in self._database.scan(_work(tx), "parked") if row.reason in reasons]
        return sum(row.parked_at > tx.now - _LATELY for row in rows)

    async def wait_for_parking(self, tx: Transaction) -> None:
        """Let nobody else count until this transaction ends."""
        await self._database.lock(_work(tx), ("parking",))

    async def claim_due(self, tx: Transaction) -> Due | None:
        """See `InboxStore.claim_due`."""
        await self._travel(tx)
        rows = self._database.scan(_work(tx), "parked")
        due = [(row.next_attempt_at, stream) for (stream,), row in rows if row.next_attempt_at]
        for at, stream in sorted(due):
            key = ("parked", stream)
            if at <= tx.now and not self._database.is_locked(key):
                await self._database.lock(_work(tx), key)
                return Due(stream, self._database.get(_work(tx), key).attempts)
        return None

    async def list_kept(self, tx: Transaction, stream: Stream, limit: int) -> list[ParkedRecord]:
        """See `InboxStore.list_kept`."""
        await self._travel(tx)
        kept = [row for _, row in self._database.scan(_work(tx), "kept") if row.stream == stream]
        return sorted(kept, key=lambda row: (row.seq, row.record.offset))[:limit]

    async def remove_kept(self, tx: Transaction, records: Sequence[ParkedRecord]) -> None:
        """See `InboxStore.remove_kept`."""
        await self._travel(tx)
        for kept in records:
            self._database.write(_work(tx), ("kept", kept.record.place, kept.record.offset), GONE)

    async def list_late_starters(self, tx: Transaction) -> set[Place]:
        """See `InboxStore.list_late_starters`."""
        await self._travel(tx)
        return {place for (place,), row in self._database.scan(_work(tx), "offset") if row.bootstrap}

    async def settle(
        self, tx: Transaction, failure: Parking, *, attempts: int, next_attempt_at: datetime | None
    ) -> None:
        """See `InboxStore.settle`."""
        await self._change(
            tx, failure.stream, reason=failure.reason, attempts=attempts, next_attempt_at=next_attempt_at
        )
        self._database.note(_work(tx), "park", failure.stream[1], note=failure.reason)

    async def retry_at(self, tx: Transaction, stream: Stream, at: datetime) -> None:
        """See `InboxStore.retry_at`."""
        await self._change(tx, stream, next_attempt_at=at)

    async def release(self, tx: Transaction, stream: Stream) -> None:
        """See `InboxStore.release`."""
        await self._travel(tx)
        await self._database.lock(_work(tx), ("parked", stream))
        self._database.write(_work(tx), ("parked", stream), GONE)
        self._database.note(_work(tx), "release", stream[1])

    async def count_parked(self) -> int:
        """See `InboxStore.count_parked`."""
        await self._database.travel(self._process)
        return len(self._database.table("parked"))

    async def _change(self, tx: Transaction, stream: Stream, **changes: object) -> None:
        await self._travel(tx)
        key = ("parked", stream)
        await self._database.lock(_work(tx), key)
        row = self._database.get(_work(tx), key)
        if row is not None:
            self._database.write(_work(tx), key, replace(row, **changes))

    async def _flush(self, tx: Transaction) -> None:
        """Number what effects say to others."""
        work = _work(tx)
        for event in sorted(tx.pending, key=lambda event: event.subject):
            await self._database.lock(work, ("said", event.subject))
            said: tuple[str, ...] = self._database.get(work, ("said", event.subject)) or ()
            self._database.write(work, ("said", event.subject), (*said, event.origin.causation_id))
        tx.pending.clear()

    async def _travel(self, tx: Transaction) -> None:
        await self._database.travel(self._process, _work(tx))

    def _note_move(self, work: Work, place: Place, before: int, after: int, *, lost: bool) -> None:
        history = self._database.history
        work.notes.append(lambda at: history.moves.append(Moved(at, place, before, after, lost)))
        self._database.note(work, "reset" if lost else "move", note=f"{place.partition}: {before} to {after}")


def make_handler(database: Database, process: Process, refuse: Callable[[Event], None]) -> Handler:
    """A slice that writes one effect for each event, counts them by subject, and says so to others.

    Args:
        refuse: raises where an event is to fail.
    """

    async def apply(tx: Transaction, events: Sequence[Event]) -> None:
        work = _work(tx)
        await database.travel(process, work)
        for event in sorted(events, key=lambda event: event.subject):
            refuse(event)
            await database.lock(work, ("ticket", event.subject))
            effects: tuple[tuple[int, UUID], ...] = database.get(work, ("ticket", event.subject)) or ()
            database.write(work, ("ticket", event.subject), (*effects, (event.seq, event.id)))
            database.note(work, "effect", event.subject, event.seq, event.id, process.name)
            tx.add_events(event.subject, [Noted()], origin=caused_by(event, service="routing"))

    return Handler(name="effects", types=frozenset({EVENT_TYPE}), apply=apply)


def _work(tx: Transaction) -> Work:
    return cast("MemoryTransaction", tx).work
