"""What a schedule contains, drawn from its seed: writes, faults and their times. As data, so that it can be shrunk."""

from dataclasses import dataclass
from random import Random

_HORIZONS_S = (0.7, 1.5, 4.0)
"""Within how long it all happens: the shorter, the more falls together."""
_SLOWNESS = (1.0, 10.0, 10.0, 40.0)
"""By how much servers are slower than usual."""
_WARM_UP_S = 0.5
"""Until processes have started."""
_NAMES = "axsh"
"""The first three share a shard of the outbox, and with two partitions the third has one of its own."""
_CROWD = 26
"""Subjects of a bad release: more than the breaker lets be parked."""


@dataclass(frozen=True, kw_only=True)
class Write:
    """One transaction of a producer: so many events about each subject; it stays open for a while at its end."""

    at: float
    events: tuple[tuple[str, int], ...]
    open_s: float
    rolled_back: bool


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that the antagonist does; `who` picks among what it concerns, `much` is a share from 0 to 1.

    `aimed` at "consumer" or "relay" waits until one of them is in the middle of something.
    """

    at: float
    kind: str
    lasts_s: float
    who: int
    much: float
    aimed: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One schedule without its order of steps, which is drawn from `seed` while it runs."""

    seed: int
    slowness: float
    partitions: int
    relays: int
    consumers: int
    subjects: tuple[str, ...]
    writes: tuple[Write, ...]
    faults: tuple[Fault, ...]


FAULTS: dict[str, tuple[int, float]] = {
    "kill relay": (3, 0.0),
    "kill consumer": (4, 0.0),
    "stop relay": (2, 9.0),
    "stop consumer": (5, 12.0),
    "deaf consumer": (5, 4.0),
    "rebalance": (4, 0.0),
    "steal leases": (2, 0.0),
    "crash producer's database": (2, 1.0),
    "crash consumer's database": (2, 1.0),
    "trouble at producer's database": (3, 2.0),
    "trouble at consumer's database": (4, 2.0),
    "brokers away": (2, 3.0),
    "trouble at brokers": (5, 3.0),
    "repeat": (3, 0.0),
    "fork": (2, 0.0),
    "garbage": (1, 0.0),
    "unreadable": (1, 0.0),
    "poison": (4, 4.0),
    "poison for ever": (1, 0.0),
    "deadlocks": (3, 2.0),
    "row held": (2, 4.0),
    "retention": (2, 5.0),
    "open transaction": (2, 6.0),
}
"""How often each is drawn, and how long it lasts at most."""
ACTIONS = ("replay", "retry", "give up", "give up")
"""What operators do beside all that, in every fifth schedule."""


def draw_plan(seed: int) -> Plan:
    """The plan of a seed, the same for ever as long as this file is."""
    chance = Random(seed)
    if seed % 25 == 24:
        return _bad_release(seed, chance)
    subjects = tuple(f"ticket/{name}" for name in _NAMES[: chance.randint(1, 4)])
    horizon_s = chance.choice(_HORIZONS_S)
    acts = _draw_actions(seed, horizon_s) if seed % 5 == 3 else ()
    kinds = chance.choices(list(FAULTS), [weight for weight, _ in FAULTS.values()], k=chance.randint(0, 6))
    return Plan(
        seed=seed,
        slowness=chance.choice(_SLOWNESS),
        partitions=chance.choice((1, 1, 2, 3)),
        relays=chance.choice((1, 2, 2)),
        consumers=chance.choice((1, 2, 2, 3)),
        subjects=subjects,
        writes=tuple(_draw_write(chance, subjects, horizon_s) for _ in range(chance.randint(3, 14))),
        faults=(*(_draw_fault(chance, kind, horizon_s) for kind in kinds), *acts),
    )


def _draw_actions(seed: int, horizon_s: float) -> tuple[Fault, ...]:
    """By a chance of their own, so that the rest of a schedule stays what it was; with something to act upon."""
    chance = Random(f"operators of {seed}")
    cause = _draw_fault(chance, chance.choice(("poison", "poison for ever", "garbage", "fork")), horizon_s)
    acts = [
        Fault(
            at=_WARM_UP_S + chance.random() * horizon_s * chance.choice((1, 3)),
            kind=chance.choice(ACTIONS),
            lasts_s=0.0,
            who=chance.randrange(1_000),
            much=chance.random(),
            aimed=chance.choice(("consumer", "parked", "parked")),
        )
        for _ in range(chance.randint(1, 5))
    ]
    return cause, *acts


def _draw_write(chance: Random, subjects: tuple[str, ...], horizon_s: float) -> Write:
    concerned = chance.sample(subjects, min(len(subjects), chance.choice((1, 1, 1, 2))))
    return Write(
        at=_WARM_UP_S + chance.random() * horizon_s,
        events=tuple((subject, chance.choice((1, 1, 1, 2, 3))) for subject in sorted(concerned)),
        open_s=chance.choice((0.0, 0.0, 0.005, 0.05, chance.random())),
        rolled_back=chance.random() < 0.15,
    )


def _draw_fault(chance: Random, kind: str, horizon_s: float) -> Fault:
    return Fault(
        at=_WARM_UP_S + chance.random() * horizon_s,
        kind=kind,
        lasts_s=(1 - chance.random() ** 2) * FAULTS[kind][1],
        who=chance.randrange(1_000),
        much=chance.random(),
        aimed=chance.choice(("", "consumer", "consumer", "relay")),
    )


def _bad_release(seed: int, chance: Random) -> Plan:
    """A release that can apply nothing is rolled out, and taken back a while later. Every other one runs in many
    processes at a slow database, so that they park at the same time."""
    consumers, slowness = (chance.choice((1, 2)), 1.0) if seed % 50 < 25 else (6, 10.0)
    subjects = tuple(f"ticket/{number}" for number in range(_CROWD))
    return Plan(
        seed=seed,
        slowness=slowness,
        partitions=max(2, consumers),
        relays=1,
        consumers=consumers,
        subjects=subjects,
        writes=tuple(
            Write(at=chance.random() * 3, events=((subject, 1),), open_s=0.0, rolled_back=False) for subject in subjects
        ),
        faults=(Fault(at=0.0, kind="bad release", lasts_s=3.0 + chance.random() * 3, who=0, much=0.0),),
    )
