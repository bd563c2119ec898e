"""What becomes of each record of a batch, by the numbers alone: applied, dropped as a repeat, or kept behind a parking.

Pure: it reads nothing and writes nothing. Records of one stream stand in their order; streams are independent.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from common.backbone.protocols import NOBODY, Broken, Cursor, Delivery, ParkedRecord, Parking, Place, Record, Stream


@dataclass(kw_only=True)
class Plan:
    """What to do with one batch.

    Attributes:
        deliveries: to apply, in order.
        cursors: where streams stand afterwards; only those that moved.
        parkings: streams to park now, each once.
        kept: records to keep behind parked streams, also behind those parked before.
        poison: records without a stream, and why.
    """

    deliveries: list[Delivery] = field(default_factory=list[Delivery])
    cursors: dict[Stream, Cursor] = field(default_factory=dict[Stream, Cursor])
    parkings: list[Parking] = field(default_factory=list[Parking])
    kept: list[ParkedRecord] = field(default_factory=list[ParkedRecord])
    poison: list[tuple[Record, str]] = field(default_factory=list[tuple[Record, str]])
    duplicates: int = 0


def plan_batch(
    items: Sequence[Delivery | Broken],
    *,
    parked: Collection[Stream],
    cursors: Mapping[Stream, Cursor],
    late_starters: Collection[Place],
) -> Plan:
    """Decide about each record.

    Args:
        parked: streams parked before.
        cursors: where streams stand; absent where nothing was applied yet.
        late_starters: partitions read in bootstrap mode, where a stream never seen before may begin above 1.
    """
    plan = Plan()
    waiting = set(parked)
    for item in items:
        if item.stream is None:
            assert isinstance(item, Broken)
            plan.poison.append((item.record, item.error))
            continue
        stream = item.stream
        if isinstance(item, Broken):
            seq, fault = item.seq, ("undecodable", item.error)
        else:
            seq = item.event.seq
            last = plan.cursors.get(stream) or cursors.get(stream)
            if is_repeat(item, last):
                plan.duplicates += 1
                continue
            fault = find_fault(item, last, late_starters)
            if fault is None and stream not in waiting:
                plan.deliveries.append(item)
                plan.cursors[stream] = Cursor(seq, item.event.id)
                continue
        if stream not in waiting:
            assert fault is not None
            plan.parkings.append(Parking(stream=stream, reason=fault[0], error=fault[1]))
            waiting.add(stream)
        plan.kept.append(ParkedRecord(stream=stream, seq=seq, record=item.record))
    return plan


def is_repeat(item: Delivery, last: Cursor | None) -> bool:
    """Whether this very event was applied before, or its number given up. The same number with another id is a fork."""
    if last is None or item.event.seq > last.seq:
        return False
    return item.event.seq < last.seq or last.event_id in (item.event.id, NOBODY)


def find_fault(item: Delivery, last: Cursor | None, late_starters: Collection[Place]) -> tuple[str, str] | None:
    """(reason, in words) why an event that is no repeat cannot follow the last one; None where it can."""
    seq = item.event.seq
    if comes_next(seq, item.record.place, last.seq if last else None, late_starters):
        return None
    if last is None:
        return "gap", f"begins with {seq}, events 1 to {seq - 1} are missing"
    if seq == last.seq:
        return "fork", f"{seq} was event {last.event_id}, now it is {item.event.id}"
    return "gap", f"{seq} follows {last.seq}"


def comes_next(seq: int, place: Place, last_seq: int | None, late_starters: Collection[Place]) -> bool:
    """Whether this number follows what was applied last; 0, a number that could not be read, never does.

    Args:
        last_seq: None where nothing was applied yet.
        late_starters: see `plan_batch`.
    """
    if last_seq is None:
        return seq == 1 or (seq > 0 and place in late_starters)
    return seq == last_seq + 1
