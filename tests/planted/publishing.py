"""Errors on the way out: outbox, floor, relay."""

from collections import deque
from collections.abc import Sequence
from uuid import UUID

from common.backbone import relay_store
from common.backbone.floor import Floors
from common.backbone.protocols import OutboxStore, Sample
from common.backbone.relay import Session
from tests.planted.plant import Plant
from tests.simulation import broker, outbox, world
from tests.simulation.database import Database, Work

_read, _delete, _send = Session._read, Session._delete, Session._send


async def _read_behind_a_cursor(self: Session) -> int:
    """What was read once is behind us for ever, whatever commits later."""
    found = await self._store.read_rows(_cursors(self), self._known.keys(), 250) if self._floors.by_shard else []
    for row in found:
        _cursors(self)[row.shard] = max(_cursors(self)[row.shard], row.id)
        self._known[row.id] = row.shard
        self._waiting.setdefault(self._log.partition_of(row.key), deque()).append(row)
    return len(found)


def _cursors(session: Session) -> dict[int, int]:
    kept: dict[int, int] = session.__dict__.setdefault("cursors", {})
    for shard in session._floors.by_shard:
        kept.setdefault(shard, 0)
    return kept


async def _read_beyond_the_last(self: Session) -> int:
    """While something is in flight, the next page begins behind the highest id that was read."""
    floors = self._floors.by_shard
    highest = dict.fromkeys(floors, 0)
    for id_, shard in self._known.items():
        highest[shard] = max(highest.get(shard, 0), id_)
    self._floors.by_shard = {shard: max(floor, highest[shard]) for shard, floor in floors.items()}
    try:
        return await _read(self)
    finally:
        self._floors.by_shard = floors


async def _raise_to_the_highest_sent(self: Session) -> None:
    """The floor is the highest id that was acknowledged."""
    for shard, id_ in self._acknowledged:
        if shard in self._floors.by_shard:
            self._floors.by_shard[shard] = max(self._floors.by_shard[shard], id_)
    await _delete(self)


async def _never_raise(self: Floors, store: OutboxStore) -> None:
    return


async def _sample_by_snapshot(self: outbox.MemoryOutbox) -> Sample:
    """The newest id that a snapshot knows stands for an id of our own: younger transactions may run already."""
    await self._travel()
    last_id = self._database.last_id
    await self._travel()
    return Sample(last_id=last_id, xid=self._database.last_finished + 1)


async def _delete_before_the_answer(self: Session) -> None:
    """What was handed to the producer counts as arrived."""
    known = [(row.shard, row.id) for line in self._waiting.values() for row in line]
    await _send(self)
    left = {row.id for line in self._waiting.values() for row in line}
    self._acknowledged.extend((shard, id_) for shard, id_ in known if id_ not in left)


def _go_on_after_a_failure(self: Session) -> None:
    """A failed batch is sent again by the same producer, which has used up its numbers."""
    if self._failure is not None:
        self._failure = None
        self._known.clear()
        self._waiting.clear()


async def _send_side_by_side(self: Session) -> None:
    """The next batch of a partition does not wait for the one before, and the producer is not idempotent."""
    self._sending = _Forgetful()
    await _send(self)


class _Forgetful(dict[int, float]):
    """Never holds back a partition."""

    def __contains__(self, key: object) -> bool:
        return False

    def __delitem__(self, key: int) -> None:
        self.pop(key, None)


async def _draw_ids_first(database: Database, work: Work, events: Sequence[tuple[str, UUID]]) -> None:
    """As `outbox.write_events`, with the ids drawn before the locks of the subjects."""
    drawn: list[tuple[int, str, UUID]] = []
    for subject, event_id in sorted(events, key=lambda event: event[0]):
        database.last_id += 1
        drawn.append((database.last_id, subject, event_id))
    for subject in sorted({subject for subject, _ in events}):
        await database.lock(work, ("counter", subject))
    for id_, subject, event_id in drawn:
        outbox._add(database, work, id_, subject, event_id)


PLANTS = (
    Plant(
        name="position_instead_of_presence",
        says="the relay goes on behind the last id that it read",
        breaks=("I1", "I3"),
        replacements=((Session, "_read", _read_behind_a_cursor),),
    ),
    Plant(
        name="pipelined_read",
        says="while a batch is in flight, the next page begins behind the highest id read",
        breaks=("I3",),
        replacements=((Session, "_read", _read_beyond_the_last),),
    ),
    Plant(
        name="floor_at_highest_sent",
        says="the floor rises to the highest id that was acknowledged",
        breaks=("I6",),
        replacements=((Session, "_delete", _raise_to_the_highest_sent), (Floors, "raise_by", _never_raise)),
    ),
    Plant(
        name="floor_by_snapshot",
        says="the floor rises by a snapshot's newest id instead of one that was allocated",
        breaks=("I6",),
        replacements=(
            (outbox.MemoryOutbox, "draw_sample", _sample_by_snapshot),
            (relay_store, "_NEW_XID", "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"),
        ),
    ),
    Plant(
        name="deleted_before_acknowledged",
        says="rows are deleted once they are handed to the producer",
        breaks=("I1", "I3"),
        replacements=((Session, "_send", _delete_before_the_answer),),
    ),
    Plant(
        name="failed_producer_reused",
        says="after a failed batch the same producer goes on",
        breaks=("I1",),
        replacements=((Session, "_check", _go_on_after_a_failure),),
    ),
    Plant(
        name="batches_side_by_side",
        says="a partition's batches do not wait for each other, and the producer is not idempotent",
        breaks=("I3",),
        replacements=((Session, "_send", _send_side_by_side), (broker.MemoryOutgoing, "idempotent", False)),
    ),
    Plant(
        name="ids_before_locks",
        says="ids are drawn before the lock of the subject",
        breaks=("I3",),
        replacements=((outbox, "write_events", _draw_ids_first), (world, "write_events", _draw_ids_first)),
    ),
)
