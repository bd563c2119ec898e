"""Two transactions of which the second meets the first's locks."""

import asyncio
from collections.abc import Awaitable, Callable

from common.errors import Refused
from common.transaction import Transaction
from tests.integration.routing.conftest import Routing
from tests.support.eventually import eventually

Step = Callable[[Transaction], Awaitable[object]]


async def attempt(routing: Routing, step: Step) -> bool:
    """Do it in a transaction of its own; False where it was refused."""
    try:
        async with routing.begin() as tx:
            await step(tx)
    except Refused:
        return False
    return True


async def overlap(routing: Routing, first: Step, second: Step) -> bool:
    """The second begins when the first has done everything but commit, and waits for its locks.

    Returns:
        Whether the second was let.
    """
    done = asyncio.Event()

    async def hold() -> None:
        async with routing.begin() as tx:
            await first(tx)
            done.set()
            await eventually(somebody_waits)

    async def follow() -> bool:
        await done.wait()
        return await attempt(routing, second)

    async def somebody_waits() -> bool:
        rows = await routing.sql(
            "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        return bool(rows)

    _, let = await asyncio.gather(hold(), follow())
    return let
