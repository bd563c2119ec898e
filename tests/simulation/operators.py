"""What operators do to the consumer's database, as the statements of `replay`, `parking` and `poison` do it.

Each is one transaction under the locks that production takes; consumers and redrives beside it are production's own.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from common.backbone.protocols import NOBODY, Cursor, ParkedRecord, Place, Stream
from common.errors import Unavailable
from contracts.envelope import UndecodableRecord, decode_event
from tests.simulation.database import GONE, MemoryTransaction
from tests.simulation.history import Moved
from tests.simulation.loop import START
from tests.simulation.plan import Fault
from tests.simulation.world import World


def acting(deed: "Callable[[World, Fault, MemoryTransaction], Awaitable[None]]") -> Callable[..., Awaitable[None]]:
    """One transaction; a server that is away is no harm."""

    async def act(world: World, fault: Fault) -> None:
        try:
            async with world.consumer.begin(None) as tx:
                await deed(world, fault, tx)
        except Unavailable as absent:
            world.note("fault", note=f"{fault.kind} was not done: {absent.detail}")

    return act


async def _replay(world: World, fault: Fault, tx: MemoryTransaction) -> None:
    """Set a partition back, and fence whoever reads it."""
    place = Place(world.topic.name, fault.who % world.plan.partitions)
    await world.consumer.lock(tx.work, ("offset", place))
    row = world.consumer.get(tx.work, ("offset", place))
    first = world.topic.partitions[place.partition].first
    if row is None or row.next_offset <= first:
        return
    offset = first + int(fault.much * (row.next_offset - first))
    world.consumer.write(tx.work, ("offset", place), replace(row, next_offset=offset, epoch=row.epoch + 1))
    before = row.next_offset
    tx.work.notes.append(lambda at: world.history.moves.append(Moved(at, place, before, offset, lost=True)))
    world.consumer.note(tx.work, "reset", note=f"replay of {place.partition} from {offset}")


async def _lock_parked(world: World, fault: Fault, tx: MemoryTransaction) -> tuple[Stream, Any] | None:
    parked = [stream for (stream,), _ in world.consumer.scan(tx.work, "parked")]
    if not parked:
        return None
    stream = parked[fault.who % len(parked)]
    await world.consumer.lock(tx.work, ("parked", stream))
    row = world.consumer.get(tx.work, ("parked", stream))
    return (stream, row) if row is not None else None


async def _retry(world: World, fault: Fault, tx: MemoryTransaction) -> None:
    """Have a parked subject tried at once."""
    found = await _lock_parked(world, fault, tx)
    if found is not None:
        now = START + timedelta(seconds=world.loop.time())
        world.consumer.write(tx.work, ("parked", found[0]), replace(found[1], attempts=0, next_attempt_at=now))


async def _give_up(world: World, fault: Fault, tx: MemoryTransaction) -> None:
    """Discard the first event that waits."""
    found = await _lock_parked(world, fault, tx)
    if found is None:
        return
    stream, row = found
    waiting = [kept for _, kept in world.consumer.scan(tx.work, "kept") if kept.stream == stream]
    first, *rest = sorted(waiting, key=lambda kept: (kept.seq, kept.record.offset))
    await _pass_over(world, tx, first)
    if rest:
        now = START + timedelta(seconds=world.loop.time())
        world.consumer.write(tx.work, ("parked", stream), replace(row, attempts=0, next_attempt_at=now))
    else:
        world.consumer.write(tx.work, ("parked", stream), GONE)
        world.consumer.note(tx.work, "release", stream[1])


async def _pass_over(world: World, tx: MemoryTransaction, kept: ParkedRecord) -> None:
    database, subject = world.consumer, kept.stream[1]
    database.write(tx.work, ("kept", kept.record.place, kept.record.offset), GONE)
    database.write(tx.work, ("given up at", kept.record.place, kept.record.offset), True)
    database.write(tx.work, ("given up", kept.record.key, tuple(kept.record.headers), kept.record.value), True)
    await database.lock(tx.work, ("cursor", kept.stream))
    cursor: Cursor | None = database.get(tx.work, ("cursor", kept.stream))
    try:
        event_id = decode_event(kept.record.headers, kept.record.value).id
    except UndecodableRecord:
        event_id = NOBODY
    if kept.seq == (cursor.seq if cursor else 0) + 1:
        database.write(tx.work, ("cursor", kept.stream), Cursor(kept.seq, event_id))
        tx.work.notes.append(lambda at: world.history.given_up.setdefault(subject, set()).add(kept.seq))
    database.note(tx.work, "give up", subject, kept.seq, note=f"offset {kept.record.offset}")


DEEDS = {"replay": acting(_replay), "retry": acting(_retry), "give up": acting(_give_up)}
