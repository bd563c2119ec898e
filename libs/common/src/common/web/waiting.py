"""Waiting for news: a bounded number of callers, short looks, and no connection held between them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from common.web.context import Edge

Seen = TypeVar("Seen")
_LOOK_EVERY = timedelta(milliseconds=250)


class LongPoll:
    """Waits on behalf of one request."""

    def __init__(self, edge: Edge) -> None:
        """Args: edge: whose polls are counted and whose drain ends the wait."""
        self._edge = edge

    async def until(
        self, look: Callable[[], Awaitable[Seen]], *, within: timedelta, every: timedelta = _LOOK_EVERY
    ) -> Seen:
        """Call `look` until it returns something true, and return that, or what it gave when the time was over.

        Args:
            look: opens its own short read, for instance by `Database.read`.
            within: the longest wait; zero looks once.
        Raises:
            Unavailable: too many wait already.
        """
        clock = self._edge.database.clock
        limit = clock.monotonic() + within.total_seconds()
        with self._edge.polls.enter():
            while True:
                seen = await look()
                left = limit - clock.monotonic()
                if seen or left <= 0 or self._edge.stopping.is_set():
                    return seen
                await self._edge.pause(min(every, timedelta(seconds=left)))
