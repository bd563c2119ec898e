"""What the relay and the consumer need of the world: a log, a store, and a clock (`common.clock.Clock`).

Real ones speak to Kafka and PostgreSQL; a simulation brings its own, so that both loops can be run through thousands
of schedules in memory. Log and store each stand here in two halves, one for the way out and one for the way in.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from common.clock import Clock
from common.transaction import Transaction
from contracts.envelope import Event

Delivered = Callable[[BaseException | None], None]


class OutboxRow(NamedTuple):
    """One event that waits to be published. `id` is drawn after the lock of its subject: its order is ours."""

    shard: int
    id: int
    seq: int
    key: str
    headers: bytes
    payload: bytes


class Sample(NamedTuple):
    """`last_id` had been drawn when transaction id `xid` was allocated: see `floor`."""

    last_id: int
    xid: int


class OutgoingLog(Protocol):
    """A topic to write to, in one producer session. After any failure it is closed and a new one opened."""

    partitions: int

    def partition_of(self, key: str) -> int:
        """The partition of a key, equal for every producer that there ever was."""
        ...

    async def send(self, partition: int, rows: Sequence[OutboxRow], delivered: Delivered) -> int:
        """Begin to write the first rows to one partition, as one batch.

        Args:
            delivered: called once, after this has returned: with None when the broker has acknowledged the batch,
                else with the error.
        Returns:
            how many rows fit into the batch, at least one.
        """
        ...

    async def close(self) -> None:
        """End the session within a few seconds, whatever state it is in."""
        ...


class OutboxStore(Protocol):
    """Outbox and leases, over connections of their own. All times are the database's."""

    async def claim_shards(self, holder: str) -> frozenset[int]:
        """Take every shard whose lease is free or has run out; returns those taken now."""
        ...

    async def renew_shards(self, holder: str) -> frozenset[int]:
        """Prolong the leases held; returns those that are still ours."""
        ...

    async def release_shards(self, holder: str) -> None:
        """Give all leases back at once."""
        ...

    async def read_rows(self, floors: Mapping[int, int], known: Collection[int], limit: int) -> list[OutboxRow]:
        """Up to `limit` rows of each shard above its floor that are not in `known`, in the order of their ids."""
        ...

    async def delete_rows(self, rows: Sequence[tuple[int, int]]) -> None:
        """Remove published rows, given as (shard, id). May run while `read_rows` does."""
        ...

    async def draw_sample(self) -> Sample:
        """The last id drawn, then a new transaction id, in this order."""
        ...

    async def raise_floors(self, sample: Sample, floors: Mapping[int, int]) -> dict[int, int] | None:
        """Higher floors by the sample; None as long as a transaction older than it runs."""
        ...

    async def find_below(self, floors: Mapping[int, int]) -> list[tuple[int, int]]:
        """Rows at or below their shard's floor, as (shard, id). There must be none."""
        ...

    async def find_oldest_age(self) -> float:
        """Seconds that the oldest row has waited, 0 where none does."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


RecordHeader = tuple[str, bytes | None]
"""A header as the log gives it: it may have no value."""


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record as the log gives it.

    Attributes:
        written_at_ms: the producer's time in milliseconds since 1970.
        fault: why the log could not read it; then it holds nothing but its place and offset.
    """

    place: Place
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[RecordHeader]
    written_at_ms: int
    fault: str = ""


class OffsetLost(Exception):
    """The log no longer (or not yet) has the offset that we would read next."""

    def __init__(self, places: Collection[Place]) -> None:
        """Args: places: the partitions concerned."""
        super().__init__(f"offset out of range in {sorted(places)}")
        self.places = frozenset(places)


class LogEnded(Exception):
    """This session of the log reads no more, for good: open another."""


