"""The network is slow, resets connections, or leaves them half open; on the way to Kafka and to PostgreSQL."""

from tests.faults.faults import Fault, Made
from tests.faults.world import World
from tests.support.eventually import pass_time

_DELAY_S = 0.05


async def be_slow(world: World) -> Made:
    """Everything arrives 50 ms later, each way, on both legs."""
    for wire in world.wires:
        wire.delay_s = _DELAY_S
    try:
        await pass_time(3.0 * world.patience)
    finally:
        for wire in world.wires:
            wire.delay_s = 0.0
    return Made(detail=f"{1000 * _DELAY_S:.0f} ms each way")


async def reset(world: World) -> Made:
    """Some of the connections of either leg are reset, again and again."""
    count = 0
    for _ in range(round(8 * world.patience)):
        for wire in world.wires:
            count += wire.cut(world.chance.choice((0.2, 0.5, 1.0)))
        await pass_time(0.5)
    return Made(detail=f"{count} connections reset")


async def fall_silent(world: World) -> Made:
    """All open connections carry nothing any more and nobody is told; new ones neither, for a time."""
    count = 0
    for wire in world.wires:
        wire.silent = True
        count += wire.hush()
    try:
        await pass_time(10.0)
    finally:
        for wire in world.wires:
            wire.silent = False
    return Made(detail=f"{count} connections half open")


FAULTS = (
    Fault(name="latency", sentence="50 ms on every packet, each way, on both legs", make=be_slow, lasts_s=3.0),
    Fault(name="resets", sentence="connections reset on both legs", make=reset, lasts_s=4.0),
    Fault(
        name="half_open",
        sentence="every connection of both legs half open: it stays and carries nothing",
        make=fall_silent,
        lasts_s=10.0,
        mixes=False,
    ),
)
