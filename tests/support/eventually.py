"""The one way in which a test waits for something that another process or task does."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")
_PAUSE_S = 0.02


async def eventually(
    check: Callable[[], Awaitable[Value]], *, within: float = 60.0, pause_s: float = _PAUSE_S
) -> Value:
    """Call `check` until it returns something true, and return that.

    Args:
        check: returns a false value, or raises AssertionError, as long as the state is not there yet.
        within: seconds until the test fails.
        pause_s: between two calls; shorter where the time that passes is itself the result.
    Raises:
        AssertionError: the time is over; says what the last call gave.
    """
    limit = time.monotonic() + within
    last: object = None
    while True:
        # Asked before the look: where this process stood still, what it finds afterwards counts.
        is_over = time.monotonic() > limit
        try:
            value = await check()
            if value:
                return value
            last = value
        except AssertionError as unmet:
            last = unmet
        if is_over:
            raise AssertionError(f"not true within {within} s; the last check gave {last}")
        await asyncio.sleep(pause_s)


async def pass_time(seconds: float) -> None:
    """Let time pass. Only for programs that set the pace of something, such as how long a fault lasts; a test waits for
    what it expects."""
    await asyncio.sleep(seconds)
