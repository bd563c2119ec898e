"""How many schedules it takes until a plant is found."""

from typing import NamedTuple

from tests.planted import planted
from tests.simulation.run import run_seed


class Catch(NamedTuple):
    """The first schedule that broke, and what broke in it."""

    schedules: int
    seed: int
    invariant: str
    says: str


def hunt(name: str, *, limit: int, first: int = 0) -> Catch | None:
    """Run schedules under a plant until one breaks; None where none of `limit` does."""
    with planted(name):
        for number in range(limit):
            broken = run_seed(first + number).broken
            if broken:
                says = f"{broken[0].subject} {broken[0].says}".strip()
                return Catch(number + 1, first + number, broken[0].invariant, says)
    return None
