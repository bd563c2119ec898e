"""I4 and I8: what each consumer made of each stream, and how long streams waited that had nothing to do with poison."""

from collections.abc import Sequence

from tests.faults.checker.case import Case, Poison, Reading, Stream
from tests.faults.checker.lines import Effect, Publication


def judge_effects(case: Case) -> None:
    """Judge every stream of every source that a consumer reads, and every effect on a stream that is not there."""
    readings: set[Reading] = set(case.effects)
    for consumer, sources in case.sources.items():
        readings.update((consumer, *key) for key, stream in case.streams.items() if key[0] in sources and stream.first)
    for reading in sorted(readings):
        stream = case.streams.get(reading[1:]) or Stream()
        effects = case.effects.get(reading, [])
        if reading in case.poison or not _is_whole(stream, effects):
            _judge_stream(case, reading, stream, effects)


def _is_whole(stream: Stream, effects: Sequence[Effect]) -> bool:
    """Whether all is as it must be: the common case, decided at once."""
    first = stream.first
    if len(first) != len(effects):
        return False
    for seq, effect in enumerate(effects, start=1):
        published = first.get(seq)
        if effect.seq != seq or published is None or published.event_id != effect.event_id:
            return False
    return True


def _judge_stream(case: Case, reading: Reading, stream: Stream, effects: Sequence[Effect]) -> None:
    consumer, source, _ = reading
    applied: set[int] = set()
    highest = 0
    for effect in effects:
        if effect.seq in applied:
            says = f"{consumer} applied {effect.seq} of {source} twice"
            case.blame_effect(effect, "I4", says, counts="duplicate effects")
            continue
        applied.add(effect.seq)
        _judge_id(case, stream, effect)
        if effect.seq < highest:
            says = f"{consumer} applied {effect.seq} of {source} behind {highest}"
            case.blame_effect(effect, "I4", says, counts="reorderings")
        highest = max(highest, effect.seq)
    poison = case.poison.get(reading)
    limit = _limit(stream, poison) if poison else stream.length
    if poison and limit is None:
        _judge_prefix(case, reading, stream, applied)
        return
    assert limit is not None
    filled = _limit_filled(stream, limit) if poison and poison.reason == "gap" else limit
    reached = max((seq for seq in applied if seq <= filled), default=0)
    for seq, published in stream.first.items():
        if seq <= max(limit, reached) and seq not in applied:
            _miss(case, consumer, published)
    for effect in effects:
        if filled < effect.seq <= stream.length:
            says = f"{consumer} applied {effect.seq} of {source}, behind its poison at {filled + 1}"
            case.blame_effect(effect, "I4", says)
            break


def _judge_prefix(case: Case, reading: Reading, stream: Stream, applied: set[int]) -> None:
    """A poisoned stream of which nobody said where it must stop: it stopped somewhere, and left nothing out before."""
    consumer, source, _ = reading
    for seq, published in stream.first.items():
        if seq < max(applied, default=0) and seq not in applied:
            _miss(case, consumer, published)
    if stream.first and stream.length in applied:
        last = stream.first[stream.length]
        says = f"{consumer} applied all of {source}, but poison should have stopped it"
        case.blame_publication(last, "I4", says, consumer=consumer)


def _judge_id(case: Case, stream: Stream, effect: Effect) -> None:
    published = stream.first.get(effect.seq)
    if published is not None and published.event_id == effect.event_id:
        return
    named = f"{effect.consumer} applied {effect.seq} of {effect.source} as event {effect.event_id}"
    if any(forged.event_id == effect.event_id for forged in stream.forged):
        case.blame_effect(effect, "I4", f"{named}, a forged record")
    elif published is None:
        case.blame_effect(effect, "I4", f"{named}, which was never published")
    else:
        case.blame_effect(effect, "I4", f"{named}, but published is {published.event_id}")


def _limit(stream: Stream, poison: Poison) -> int | None:
    """The last number that may be applied; None where neither the window nor a forged record says."""
    if poison.at_seq:
        return poison.at_seq - 1
    for forged in stream.forged:
        last = sum((one.partition, one.offset) < (forged.partition, forged.offset) for one in stream.first.values())
        known = stream.first.get(forged.seq)
        if known is not None and forged.seq <= last and known.digest == forged.digest:
            continue
        is_repeat = forged.seq < last or (
            known is not None and forged.seq == last and known.event_id == forged.event_id
        )
        if poison.reason == "undecodable" or forged.seq == 0 or not is_repeat:
            return last
    return None


def _limit_filled(stream: Stream, limit: int) -> int:
    """The last number that may be applied once events come that fill a forged gap: the one before the forged record."""
    return min((forged.seq for forged in stream.forged if forged.seq > limit + 1), default=limit + 1) - 1


def judge_bystanders(case: Case) -> None:
    """I8: in each window with poison, no stream but the poisoned waits longer than the window's bound.

    A wait across the border of windows is shared out: the fault of the next window may be why it lasts on, and no
    poison is. What of it falls into a window with poison, on either side, is judged by that window's bound, as if the
    event had been written when the window began.
    """
    bounds: dict[str, float] = {}
    for window in case.history.windows:
        bound = case.history.run.bounds["bystander_s"] if window.bystander_s == -1 else window.bystander_s
        if window.ran and (window.poison or window.poison_records) and bound is not None:
            bounds[window.fault] = bound
    if not bounds:
        return
    for reading, effects in case.effects.items():
        stream = case.streams.get(reading[1:])
        if reading in case.poison or stream is None:
            continue
        for effect in effects:
            published = stream.first.get(effect.seq)
            if published is None or effect.applied_at - published.written_at <= min(bounds.values()):
                continue
            for fault, waited in case.shares_of(published.written_at, effect.applied_at):
                if fault in bounds and waited > bounds[fault]:
                    late = f"{waited:.1f} s late, at most {bounds[fault]:g} s"
                    says = f"{effect.consumer} applied {effect.seq} of {effect.source} {late}"
                    case.blame_effect(effect, "I8", says, fault=fault)


def _miss(case: Case, consumer: str, published: Publication) -> None:
    says = f"{consumer} never applied {published.seq} of {published.source}"
    case.blame_publication(published, "I4", says, consumer=consumer, counts="lost")