class IncomingLog(Protocol):
    """Topics to read as a member of a group."""

    def assignment(self) -> tuple[int, frozenset[Place]]:
        """(number of the assignment, its partitions). The number grows whenever partitions are dealt anew."""
        ...

    async def poll(self, max_records: int) -> dict[Place, list[Record]]:
        """What has arrived, by partition in order; empty after a short wait. Never cancel it.

        Args:
            max_records: at most. Where the first partitions fill it, as many again may come from partitions of other
                numbers, so that two transactions have something to do.
        Raises:
            OffsetLost: a position lies outside of what the log keeps.
            Unavailable: the log does not answer; poll again later.
            LogEnded: nothing will ever come from this one.
        """
        ...

    def seek(self, place: Place, offset: int) -> None:
        """Read this partition from here on."""
        ...

    def end_offset(self, place: Place) -> int:
        """The offset behind the last record that the last fetch knew of; 0 before the first, and where the partition
        was taken from us."""
        ...

    def pause(self, paused: bool) -> None:
        """Let polls return nothing, or let them return records again."""
        ...

    async def find_bounds(self, places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        """(first offset kept, offset after the last) of each partition."""
        ...

    async def hint(self, offsets: Mapping[Place, int]) -> None:
        """Tell the log how far we are, for its lag tools. The truth is in the database."""
        ...

    async def close(self) -> None:
        """Leave the group, within a few seconds."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The right to move one partition's offset: valid as long as nobody has claimed it with a higher epoch."""

    epoch: int
    next_offset: int
    bootstrap: bool


NOBODY = UUID(int=0)
"""Stands as the id of an event that was given up and never seen, or did not say its id."""


class Cursor(NamedTuple):
    """The last event of a subject that this service has applied."""

    seq: int
    event_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """How one batch moves a partition: from the offset it expects to the one behind its last record."""

    place: Place
    epoch: int
    expected: int
    next_offset: int
    end_offset: int


Stream = tuple[str, str]
"""(producing service, subject): what is numbered, and what is parked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParkedRecord:
    """A record to be kept behind its parked subject; `seq` is 0 where it could not be read."""

    stream: Stream
    seq: int
    record: Record


@dataclass(frozen=True, kw_only=True, slots=True)
class Parking:
    """Why a stream is parked: "failed", "gap", "fork" or "undecodable", and the error in words."""

    stream: Stream
    reason: str
    error: str


class Due(NamedTuple):
    """A parked stream whose time has come; `attempts` redrives of it have failed so far."""

    stream: Stream
    attempts: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A record that is an event of ours."""

    record: Record
    stream: Stream
    event: Event


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """A record that cannot be read.

    `stream` is None where it does not even say what it is about, `seq` 0 where it does not say its number.
    """

    record: Record
    stream: Stream | None
    seq: int
    error: str


class InboxStore(Protocol):
    """Offsets, cursors and parked streams, in the transaction that also holds the effects."""

    @property
    def clock(self) -> Clock:
        """What gives every transaction its `now`."""
        ...

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """One transaction in the service's own name. Leaving normally writes its events and commits; an exception
        rolls everything back.

        Raises:
            Unavailable: the database is away, too slow, or chose this transaction to break a deadlock; repeat it.
            UnknownOutcome: the connection was lost during COMMIT.
        """
        ...

    def savepoint(self, tx: Transaction) -> AbstractAsyncContextManager[None]:
        """A part of the transaction that may fail alone, with everything checked in it that would fail at COMMIT.

        Raises:
            Unavailable: as `begin`; the whole transaction is lost.
        """
        ...

    async def is_answering(self) -> bool:
        """Whether the database is there: if so, what did not finish met a lock, a limit or a deadlock of its own."""
        ...

    async def claim(
        self, places: Mapping[Place, int], *, lost: Mapping[Place, int], owner: str, bootstrap: bool
    ) -> dict[Place, Claim]:
        """Take partitions over: whoever held them is fenced from now on. Commits by itself.

        Args:
            places: the first offset that the log keeps of each; where we begin if we were never here.
            lost: those whose stored offset the log no longer has, each with the epoch of the claim under which that
                was found; they begin anew at the first, unless somebody else has claimed them since.
        """
        ...

    async def move_offsets(self, tx: Transaction, moves: Sequence[Move]) -> bool:
        """The fence: move every partition, or return False where one is no longer ours or stands elsewhere."""
        ...

    async def lock_parked(self, tx: Transaction, streams: Collection[Stream]) -> set[Stream]:
        """Those of the streams that are parked, locked until the transaction ends."""
        ...

    async def list_cursors(self, tx: Transaction, streams: Collection[Stream]) -> dict[Stream, Cursor]:
        """Where each stream stands; absent where nothing was applied yet. A statement of its own, after the lock."""
        ...

    async def find_given_up(self, tx: Transaction, records: Sequence[ParkedRecord]) -> set[tuple[Place, int]]:
        """Of records that would be kept, the (partition, offset) of those that operators have discarded."""
        ...

    async def save_cursors(self, tx: Transaction, cursors: Mapping[Stream, Cursor]) -> None:
        """Write where each stream stands now."""
        ...

    async def park(self, tx: Transaction, streams: Sequence[Parking], records: Sequence[ParkedRecord]) -> None:
        """Park streams and keep records behind them (those may belong to streams parked before)."""
        ...

    async def add_poison(self, tx: Transaction, records: Sequence[tuple[Record, str]]) -> None:
        """Keep records that no stream can be found for, each with the error in words."""
        ...

    async def count_lately_parked(self, tx: Transaction, reasons: Collection[str]) -> int:
        """Streams parked within the last minute for one of these reasons, and still parked: what was released since was
        applied after all, or somebody has looked. Whoever else counts waits until this transaction ends, so that what
        two park at the same time is not counted by neither."""
        ...

    async def claim_due(self, tx: Transaction) -> Due | None:
        """The parked stream that is due first, locked until the transaction ends; those that others hold are passed
        over."""
        ...

    async def list_kept(self, tx: Transaction, stream: Stream, limit: int) -> list[ParkedRecord]:
        """The first records behind a parked stream, in the order of their numbers, then of their offsets."""
        ...

    async def remove_kept(self, tx: Transaction, records: Sequence[ParkedRecord]) -> None:
        """Be done with records behind a parked stream."""
        ...

    async def list_late_starters(self, tx: Transaction) -> set[Place]:
        """Partitions read in bootstrap mode, see `Claim`."""
        ...

    async def settle(
        self, tx: Transaction, failure: Parking, *, attempts: int, next_attempt_at: datetime | None
    ) -> None:
        """Note why a redrive failed; without a next attempt the stream is held until somebody acts."""
        ...

    async def retry_at(self, tx: Transaction, stream: Stream, at: datetime) -> None:
        """Have a parked stream tried at that time, whatever it waited for."""
        ...

    async def release(self, tx: Transaction, stream: Stream) -> None:
        """End a parking: what comes next is applied."""
        ...

    async def count_parked(self) -> int:
        """Streams that are parked."""
        ...
