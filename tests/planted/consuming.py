"""Errors on the way in: claims, fence, cursors, parking, redrive."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from common.backbone import applying, redrive, walk
from common.backbone.applying import Applier, Fenced, Item, dispatch, make_moves, next_offsets
from common.backbone.consume import Consumer
from common.backbone.consumer import Handler
from common.backbone.decoding import decode_record
from common.backbone.protocols import (
    Claim,
    Cursor,
    Delivery,
    Due,
    InboxStore,
    Move,
    ParkedRecord,
    Parking,
    Place,
    Stream,
)
from common.backbone.walk import Plan
from common.database import UnknownOutcome
from common.errors import Unavailable
from common.transaction import Transaction
from contracts.envelope import Event
from tests.planted.plant import Plant
from tests.simulation.inbox import MemoryInbox, Offset

_apply, _claim, _attempt = Applier.apply, Consumer._claim, Consumer._attempt
_plan_batch, _find_fault = walk.plan_batch, walk.find_fault


class _Over:
    """A store or a log with some of its methods replaced."""

    def __init__(self, real: Any, **replaced: Any) -> None:
        self._real = real
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


async def _commit_offsets_first(
    self: Applier, items: Sequence[Item], claims: Mapping[Place, Claim], ends: Mapping[Place, int], *, slice_of: int = 0
) -> None:
    """The offset is committed in a transaction of its own, and the effects follow."""

    async def moved(tx: Transaction, moves: Sequence[Move]) -> bool:
        return True

    async with self.store.begin() as tx:
        if not await self.store.move_offsets(tx, make_moves(items, claims, ends)):
            raise Fenced
    await _apply(replace(self, store=_Over(self.store, move_offsets=moved)), items, claims, ends, slice_of=slice_of)


async def _apply_with_stale_cursors(
    self: Applier, items: Sequence[Item], claims: Mapping[Place, Claim], ends: Mapping[Place, int], *, slice_of: int = 0
) -> None:
    """Cursors are read with the lock of the parked subjects: as they were before it was waited for."""
    seen: dict[Stream, Cursor] = {}

    async def lock_parked(tx: Transaction, streams: Collection[Stream]) -> set[Stream]:
        seen.update(await self.store.list_cursors(tx, streams))
        return await self.store.lock_parked(tx, streams)

    async def list_cursors(tx: Transaction, streams: Collection[Stream]) -> dict[Stream, Cursor]:
        return seen

    store = _Over(self.store, lock_parked=lock_parked, list_cursors=list_cursors)
    await _apply(replace(self, store=store), items, claims, ends, slice_of=slice_of)


def _is_always_ours(row: Offset, move: Move) -> bool:
    return True


def _is_of_our_epoch(row: Offset, move: Move) -> bool:
    return row.epoch == move.epoch


async def _presume_committed(self: Consumer, items: Sequence[Item], *, slice_of: int = 0) -> Exception | None:
    """COMMIT was sent, so it will have happened."""
    failure = await _attempt(self, items, slice_of=slice_of)
    if not isinstance(failure, UnknownOutcome):
        return failure
    for place, offset in next_offsets(items).items():
        if place in self._claims:
            self._claims[place] = replace(self._claims[place], next_offset=offset)
    return None


async def _begin_at_the_end(self: Consumer) -> None:
    """What this service has never read begins with what comes next."""
    real = self._log

    async def find_bounds(places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        return {place: (end, end) for place, (_, end) in (await real.find_bounds(places)).items()}

    self._log = _Over(real, find_bounds=find_bounds)
    try:
        await _claim(self)
    finally:
        self._log = real


async def _trust_the_listener(self: Consumer) -> None:
    """What was ours and is ours again needs no new claim: the group has set us to where we were."""
    if self._claims:
        self._dealt = self._log.assignment()[0]
    await _claim(self)


def _by_number_alone(item: Delivery, last: Cursor | None) -> bool:
    return last is not None and item.event.seq <= last.seq


def _over_gaps(item: Delivery, last: Cursor | None, late_starters: Collection[Place]) -> tuple[str, str] | None:
    fault = _find_fault(item, last, late_starters)
    return None if fault is not None and fault[0] == "gap" else fault


def _move_past_the_kept(items: Sequence[Item], **known: Any) -> Plan:
    """What waits behind a parking counts as seen."""
    plan = _plan_batch(items, **known)
    numbers = {(kept.record.place, kept.record.offset) for kept in plan.kept}
    for item in items:
        if isinstance(item, Delivery) and (item.record.place, item.record.offset) in numbers:
            plan.cursors[item.stream] = Cursor(item.event.seq, item.event.id)
    return plan


async def _blame_the_subject(tx: Transaction, handlers: Sequence[Handler], events: Sequence[Event]) -> None:
    """Whatever goes wrong within a handler is the fault of the event."""
    try:
        await dispatch(tx, handlers, events)
    except Unavailable as absent:
        raise RuntimeError("the handler failed") from absent


async def _let_all_be_parked(self: Applier, tx: Transaction, failing: int, batch_streams: int) -> None:
    return


async def _wait_for_nobody(self: MemoryInbox, tx: Transaction) -> None:
    return


async def _redrive_what_can_be(
    tx: Transaction,
    store: InboxStore,
    handlers: Sequence[Handler],
    kept: Sequence[ParkedRecord],
    cursor: Cursor | None,
    late_starters: Collection[Place],
) -> tuple[int, Cursor | None, Parking | None]:
    """Each parked event is tried for itself; those that fail again are given up."""
    for parked in kept:
        item = decode_record(parked.record, {parked.record.place.topic: parked.stream[0]})
        if not isinstance(item, Delivery) or walk.is_repeat(item, cursor):
            continue
        try:
            async with store.savepoint(tx):
                await dispatch(tx, handlers, [item.event])
        except Unavailable:
            raise
        except Exception as error:
            redrive._log.info("cannot be redriven: %r", error)
            continue
        cursor = Cursor(item.event.seq, item.event.id)
    return len(kept), cursor, None


async def _take_due_without_lock(self: MemoryInbox, tx: Transaction) -> Due | None:
    """The subject is read, and not locked: a consumer may keep more behind it meanwhile."""
    await self._travel(tx)
    rows = sorted(self._database.table("parked").items())
    due = [(row.next_attempt_at, stream, row.attempts) for (stream,), row in rows if row.next_attempt_at]
    return next((Due(stream, attempts) for at, stream, attempts in sorted(due) if at <= tx.now), None)


PLANTS = (
    Plant(
        name="offset_before_effects",
        says="the offset is committed before the effects, in a transaction of its own",
        breaks=("I5",),
        replacements=((Applier, "apply", _commit_offsets_first),),
    ),
    Plant(
        name="no_epoch_check",
        says="the offset moves whoever owns the partition, and wherever it stands",
        breaks=("I6",),
        replacements=((MemoryInbox, "is_ours", staticmethod(_is_always_ours)),),
    ),
    Plant(
        name="unknown_commit_presumed",
        says="a COMMIT without an answer counts as done, and the fence compares the epoch alone",
        breaks=("I5",),
        replacements=(
            (Consumer, "_attempt", _presume_committed),
            (MemoryInbox, "is_ours", staticmethod(_is_of_our_epoch)),
        ),
    ),
    Plant(
        name="begins_at_the_end",
        says="a partition never read before begins at its end",
        breaks=("I5",),
        replacements=((Consumer, "_claim", _begin_at_the_end),),
    ),
    Plant(
        name="listener_trusted",
        says="a partition that is dealt to us again is neither claimed anew nor sought",
        breaks=("I5",),
        replacements=((Consumer, "_claim", _trust_the_listener),),
    ),
    Plant(
        name="repeat_by_number",
        says="the same number is a repeat, whatever its id",
        breaks=("I5",),
        replacements=((walk, "is_repeat", _by_number_alone), (redrive, "is_repeat", _by_number_alone)),
    ),
    Plant(
        name="gap_ignored",
        says="an event follows whatever was applied last",
        breaks=("I4",),
        replacements=((walk, "find_fault", _over_gaps), (redrive, "find_fault", _over_gaps)),
    ),
    Plant(
        name="stale_cursors",
        says="cursors are those of before the wait for a redrive's lock",
        breaks=("I5",),
        replacements=((Applier, "apply", _apply_with_stale_cursors),),
    ),
    Plant(
        name="cursor_past_parked",
        says="the cursor moves with events that are kept behind a parking",
        breaks=("I5",),
        replacements=((applying, "plan_batch", _move_past_the_kept),),
    ),
    Plant(
        name="infrastructure_parked",
        says="a database that does not finish parks the subject",
        breaks=("I5",),
        replacements=((applying, "dispatch", _blame_the_subject),),
    ),
    Plant(
        name="no_breaker",
        says="however many subjects fail at once, all are parked",
        breaks=("I5",),
        replacements=((Applier, "_check_breaker", _let_all_be_parked),),
    ),
    Plant(
        name="breaker_without_lock",
        says="two that park at the same time do not count each other's subjects",
        breaks=("I5",),
        replacements=((MemoryInbox, "wait_for_parking", _wait_for_nobody),),
    ),
    Plant(
        name="redrive_out_of_order",
        says="parked events are redriven each for itself",
        breaks=("I5",),
        replacements=((redrive, "_apply_in_order", _redrive_what_can_be),),
    ),
    Plant(
        name="redrive_without_lock",
        says="a redrive does not lock the subject",
        breaks=("I4",),
        replacements=((MemoryInbox, "claim_due", _take_due_without_lock),),
    ),
)
