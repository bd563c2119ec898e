"""Timers of waiting tickets: cheap to add, because most tickets leave before theirs fires."""

from heapq import heapify, heappop, heappush

from routing.work.rule.waiting import Work

TICK_BITS = 20
"""A tick is 2^20 microseconds, about a second. Only the timers of the current tick are kept in order."""


NEVER = 2**63
"""Later than any time."""


class Wheel:
    """Moments at which to look at a ticket again. A ticket has at most one valid timer: the one at `Work.next_at`."""

    __slots__ = ("_far", "_near", "_tick", "_ticks", "not_before")

    def __init__(self) -> None:
        self._near: list[tuple[int, int, Work]] = []
        self._far: dict[int, list[tuple[int, int, Work]]] = {}
        self._ticks: list[int] = []
        self._tick = -1
        self.not_before = NEVER
        """Until then no timer is due."""

    def add(self, work: Work) -> None:
        """Set the ticket's timer to its `next_at`, which is not None."""
        at = work.next_at
        assert at is not None
        if at < self.not_before:
            self.not_before = at
        tick = at >> TICK_BITS
        if tick <= self._tick:
            heappush(self._near, (at, work.serial, work))
            return
        timers = self._far.get(tick)
        if timers is None:
            timers = self._far[tick] = []
            heappush(self._ticks, tick)
        timers.append((at, work.serial, work))

    def pop_due(self, now: int) -> Work | None:
        """The ticket whose timer is due first; None if none is due."""
        if self._ticks and self._ticks[0] <= now >> TICK_BITS:
            self._advance(now >> TICK_BITS)
        near = self._near
        while near and near[0][0] <= now:
            at, _, work = heappop(near)
            if work.next_at == at:
                work.next_at = None
                return work
        self.not_before = near[0][0] if near else self._ticks[0] << TICK_BITS if self._ticks else NEVER
        return None

    def next_at(self) -> int | None:
        """When the next valid timer is due; None if there is none."""
        while True:
            near = self._near
            while near and near[0][2].next_at != near[0][0]:
                heappop(near)
            if near:
                return near[0][0]
            if not self._ticks:
                return None
            self._advance(self._ticks[0])

    def _advance(self, tick: int) -> None:
        self._tick = tick
        while self._ticks and self._ticks[0] <= tick:
            self._near += (timer for timer in self._far.pop(heappop(self._ticks)) if timer[2].next_at == timer[0])
        heapify(self._near)
