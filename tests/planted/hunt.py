"""How many schedules it takes until a plant is found."""

from typing import NamedTuple

from tests.planted import PLANTS, planted
from tests.simulation.run import run_seed

_ENDED = "I0"


class Catch(NamedTuple):
    """The first schedule that broke as it must, and what broke in it."""

    schedules: int
    seed: int
    invariant: str
    says: str


def hunt(name: str, *, limit: int, first: int = 0) -> Catch | None:
    """Run schedules under a plant until one breaks an invariant that it names; None where none of `limit` does.

    Raises:
        RuntimeError: a process ended, which the plant does not name: it does not fit production any more.
    """
    wanted = PLANTS[name].breaks
    with planted(name):
        for number in range(limit):
            broken = run_seed(first + number).broken
            ended = next((each for each in broken if each.invariant == _ENDED), None)
            if ended and _ENDED not in wanted:
                raise RuntimeError(f"the plant {name} ends processes in schedule {first + number}: {ended.says}")
            found = next((each for each in broken if each.invariant in wanted), None)
            if found:
                says = f"{found.subject} {found.says}".strip()
                return Catch(number + 1, first + number, found.invariant, says)
    return None
