"""The history in the order in which it is judged: streams of each topic, effects of each consumer, poison."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.faults.checker.lines import Effect, History, Publication

Key = tuple[str, str]
"""(source, subject)."""
Reading = tuple[str, str, str]
"""(consumer, source, subject)."""


@dataclass(frozen=True, kw_only=True)
class Breach:
    """One broken promise.

    Attributes:
        invariant: "I1" to "I8".
        fault: the window it belongs to; "" for what only the end shows.
        subject: whose story tells it; a service's name where no subject broke.
        says: what is wrong, in words.
        source, seq: the event around which the story is cut; "" and 0 where there is none.
        consumer: whose effects broke; others' are left out of the story. Empty where no effect broke.
        at: the time around which it is cut, where there is no event.
        counts_as: "lost", "duplicate effects", "reorderings", "forks" or "".
    """

    invariant: str
    fault: str
    subject: str
    says: str
    source: str = ""
    seq: int = 0
    consumer: str = ""
    at: float = 0.0
    counts_as: str = ""


@dataclass(frozen=True, kw_only=True)
class Poison:
    """A stream that a window meant to park. `at_seq`: the first number not to be applied (that of a gap may be, once
    later events fill it); 0 where not said."""

    fault: str
    reason: str
    at_seq: int


@dataclass(kw_only=True)
class Stream:
    """One subject in one topic: what its service published, by number, and what others forged, in order of offset."""

    first: dict[int, Publication] = field(default_factory=dict[int, Publication])
    last_first: Publication | None = None
    repeats: int = 0
    forged: list[Publication] = field(default_factory=list[Publication])

    @property
    def length(self) -> int:
        """The highest number published."""
        return max(self.first, default=0)


@dataclass(kw_only=True)
class Case:
    """What is judged, and the breaches found so far."""

    history: History
    streams: dict[Key, Stream] = field(default_factory=dict[Key, Stream])
    effects: dict[Reading, list[Effect]] = field(default_factory=dict[Reading, list[Effect]])
    sources: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    poison: dict[Reading, Poison] = field(default_factory=dict[Reading, Poison])
    breaches: list[Breach] = field(default_factory=list[Breach])
    _begins: list[float] = field(default_factory=list[float])
    _names: list[str] = field(default_factory=list[str])

    def window_at(self, moment: float) -> str:
        """The window that began last before a moment; "" before the first."""
        place = bisect_right(self._begins, moment)
        return self._names[place - 1] if place else ""

    def shares_of(self, since: float, until: float) -> Iterator[tuple[str, float]]:
        """How many seconds of a time fall into each window; one lasts until the next begins, the last one for ever."""
        first = max(1, bisect_right(self._begins, since))
        last = bisect_right(self._begins, until)
        for place in range(first, last + 1):
            ends = self._begins[place] if place < last else until
            yield self._names[place - 1], ends - max(since, self._begins[place - 1])

    def blame_publication(
        self, one: Publication, invariant: str, says: str, *, consumer: str = "", counts: str = ""
    ) -> None:
        """Note a breach at a record. `consumer`: who made something else of it; `counts`: see `Breach.counts_as`."""
        self.breaches.append(
            Breach(
                invariant=invariant,
                fault=self.window_at(one.written_at),
                subject=one.subject,
                says=says,
                source=one.source,
                seq=one.seq,
                consumer=consumer,
                at=one.written_at,
                counts_as=counts,
            )
        )

    def blame_effect(self, effect: Effect, invariant: str, says: str, *, fault: str = "", counts: str = "") -> None:
        """Note a breach at an effect. `fault`: where it belongs to another window than the one it was made in."""
        self.breaches.append(
            Breach(
                invariant=invariant,
                fault=fault or self.window_at(effect.applied_at),
                subject=effect.subject,
                says=says,
                source=effect.source,
                seq=effect.seq,
                consumer=effect.consumer,
                at=effect.applied_at,
                counts_as=counts,
            )
        )

    def applied_count(self, reading: Reading) -> int:
        """How many events of a stream show in what a consumer holds: all, but of a poisoned stream what was applied."""
        if reading in self.poison:
            return len(self.effects.get(reading, ()))
        stream = self.streams.get(reading[1:])
        return stream.length if stream else 0


def open_case(history: History) -> Case:
    """Put a history in order; nothing is judged yet."""
    case = Case(history=history)
    ran = [window for window in history.windows if window.ran]
    case._begins = [window.began_at for window in ran]
    case._names = [window.fault for window in ran]
    effects: defaultdict[Reading, list[Effect]] = defaultdict(list)
    for effect in history.effects:
        effects[effect.consumer, effect.source, effect.subject].append(effect)
    for found in effects.values():
        found.sort(key=lambda effect: effect.row)
    case.effects = dict(effects)
    case.sources = {consumer: set(sources) for consumer, sources in history.run.consumers.items()}
    for consumer, source, _ in effects:
        case.sources.setdefault(consumer, set()).add(source)
    for window in ran:
        for consumer, source, subject, *rest in window.poison:
            reason, at_seq = (*rest, "", 0)[:2] if len(rest) != 1 else (rest[0], 0)
            reading = (consumer, source, subject)
            case.poison.setdefault(reading, Poison(fault=window.fault, reason=reason, at_seq=at_seq or 0))
    return case
