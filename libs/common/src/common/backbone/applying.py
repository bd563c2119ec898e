"""One batch in one transaction: fence, parked streams, cursors, effects, and what must be parked.

First all at once. Where that fails for a reason that will not pass, the same records go again in slices, each stream in
a savepoint of its own, and the streams that fail are parked while all others are applied.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from common.backbone import metrics, tracing
from common.backbone.consumer import Handler
from common.backbone.protocols import Broken, Claim, Delivery, InboxStore, Move, ParkedRecord, Parking, Place, Stream
from common.backbone.walk import Plan, plan_batch
from common.errors import Unavailable
from common.transaction import Transaction
from contracts.envelope import Event

_log = logging.getLogger(__name__)
_SLICE_STREAMS = 50
"""PostgreSQL keeps 64 subtransactions of a session in shared memory; more make every snapshot slower for everybody."""
_BREAKER_STREAMS = 20
_BREAKER_SHARE = 0.05
_OF_RELEASES = ("failed", "undecodable")
"""Reasons that another release of ours can mend; see `Applier._check_breaker` for those that none can."""
_BREAKER_LEAST = 5
"""Below this many, the share of a small batch says nothing."""

_LANES_FROM = 500
"""Records in a batch from which two transactions are faster than one: their own costs are small beside it."""
_DECODED_AT_ONCE = 100

Item = Delivery | Broken


class Fenced(Exception):
    """Somebody else has claimed a partition of this batch, or its offset stands elsewhere: nothing was written."""


class BreakerTripped(Exception):
    """Too many subjects fail at once: rather this release is broken than all of them. Nothing was parked for it."""


@dataclass(frozen=True, kw_only=True)
class Applier:
    """What a batch needs to be applied, whichever it is.

    Attributes:
        lanes_from: see `split_lanes`.
        decoded_at_once: after how many records of the next batch the transactions of this one have their turn.
    """

    store: InboxStore
    handlers: Sequence[Handler]
    lanes_from: int = _LANES_FROM
    decoded_at_once: int = _DECODED_AT_ONCE

    async def apply(
        self,
        items: Sequence[Item],
        claims: Mapping[Place, Claim],
        ends: Mapping[Place, int],
        *,
        slice_of: int = 0,
    ) -> None:
        """Apply records in one transaction.

        Args:
            items: at least one; those of a partition in the order of their offsets.
            claims: of every partition concerned; its `next_offset` is where the database must stand.
            ends: the offset behind the last record of each partition, for the lag.
            slice_of: 0 applies all at once; else this is a slice of a batch with so many streams, each stream has a
                savepoint, and those that fail are parked.
        Raises:
            Fenced: claim again.
            BreakerTripped: the process should stop.
            UnknownOutcome: claim again and look.
            Unavailable: repeat.
            Exception: of a handler; go again in slices. In a slice: of ours; the process should stop.
        """
        started = time.perf_counter()
        streams = _streams(items)
        async with self.store.begin() as tx:
            if not await self.store.move_offsets(tx, make_moves(items, claims, ends)):
                raise Fenced
            parked = await self.store.lock_parked(tx, streams)
            # A statement of its own: it must see what a redrive committed while we waited for its lock.
            cursors = await self.store.list_cursors(tx, streams)
            late_starters = {place for place, claim in claims.items() if claim.bootstrap}
            plan = plan_batch(items, parked=parked, cursors=cursors, late_starters=late_starters)
            given_up = await self.store.find_given_up(tx, plan.kept) if plan.kept else None
            if given_up:
                # What was discarded is no news when it is read again, and what follows it has nothing to wait for.
                wanted = [item for item in items if (item.record.place, item.record.offset) not in given_up]
                plan = plan_batch(wanted, parked=parked, cursors=cursors, late_starters=late_starters)
                plan.duplicates += len(given_up)
            topic = items[0].record.place.topic
            with tracing.processing(topic, [delivery.event for delivery in plan.deliveries]) as events:
                if slice_of:
                    await self._run_each(tx, plan, events)
                else:
                    await dispatch(tx, self.handlers, events)
            await self._keep(tx, plan, slice_of or len(streams))
            await self.store.save_cursors(tx, plan.cursors)
        _measure(topic, plan, time.perf_counter() - started)

    async def confirm(self, claims: Mapping[Place, Claim], ends: Mapping[Place, int]) -> None:
        """Look whether claims are still ours where nothing comes that would tell.

        Raises:
            Fenced, UnknownOutcome, Unavailable: as `apply`.
        """
        moves = [
            Move(
                place=place,
                epoch=claim.epoch,
                expected=claim.next_offset,
                next_offset=claim.next_offset,
                end_offset=max(claim.next_offset, ends.get(place, 0)),
            )
            for place, claim in sorted(claims.items())
        ]
        async with self.store.begin() as tx:
            if not await self.store.move_offsets(tx, moves):
                raise Fenced

    async def _run_each(self, tx: Transaction, plan: Plan, events: Sequence[Event]) -> None:
        """Apply stream by stream; the plan is changed where one fails."""
        streams: dict[Stream, list[tuple[Delivery, Event]]] = {}
        for delivery, event in zip(plan.deliveries, events, strict=True):
            streams.setdefault(delivery.stream, []).append((delivery, event))
        for stream, pairs in streams.items():
            try:
                async with self.store.savepoint(tx):
                    await dispatch(tx, self.handlers, [event for _, event in pairs])
            except Unavailable:
                raise
            except Exception as error:
                _log.exception("parking %s %s", *stream)
                _give_up(plan, stream, [delivery for delivery, _ in pairs], error)

    async def _keep(self, tx: Transaction, plan: Plan, batch_streams: int) -> None:
        failing = sum(parking.reason in _OF_RELEASES for parking in plan.parkings)
        if failing:
            await self._check_breaker(tx, failing, batch_streams)
        if plan.kept:
            await self.store.park(tx, plan.parkings, plan.kept)
        if plan.poison:
            await self.store.add_poison(tx, plan.poison)

    async def _check_breaker(self, tx: Transaction, failing: int, batch_streams: int) -> None:
        """By the minute and by the batch, each against its own limit.

        Gaps and forks do not count, whoever is to blame: no release mends what a topic has lost or holds twice, so
        there would be nothing to start again with, and stopping would keep all others from being applied for good.
        Their own alarms tell of them. Counted in the database, so that a process which is started again and again does
        not park the estate.
        """
        lately = failing + await self.store.count_lately_parked(tx, _OF_RELEASES)
        if lately >= _BREAKER_STREAMS:
            raise BreakerTripped(f"{lately} subjects would be parked within a minute, the limit is {_BREAKER_STREAMS}")
        limit = max(_BREAKER_LEAST, int(batch_streams * _BREAKER_SHARE))
        if failing >= limit:
            raise BreakerTripped(f"{failing} of {batch_streams} subjects would be parked, the limit is {limit}")


async def dispatch(tx: Transaction, handlers: Sequence[Handler], events: Sequence[Event]) -> None:
    """Give each handler the events of its types, in the order of the handlers."""
    for handler in handlers:
        concerned = [event for event in events if event.type in handler.types]
        if concerned:
            await handler.apply(tx, concerned)


def slice_items(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Consecutive stretches of a batch that concern few streams each; their offsets follow each other."""
    stretch: list[Item] = []
    streams: set[Stream] = set()
    for item in items:
        if item.stream is not None and item.stream not in streams and len(streams) == _SLICE_STREAMS:
            yield stretch
            stretch, streams = [], set()
        stretch.append(item)
        if item.stream is not None:
            streams.add(item.stream)
    if stretch:
        yield stretch


