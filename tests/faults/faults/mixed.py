"""Several faults at once, drawn from the seed."""

import asyncio
from collections.abc import Sequence
from itertools import chain

import asyncpg
from aiokafka.errors import KafkaError

from common.errors import FrontlineError
from tests.faults.faults import Fault, Made
from tests.faults.world import NotMade, NotPossible, World
from tests.support.eventually import pass_time

_LOST = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    KafkaError,
    OSError,
    FrontlineError,
)
"""What a fault meets whose own connection to a server another fault of the mixture has ended, whose server the other
took away while it was started, or whose own tickets came to nothing by it."""
_AT_ONCE = 3
_SPREAD_S = 3.0


def mixed(name: str, faults: Sequence[Fault]) -> Fault:
    """Three of those that may be mixed, each beginning at its own moment.

    What one of them finds undocumented is left out, and so is that it did not come about: another of them may be the
    reason. That none came about is no reason for anything.
    """
    mixing = [fault for fault in faults if fault.mixes]

    async def make(world: World) -> Made:
        drawn = world.chance.sample(mixing, _AT_ONCE)
        delays = [world.chance.uniform(0.0, _SPREAD_S) for _ in drawn]

        async def begin(fault: Fault, delay_s: float) -> Made | str:
            await pass_time(delay_s)
            try:
                return await fault.make(world)
            except (NotPossible, NotMade) as why:
                return f"not made: {why}"
            except _LOST as lost:
                return f"ended by another: {type(lost).__name__}"

        # All have ended before an error of one goes on: no fault is made outside of its window.
        ends = await asyncio.gather(*map(begin, drawn, delays), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        made = [end for end in ends if isinstance(end, Made)]
        told = [end if isinstance(end, str) else end.detail for end in ends]
        said = "; ".join(f"{fault.name} ({one})" for fault, one in zip(drawn, told, strict=True))
        if not made:
            raise NotMade(said)
        poison = list(chain.from_iterable(one.poison for one in made))
        poison_records = sum(one.poison_records for one in made)
        return Made(detail=said, poison=poison, poison_records=poison_records)

    return Fault(name=name, sentence="several faults at once, drawn from the seed", make=make, lasts_s=9.0)
