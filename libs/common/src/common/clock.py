"""Time as an argument. Only this module may ask the operating system what time it is."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What time it is: `now` for facts and due times, `monotonic` for durations inside one process."""

    def now(self) -> datetime:
        """The present in UTC, with microseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed point of this process."""
        ...


def is_in_utc(moment: datetime) -> bool:
    """Whether a moment with an offset lies within the years that UTC has: nothing can keep or compare another one."""
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return False
    return True


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()


class MovableClock:
    """A clock that stands still until it is moved, for tests and simulations."""

    def __init__(self, start: datetime) -> None:
        """Args: start: the first `now`, with an offset."""
        self._now = start.astimezone(UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._now

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._elapsed

    def move(self, by: timedelta) -> None:
        """Move both clocks forward."""
        self._now += by
        self._elapsed += by.total_seconds()
