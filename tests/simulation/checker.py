"""What must be true of every schedule, told from its history and from what is left in the servers in the end.

The numbers I1 to I8 are those of docs/reliability.md; `find_broken` knows nothing of how the loops work.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from common.backbone.protocols import Stream
from tests.simulation.history import Appended
from tests.simulation.plan import ACTIONS
from tests.simulation.world import World

_BREAKER = 20
"""So many subjects may not be parked within a minute for one of the reasons below."""
_OF_RELEASES = ("failed", "undecodable")
_MINUTE_S = 60.0
_UNDISTURBED_S = 4.0
"""How long an event may take from the log to its effect while nothing but poison disturbs."""
_HARMLESS = frozenset({"poison", "poison for ever", "garbage", "unreadable", "repeat"})
"""Faults that disturb nobody but the subjects that they are about; no watchdog may end a process for them."""
_BY_OPERATORS = frozenset(ACTIONS)


class Broken(NamedTuple):
    """An invariant that does not hold, and for whom; the subject is empty where it concerns all."""

    invariant: str
    subject: str
    says: str


def find_broken(world: World, took: float) -> list[Broken]:
    """Everything that is wrong with a schedule that has ended, most telling first.

    Args:
        took: as `World.run` returns it.
    """
    found = [*_during(world), *_in_the_end(world)]
    if took < 0 and not found:
        found.append(Broken("I7", "", "not quiet in time"))
    return found


def is_done(world: World) -> bool:
    """Whether nothing is left to do: what `find_broken` says of the end holds already."""
    return next(_in_the_end(world), None) is None


def _during(world: World) -> Iterator[Broken]:
    history = world.history
    yield from _order_in_log(world)
    yield from _order_of_effects(world)
    yield from _parkings(world)
    if history.below_floor:
        yield Broken("I6", "", f"{history.below_floor} rows below the floor")
    for move in history.moves:
        if move.after < move.before and not move.lost:
            yield Broken("I6", "", f"the offset of {move.place} went back from {move.before} to {move.after}")
    kinds = {fault.kind for fault in world.plan.faults}
    watchdogs = () if kinds <= _HARMLESS | _BY_OPERATORS else ("Stuck", "SendFailed")
    for reason in history.exits:
        expected = (*watchdogs, *(["BreakerTripped"] if world.bad_release else []))
        if not any(word in reason for word in expected):
            yield Broken("I0", "", f"a process ended: {reason}")
    if world.plan.slowness == 1 and kinds <= _HARMLESS:
        yield from _delays(world)


def _genuine(world: World) -> dict[tuple[str, int], UUID | None]:
    return {(entry.subject, entry.seq): entry.event_id for entry in world.history.written}


def _order_in_log(world: World) -> Iterator[Broken]:
    genuine = _genuine(world)
    last: dict[str, int] = defaultdict(int)
    for record in world.history.appended:
        if record.origin != "relay":
            continue
        if genuine.get((record.subject, record.seq)) != record.event_id:
            yield Broken("I2", record.subject, f"{record.seq} is in the log and was never committed")
        elif record.seq > last[record.subject] + 1:
            yield Broken("I3", record.subject, f"{record.seq} appeared after {last[record.subject]}")
        last[record.subject] = max(last[record.subject], record.seq)


def _order_of_effects(world: World) -> Iterator[Broken]:
    genuine = _genuine(world)
    last: dict[str, int] = defaultdict(int)
    for effect in world.history.effects:
        given_up = _given_up(world, effect.subject)
        if effect.seq <= last[effect.subject]:
            yield Broken("I4", effect.subject, f"the effect of {effect.seq} came once more")
        elif effect.seq in given_up:
            yield Broken("I4", effect.subject, f"the effect of {effect.seq} came although it was given up")
        elif not given_up.issuperset(range(last[effect.subject] + 1, effect.seq)):
            yield Broken("I4", effect.subject, f"the effect of {effect.seq} came after that of {last[effect.subject]}")
        elif genuine.get((effect.subject, effect.seq)) != effect.event_id and effect.subject not in world.history.lost:
            yield Broken("I4", effect.subject, f"the effect of {effect.seq} is one of another event")
        last[effect.subject] = max(last[effect.subject], effect.seq)


def _given_up(world: World, subject: str) -> set[int]:
    return world.history.given_up.get(subject, set())


def _injected(world: World, origin: str) -> set[str]:
    return {record.subject for record in world.history.appended if record.origin == origin}


def _parkings(world: World) -> Iterator[Broken]:
    may: dict[str, set[str]] = {
        "failed": set(world.poisoned),
        "gap": world.history.lost,
        "fork": _injected(world, "fork"),
        "undecodable": _injected(world, "garbage"),
    }
    since: dict[str, float] = {}
    """When those subjects were parked that still are, for a reason that another release can mend."""
    for entry in world.history.entries:
        if entry.kind == "release":
            since.pop(entry.subject, None)
        if entry.kind != "park":
            continue
        if entry.subject not in may[entry.note]:
            yield Broken("I5", entry.subject, f"parked as {entry.note} without a cause")
        if entry.note in _OF_RELEASES:
            since.setdefault(entry.subject, entry.at)
        if sum(at > entry.at - _MINUTE_S for at in since.values()) >= _BREAKER:
            yield Broken("I5", "", "as many subjects are parked within a minute as must stop the consumer")
            return


def _delays(world: World) -> Iterator[Broken]:
    applied = {(effect.subject, effect.seq): effect.at for effect in world.history.effects}
    disturbed = set(world.poisoned) | _injected(world, "garbage")
    for record in world.history.appended:
        if record.subject in disturbed or record.origin != "relay":
            continue
        at = applied.pop((record.subject, record.seq), None)
        if at is not None and at - record.at > _UNDISTURBED_S:
            yield Broken("I8", record.subject, f"{record.seq} took {at - record.at:.1f} s though only others were ill")


def _in_the_end(world: World) -> Iterator[Broken]:
    """What must be true once everything has come to rest."""
    written: dict[str, int] = defaultdict(int)
    for entry in world.history.written:
        written[entry.subject] = max(written[entry.subject], entry.seq)
    logged: dict[str, int] = defaultdict(int)
    for record in world.history.appended:
        if record.origin == "relay":
            logged[record.subject] = max(logged[record.subject], record.seq)
    for subject, seq in written.items():
        if logged[subject] < seq:
            yield Broken("I1", subject, f"{seq} was committed and is not in the log")
    if world.producer.table("outbox"):
        yield Broken("I5", "", f"the outbox holds {sorted(world.producer.table('outbox'))}")
    for place in world.topic.places():
        stored = world.consumer.table("offset").get((place,))
        end = sum(each.place == place and each.at < world.stopped_at for each in world.history.appended)
        if (stored.next_offset if stored else 0) < end:
            yield Broken("I5", "", f"partition {place.partition} is read up to {stored}, it ends at {end}")
    parked: dict[Stream, object] = {stream: row for (stream,), row in world.consumer.table("parked").items()}
    must = _must_be_parked(world)
    # A fork that came behind later numbers is dropped as a repeat, or found when its subject is redriven in order.
    excused = must.keys() | world.history.lost | _injected(world, "fork") | _with_copies(world)
    for subject in written:
        is_parked = ("intake", subject) in parked
        tickets = world.consumer.table("ticket").get((subject,)) or ()
        gone = len(_given_up(world, subject))
        if subject in must and not is_parked and subject not in world.history.lost:
            yield Broken("I5", subject, f"is not parked although {must[subject]}")
        if is_parked and subject not in excused:
            yield Broken("I5", subject, "is still parked without a cause")
        if not is_parked and subject not in world.history.lost and len(tickets) + gone != written[subject]:
            yield Broken("I5", subject, f"has {len(tickets)} effects of {written[subject]} events")
        said = world.consumer.table("said").get((subject,)) or ()
        if said != tuple(str(event_id) for _, event_id in tickets):
            yield Broken("I4", subject, "what was said to others does not follow the effects")
    for kept in world.consumer.table("kept").values():
        if kept.stream not in parked:
            yield Broken("I5", kept.stream[1], f"{kept.seq} is kept behind a subject that is not parked")
    expected = {(record.place, record.offset) for record in world.history.appended if record.origin == "unreadable"}
    poison = set(world.consumer.table("poison"))
    if poison - expected or (expected - poison and not _was_truncated(world)):
        yield Broken("I5", "", f"poison records are {sorted(poison)}, injected were {sorted(expected)}")


def _was_truncated(world: World) -> bool:
    return any(partition.first for partition in world.topic.partitions)


def _must_be_parked(world: World) -> dict[str, str]:
    """Why, by subject, somebody has to look."""
    must = {
        subject: "its events fail for ever" for subject, first in world.poisoned.items() if _has(world, subject, first)
    }
    highest: dict[str, int] = defaultdict(int)
    for record in world.history.appended:
        if record.origin == "garbage" and not _was_discarded(world, record):
            must[record.subject] = "a record about it cannot be read"
        elif (
            record.origin == "fork" and record.seq == highest[record.subject] and not _has_acted(world, record.subject)
        ):
            must[record.subject] = f"{record.seq} was given twice"
        elif record.origin == "relay":
            highest[record.subject] = max(highest[record.subject], record.seq)
    return must


def _was_discarded(world: World, appended: Appended) -> bool:
    record = world.topic.partitions[appended.place.partition].records[appended.offset]
    return world.consumer.table("given up").get((record.key, tuple(record.headers), record.value)) is not None


def _with_copies(world: World) -> set[str]:
    """Who has a record waiting that is the copy of a discarded one, and was not discarded itself."""
    gone = world.consumer.table("given up at")
    return {
        record.subject
        for record in world.history.appended
        if record.origin == "garbage"
        and (record.place, record.offset) in world.consumer.table("kept")
        and (record.place, record.offset) not in gone
    }


def _has_acted(world: World, subject: str) -> bool:
    return any(entry.kind == "give up" and entry.subject == subject for entry in world.history.entries)


def _has(world: World, subject: str, first: int | None) -> bool:
    applied = len(world.consumer.table("ticket").get((subject,)) or ()) + len(_given_up(world, subject))
    return first is not None and any(
        record.subject == subject and record.seq >= max(first, applied + 1) for record in world.history.appended
    )


def tell(world: World, broken: Broken) -> list[str]:
    """The story of what broke: faults and ends of processes, and all that concerned the subject."""
    shown = [
        entry
        for entry in world.history.entries
        if entry.subject == broken.subject or entry.kind in ("fault", "exit", "reset", "not written", "start")
    ]
    return [f"{entry.at:9.3f}  {entry.kind:12} {entry.subject} {entry.seq or ''} {entry.note}" for entry in shown]
