"""I3, and forks of I6: what stands in the topics, by itself; and I2, against the archives of who wrote it."""

import hashlib

from tests.faults.checker.case import Breach, Case, Key, Stream
from tests.faults.checker.lines import Publication


def judge_topics(case: Case) -> None:
    """Put every record into its stream, in order of offset, and look at the numbers, ids and bytes."""
    owners: dict[str, tuple[str, str, int]] = {}
    late: dict[Key, Publication] = {}
    ordered = sorted(case.history.publications, key=lambda one: (one.source, one.partition, one.offset))
    for one in ordered:
        key = (one.source, one.subject)
        stream = case.streams.get(key)
        if stream is None:
            stream = case.streams[key] = Stream()
        if one.forged:
            stream.forged.append(one)
            continue
        if not one.subject or one.seq < 1:
            _add(case, one, "I3", "a record of the service itself has no readable subject or number")
            continue
        known = stream.first.get(one.seq)
        if known is None:
            _take_first(case, stream, one, late)
            owner = owners.setdefault(one.event_id, (one.source, one.subject, one.seq))
            if owner != (one.source, one.subject, one.seq):
                _add(case, one, "I3", f"id {one.event_id} is already event {owner[2]} of {owner[1]} in {owner[0]}")
        elif known.event_id != one.event_id:
            _add(case, one, "I6", f"fork: {one.seq} is event {known.event_id} and event {one.event_id}", counts="forks")
        elif known.digest != one.digest:
            _add(case, one, "I3", f"the repeat of {one.seq} at offset {one.offset} has other bytes")
        else:
            stream.repeats += 1
    _judge_gaps(case)
    _judge_tails(case)


def _take_first(case: Case, stream: Stream, one: Publication, late: dict[Key, Publication]) -> None:
    before = stream.last_first
    if before is not None and before.partition != one.partition:
        _add(case, one, "I3", f"{one.seq} is in partition {one.partition}, {before.seq} in {before.partition}")
    elif before is not None and one.seq < before.seq and (one.source, one.subject) not in late:
        late[one.source, one.subject] = one
        _add(case, one, "I3", f"{one.seq} first appears behind {before.seq}", counts="reorderings")
    stream.first[one.seq] = one
    stream.last_first = one


def _judge_gaps(case: Case) -> None:
    for (source, subject), stream in case.streams.items():
        if len(stream.first) == stream.length:
            continue
        missing = [seq for seq in range(1, stream.length + 1) if seq not in stream.first]
        after = stream.first[min(seq for seq in stream.first if seq > missing[0])]
        case.breaches.append(
            Breach(
                invariant="I3",
                fault=case.window_at(after.written_at),
                subject=subject,
                says=f"{source} never published {_name(missing)}, but {after.seq}",
                source=source,
                seq=missing[0],
                at=after.written_at,
                counts_as="lost",
            )
        )


def _judge_tails(case: Case) -> None:
    """What a service's own archive holds beyond the topic, or the topic beyond the archive."""
    archived = {(state.service, state.subject) for state in case.history.states if state.seq is not None}
    for (source, subject), stream in case.streams.items():
        if stream.last_first is not None and (source, subject) not in archived:
            _add(case, stream.last_first, "I2", "the archive holds nothing of this subject, its topic does")
    for state in case.history.states:
        stream = case.streams.get((state.service, state.subject))
        length = stream.length if stream else 0
        if state.seq is None:
            continue
        if state.seq == length:
            if stream and stream.last_first and state.digest != _digest(stream):
                _add(case, stream.last_first, "I2", "the archive holds other events than the topic under these numbers")
            continue
        last = stream.last_first if stream else None
        case.breaches.append(
            Breach(
                invariant="I3",
                fault=case.window_at(last.written_at) if last else "",
                subject=state.subject,
                says=f"the archive of {state.service} ends at {state.seq}, its topic at {length}",
                source=state.service,
                seq=length,
                at=last.written_at if last else 0.0,
                counts_as="lost" if state.seq > length else "",
            )
        )


def _digest(stream: Stream) -> str:
    """As whoever writes `state` lines makes it of the archive: of numbers and ids, in order."""
    events = "".join(f"{seq} {stream.first[seq].event_id}\n" for seq in sorted(stream.first))
    return hashlib.sha256(events.encode()).hexdigest()


def _name(missing: list[int]) -> str:
    return ", ".join(map(str, missing[:5])) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")


def _add(case: Case, one: Publication, invariant: str, says: str, *, counts: str = "") -> None:
    case.blame_publication(one, invariant, f"{one.source}: {says}", counts=counts)
