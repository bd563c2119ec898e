"""A loop that carries out rows: it claims what is due under a lease, a few at a time in each lane, promptly.

A lane is whatever may be away alone, for instance one other service: its trouble fills its own places and no others.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from common.errors import Unavailable
from common.lifecycle import spawn

_log = logging.getLogger(__name__)
_SHORTEST_S = 0.005
_LONGEST_S = 0.08
_ABSENCE_S = 0.5


class Errand(Protocol):
    """One row that was claimed."""

    @property
    def lane(self) -> str:
        """Whose place it takes."""
        ...


E = TypeVar("E", bound=Errand)


async def run_errands(
    *,
    lanes: Mapping[str, int],
    claim: Callable[[Mapping[str, int]], Awaitable[Sequence[E]]],
    carry_out: Callable[[E], Awaitable[None]],
    beat: Callable[[], None],
    stop: asyncio.Event,
    longest_pause_s: float = _LONGEST_S,
) -> None:
    """Claim and carry out until `stop` is set; then what is under way ends first. An absent database is waited for.

    Args:
        lanes: how many may be under way at once in each lane.
        claim: gets the free places of each lane that has some, and takes at most so many due rows.
        carry_out: does one and settles it; an exception ends the process.
        longest_pause_s: between looks that find nothing; from 5 ms it is doubled each time.
    """
    busy: Counter[str] = Counter()
    ended = asyncio.Event()

    async def do(errand: E) -> None:
        try:
            await carry_out(errand)
        finally:
            busy[errand.lane] -= 1
            ended.set()

    pause = _SHORTEST_S
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            beat()
            ended.clear()
            free = {lane: most - busy[lane] for lane, most in lanes.items() if busy[lane] < most}
            try:
                claimed = await claim(free) if free else ()
            except Unavailable as absent:
                _log.warning("errands wait", extra={"cause": absent.detail})
                await _pause(_ABSENCE_S, stop)
                continue
            for errand in claimed:
                busy[errand.lane] += 1
                spawn(group, do(errand), name="errand")
            pause = _SHORTEST_S if claimed else min(pause * 2, longest_pause_s)
            await _pause(pause, stop, ended)


async def _pause(length_s: float, *events: asyncio.Event) -> None:
    """Until the pause is over or one of the events is set."""
    async with asyncio.TaskGroup() as group:
        waits = [spawn(group, event.wait(), name="pause") for event in events]
        await asyncio.wait(waits, timeout=length_s, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
