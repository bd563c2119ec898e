"""A cluster of brokers: leaders move, the broker that leads most dies, each is restarted in turn."""

import signal
from collections import Counter
from collections.abc import Sequence

from aiokafka.errors import KafkaError

from tests.faults.faults import Fault, Made
from tests.faults.world import NotMade, World, wait_for
from tests.support.cluster import BROKERS
from tests.support.eventually import pass_time
from tests.support.leaders import leaders_of
from tests.support.stack import PARTITIONS

_OFFSETS = "__consumer_offsets"
_IN_STEP_S = 120.0


async def move_leaders(world: World) -> Made:
    """Every partition gets its replicas in another order and its first one as leader, again and again."""
    topics = [*world.stack.topics.values(), _OFFSETS]
    moved, rounds = 0, round(4 * world.patience)
    async with leaders_of(world.brokers.bootstrap) as leaders:
        for _ in range(rounds):
            before = await leaders.find(topics)
            wanted = {place: world.chance.sample(BROKERS, len(BROKERS)) for place in sorted(before)}
            await leaders.move(wanted)
            after = await leaders.find(topics)
            moved += sum(after[place] != before[place] for place in before)
            await pass_time(world.chance.uniform(0.5, 2.0))
    return Made(detail=f"{moved} changes of leaders of {len(before)} partitions")


async def kill_leader(world: World) -> Made:
    """`kill -9` of the broker that leads most; others take over, then it comes back and catches up."""
    topics = list(world.stack.topics.values())
    async with leaders_of(world.brokers.bootstrap) as leaders:
        [(number, led)] = Counter((await leaders.find(topics)).values()).most_common(1)
    await world.brokers.end(number, signal.SIGKILL)
    others = [other for other in BROKERS if other != number]
    try:
        if not await wait_for(lambda: _is_led_by(world, others), within=_IN_STEP_S):
            raise NotMade(f"nobody took over the partitions of the killed broker within {_IN_STEP_S:g} s")
        await pass_time(2.0 * world.patience)
    finally:
        await world.brokers.start_again(number)
    await _catch_up(world)
    return Made(detail=f"broker {number}, which led {led} of {len(topics) * PARTITIONS} partitions")


async def restart_each(world: World) -> Made:
    """One after the other is stopped as an administrator does it, started, and waited for until it has caught up."""
    order: Sequence[int] = world.chance.sample(BROKERS, len(BROKERS))
    for number in order:
        await world.brokers.end(number)
        await world.brokers.start_again(number)
        await _catch_up(world)
    return Made(detail=f"in the order {', '.join(map(str, order))}")


async def _catch_up(world: World) -> None:
    if not await wait_for(lambda: _is_whole(world), within=_IN_STEP_S):
        raise NotMade(f"a broker had not caught up within {_IN_STEP_S:g} s")


async def _is_led_by(world: World, numbers: Sequence[int]) -> bool:
    try:
        async with leaders_of(world.brokers.bootstrap) as leaders:
            found = await leaders.find(world.stack.topics.values())
    except KafkaError:
        return False
    return bool(found) and set(found.values()) <= set(numbers)


async def _is_whole(world: World) -> bool:
    """Whether every replica has every record."""
    try:
        async with leaders_of(world.brokers.bootstrap) as leaders:
            return not await leaders.count_lacking([*world.stack.topics.values(), _OFFSETS])
    except KafkaError:
        return False


FAULTS = (
    Fault(
        name="leader_moves",
        sentence="three brokers: replicas put in another order and the first elected leader, of every partition",
        make=move_leaders,
        lasts_s=6.0,
    ),
    Fault(
        name="cluster_broker_killed",
        sentence="three brokers: kill -9 of the one that leads most partitions, then its return",
        make=kill_leader,
        lasts_s=14.0,
    ),
    Fault(
        name="cluster_rolling_restart",
        sentence="three brokers: a clean restart of each in turn",
        make=restart_each,
        lasts_s=20.0,
        mixes=False,
    ),
)
