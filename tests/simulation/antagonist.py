"""Whatever goes wrong in a schedule, by the names of `plan.FAULTS`."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from common.backbone.protocols import Place, Record
from common.errors import Unavailable
from contracts.envelope import Event
from tests.simulation import operators
from tests.simulation.database import Database
from tests.simulation.history import Appended
from tests.simulation.outbox import write_events
from tests.simulation.plan import Fault
from tests.simulation.world import Slot, World

_AIM_S = 1.0
_PARKED_S = 5.0
_LOOK_S = 0.004
_IDLE_LIMIT_S = 8.0
"""A process that is stopped within a transaction loses it after so long."""


def act(world: World) -> list[Awaitable[None]]:
    """Begin every fault of the plan."""
    return [_commit_one(world, fault) for fault in world.plan.faults]


async def _commit_one(world: World, fault: Fault) -> None:
    await world.loop.wait(fault.at)
    await _aim(world, fault)
    world.note("fault", note=f"{fault.kind} for {fault.lasts_s:.2f} s")
    await _DEEDS[fault.kind](world, fault)


async def _aim(world: World, fault: Fault) -> None:
    """Wait a while for the moment: a transaction that has written, a batch on its way, a subject that is parked."""
    moments: dict[str, Callable[[], bool]] = {
        "consumer": world.consumer.is_busy,
        "relay": lambda: world.topic.in_flight > 0,
        "parked": lambda: bool(world.consumer.table("parked")),
    }
    is_now = moments.get(fault.aimed)
    limit = world.loop.time() + (_PARKED_S if fault.aimed == "parked" else _AIM_S)
    while is_now is not None and not is_now() and world.loop.time() < limit:
        await world.loop.wait(_LOOK_S)
    await world.loop.wait(world.antagonist.choice((0.0, 0.01, 0.1)) * world.antagonist.random())


def _pick(slots: list[Slot], fault: Fault) -> Slot:
    return slots[fault.who % len(slots)]


def _kill(kind: str) -> Callable[[World, Fault], Awaitable[None]]:
    async def kill(world: World, fault: Fault) -> None:
        process = _pick(getattr(world, kind), fault).process
        if process is not None and process.alive:
            await process.kill()

    return kill


def _stop(kind: str) -> Callable[[World, Fault], Awaitable[None]]:
    async def stop(world: World, fault: Fault) -> None:
        process = _pick(getattr(world, kind), fault).process
        if process is None or not process.alive or process.stopped:
            return
        process.stop()
        world.group.silence(process)
        for database in (world.producer, world.consumer):
            world.loop.soon(lambda database=database: process.stopped and database.forget(process), _IDLE_LIMIT_S)
        await world.loop.wait(fault.lasts_s)
        if process.alive:
            process.go_on()

    return stop


async def _deafen(world: World, fault: Fault) -> None:
    process = _pick(world.consumers, fault).process
    if process is not None and process.alive:
        world.group.put_out(process, fault.lasts_s)


async def _rebalance(world: World, fault: Fault) -> None:
    world.group.rebalance()


async def _steal_leases(world: World, fault: Fault) -> None:
    """They count as free, though their holder does not know."""
    for lease in world.leases.values():
        lease.expires_at = -1.0


def _crash(name: str) -> Callable[[World, Fault], Awaitable[None]]:
    async def crash(world: World, fault: Fault) -> None:
        database: Database = getattr(world, name)
        database.crash()
        await world.loop.wait(fault.lasts_s)
        database.recover()

    return crash


def _trouble(name: str) -> Callable[[World, Fault], Awaitable[None]]:
    async def trouble(world: World, fault: Fault) -> None:
        server: Any = getattr(world, name)
        server.trouble = 0.1 + fault.much * 0.5
        await world.loop.wait(fault.lasts_s)
        server.trouble = 0.0

    return trouble


async def _brokers_away(world: World, fault: Fault) -> None:
    world.topic.away = True
    await world.loop.wait(fault.lasts_s)
    world.topic.away = False


def _records(world: World) -> list[tuple[Record, Appended]]:
    """What stands in the log by now, in the order in which it came."""
    return [
        (world.topic.partitions[each.place.partition].records[each.offset], each)
        for each in world.history.appended
        if each.origin == "relay"
    ]


def _append(world: World, record: Record, *, origin: str, about: tuple[str, int, Any]) -> None:
    world.topic.append(
        record.place.partition, key=record.key, value=record.value, headers=record.headers, origin=origin, about=about
    )


async def _repeat(world: World, fault: Fault) -> None:
    """Records of a producer that was thought dead come once more, in their order."""
    found = _records(world)
    first = int(fault.much * len(found))
    for record, each in found[first : first + 1 + fault.who % 4]:
        _append(world, record, origin="repeat", about=(each.subject, each.seq, each.event_id))


async def _fork(world: World, fault: Fault) -> None:
    """Another event under a number that has been given already, as after a fail-over that lost commits."""
    found = _records(world)
    if found:
        record, each = found[-1 - fault.who % min(2, len(found))]
        event_id = world.new_id()
        headers = [(name, str(event_id).encode() if name == "ce_id" else value) for name, value in record.headers]
        forged = msgspec.structs.replace(record, headers=headers)
        _append(world, forged, origin="fork", about=(each.subject, each.seq, event_id))


async def _garbage(world: World, fault: Fault) -> None:
    """A record that says whom it is about, and nothing else that can be read."""
    found = _records(world)
    if found:
        record, each = found[int(fault.much * len(found))]
        headers = [(name, b"yesterday" if name == "ce_time" else value) for name, value in record.headers]
        _append(
            world,
            msgspec.structs.replace(record, headers=headers),
            origin="garbage",
            about=(each.subject, each.seq, None),
        )


async def _unreadable(world: World, fault: Fault) -> None:
    record = Record(
        place=Place(world.topic.name, fault.who % world.plan.partitions),
        offset=0,
        key=b"?",
        value=b"\xff",
        headers=(),
        written_at_ms=0,
    )
    _append(world, record, origin="unreadable", about=("", 0, None))


def _poison(*, for_ever: bool) -> Callable[[World, Fault], Awaitable[None]]:
    async def poison(world: World, fault: Fault) -> None:
        subject = world.plan.subjects[fault.who % len(world.plan.subjects)]
        first = 1 + int(fault.much * 4)
        known = world.poisoned.get(subject)
        world.poisoned[subject] = min(known or first, first) if for_ever else known

        def refuse(event: Event) -> None:
            if event.subject == subject and event.seq >= first:
                raise ValueError(f"cannot stomach {subject}")

        world.refusals.append(refuse)
        world.note("poison", subject, f"from {first}")
        if not for_ever:
            await world.loop.wait(fault.lasts_s)
            world.refusals.remove(refuse)

    return poison


async def _bad_release(world: World, fault: Fault) -> None:
    def refuse(event: Event) -> None:
        raise TypeError("a bad release")

    world.bad_release = True
    world.poisoned.update(dict.fromkeys(world.plan.subjects))
    world.refusals.append(refuse)
    await world.loop.wait(fault.lasts_s)
    world.refusals.remove(refuse)


async def _deadlocks(world: World, fault: Fault) -> None:
    """Handlers whose statements the database breaks off, now and then."""
    often = 0.3 + fault.much * 0.6

    def refuse(event: Event) -> None:
        if world.loop.chance.random() < often:
            raise Unavailable("deadlock detected")

    world.refusals.append(refuse)
    await world.loop.wait(fault.lasts_s)
    world.refusals.remove(refuse)


async def _row_held(world: World, fault: Fault) -> None:
    """Somebody else's transaction holds a row that handlers need."""
    subject = world.plan.subjects[fault.who % len(world.plan.subjects)]
    try:
        async with world.consumer.begin(None) as tx:
            await world.consumer.lock(tx.work, ("ticket", subject))
            await world.loop.wait(fault.lasts_s)
    except Unavailable as lost:
        world.note("fault", note=f"holds the row no longer: {lost.detail}")