def split_lanes(items: Sequence[Item], *, least: int) -> list[list[Item]]:
    """A batch in parts that may be applied at the same time: while the database works on one, we work on the other.

    Partitions of one number stay together, whatever their topic: that is where all that concerns a subject is.

    Args:
        least: how many records are worth a second transaction.
    Returns:
        none for no items, one for a small batch, at most two for a large one.
    """
    numbers = Counter(item.record.place.partition for item in items)
    if len(items) < least or len(numbers) <= 1:
        return [list(items)] if items else []
    lanes: tuple[list[int], list[int]] = ([], [])
    for number, _ in numbers.most_common():
        min(lanes, key=lambda lane: sum(numbers[each] for each in lane)).append(number)
    return [[item for item in items if item.record.place.partition in lane] for lane in lanes]


def count_streams(items: Sequence[Item]) -> int:
    """How many streams a batch concerns."""
    return len(_streams(items))


def next_offsets(items: Sequence[Item]) -> dict[Place, int]:
    """The offset behind the last record of each partition."""
    return {item.record.place: item.record.offset + 1 for item in items}


def make_moves(items: Sequence[Item], claims: Mapping[Place, Claim], ends: Mapping[Place, int]) -> list[Move]:
    """How a batch moves the partitions' offsets."""
    return [
        Move(
            place=place,
            epoch=claims[place].epoch,
            expected=claims[place].next_offset,
            next_offset=next_offset,
            end_offset=max(next_offset, ends.get(place, 0)),
        )
        for place, next_offset in sorted(next_offsets(items).items())
    ]


def _streams(items: Sequence[Item]) -> list[Stream]:
    return sorted({item.stream for item in items if item.stream is not None})


def _give_up(plan: Plan, stream: Stream, deliveries: Sequence[Delivery], error: Exception) -> None:
    """Park a stream whose events failed: all of them, before those that were to be kept already."""
    parking = Parking(stream=stream, reason="failed", error=f"{type(error).__name__}: {error}")
    plan.parkings = [parking, *(other for other in plan.parkings if other.stream != stream)]
    plan.deliveries = [delivery for delivery in plan.deliveries if delivery.stream != stream]
    plan.kept += [ParkedRecord(stream=stream, seq=each.event.seq, record=each.record) for each in deliveries]
    del plan.cursors[stream]


def _measure(topic: str, plan: Plan, seconds: float) -> None:
    where = {"topic": topic}
    metrics.applied.add(len(plan.deliveries), where)
    metrics.batch_seconds.record(seconds, where)
    metrics.batch_events.record(len(plan.deliveries), where)
    if plan.duplicates:
        metrics.duplicates.add(plan.duplicates, where)
    if plan.poison:
        metrics.poison.add(len(plan.poison), where)
        _log.error("poison records", extra={"records": len(plan.poison), "error": plan.poison[0][1]})
    for parking in plan.parkings:
        _log.error("parked %s %s: %s (%s)", *parking.stream, parking.reason, parking.error)
    for reason, counter in (("gap", metrics.gaps), ("fork", metrics.forks)):
        found = sum(parking.reason == reason for parking in plan.parkings)
        if found:
            counter.add(found, where)
