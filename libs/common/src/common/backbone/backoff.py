"""Waiting between attempts: longer the more often something failed, never in step with other processes."""

import asyncio
import random

_SHORTEST_S = 0.1
_LONGEST_S = 5.0


async def back_off(stop: asyncio.Event, attempts: int) -> None:
    """Wait before the next attempt; ends at once when `stop` is set.

    Args:
        attempts: how many have failed so far: 1 waits 0.1 to 0.2 s, 6 and more 2.5 to 5 s.
    """
    limit = min(_LONGEST_S, _SHORTEST_S * 2.0 ** min(attempts, 10))
    try:
        async with asyncio.timeout(limit * random.uniform(0.5, 1.0)):  # noqa: S311 - not a secret
            await stop.wait()
    except TimeoutError:
        return