async def _open_transaction(world: World, fault: Fault) -> None:
    """An event is written, and its transaction stays open for long."""
    subject = world.plan.subjects[fault.who % len(world.plan.subjects)]
    try:
        async with world.producer.begin(None) as tx:
            await write_events(world.producer, tx.work, [(subject, world.new_id())])
            await world.loop.wait(fault.lasts_s)
    except Unavailable as lost:
        world.note("not written", subject, lost.detail)


async def _retention(world: World, fault: Fault) -> None:
    """All consumers sleep for so long that the log drops records which nobody has read."""
    sleeping = [slot.process for slot in world.consumers if slot.process is not None and not slot.process.stopped]
    for process in sleeping:
        process.stop()
        world.group.silence(process)
    await world.loop.wait(fault.lasts_s)
    _truncate(world, fault)
    for process in sleeping:
        if process.alive:
            process.go_on()


def _truncate(world: World, fault: Fault) -> None:
    place = Place(world.topic.name, fault.who % world.plan.partitions)
    partition = world.topic.partitions[place.partition]
    partition.first = max(partition.first, int((partition.end + 1) * fault.much))
    stored = world.consumer.table("offset").get((place,))
    read = stored.next_offset if stored else 0
    world.history.lost.update(
        each.subject
        for each in world.history.appended
        if each.place == place and read <= each.offset < partition.first and each.subject
    )


_DEEDS: dict[str, Callable[[World, Fault], Awaitable[None]]] = {
    "kill relay": _kill("relays"),
    "kill consumer": _kill("consumers"),
    "stop relay": _stop("relays"),
    "stop consumer": _stop("consumers"),
    "deaf consumer": _deafen,
    "rebalance": _rebalance,
    "steal leases": _steal_leases,
    "crash producer's database": _crash("producer"),
    "crash consumer's database": _crash("consumer"),
    "trouble at producer's database": _trouble("producer"),
    "trouble at consumer's database": _trouble("consumer"),
    "brokers away": _brokers_away,
    "trouble at brokers": _trouble("topic"),
    "repeat": _repeat,
    "fork": _fork,
    "garbage": _garbage,
    "unreadable": _unreadable,
    "poison": _poison(for_ever=False),
    "poison for ever": _poison(for_ever=True),
    "bad release": _bad_release,
    "deadlocks": _deadlocks,
    "row held": _row_held,
    "retention": _retention,
    "open transaction": _open_transaction,
    **operators.DEEDS,
}
