"""The faults: each has a name, a sentence, and a function that makes it, holds it and takes it back."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.faults.world import World

Poisoned = tuple[str, str, str, str, int]
"""(consumer, source, subject, reason, first number that must not be applied): a stream that was meant to be parked."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a fault did, for the report.

    Attributes:
        troubles: what was not as documented while it lasted, in words; any fails the run.
    """

    detail: str = ""
    troubles: Sequence[str] = ()
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
