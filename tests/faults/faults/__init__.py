"""The faults: each has a name, a sentence, and a function that makes it, holds it and takes it back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.world import World

Poisoned = tuple[str, str, str, str, int]
"""(consumer, source, subject, reason, first number that must not be applied): a stream that was meant to be parked."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a fault did, for the report.

    Attributes:
        troubles: what was not as documented while it lasted, in words; any fails the run.
        starts: how often processes had been started that must not end until the backlog is gone; any that does fails
            the run.
    """

    detail: str = ""
    troubles: Sequence[str] = ()
    starts: Mapping[str, int] = field(default_factory=dict[str, int])
    poison: Sequence[Poisoned] = ()
    poison_records: int = 0


Make = Callable[[World], Awaitable[Made]]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One kind of fault.

    Attributes:
        lasts_s: about how long, so that enough arrives meanwhile.
        mixes: whether it may be made together with others.
    """

    name: str
    sentence: str
    make: Make
    lasts_s: float
    mixes: bool = True
