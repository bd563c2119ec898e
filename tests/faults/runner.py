"""Windows: fresh tickets, a fault begins and ends, then the backlog must be gone in time."""

import random
import time
from dataclasses import dataclass

from tests.faults.faults import Fault, Made
from tests.faults.load import Load, draw
from tests.faults.quiet import wait_until_drained
from tests.faults.records import record_offsets
from tests.faults.world import NotMade, NotPossible, World
from tests.support.eventually import pass_time

BOUNDS = {"drain_factor": 2.0, "drain_extra_s": 10.0, "bystander_s": 10.0}
_LEAD_S = 0.3
_STORIES, _LEAST_STORIES = 16, 4
_RATES = (1.0, 6.0)
_DRAIN_LIMIT_S = 90.0


@dataclass(frozen=True, kw_only=True)
class Window:
    """How one window went. `recovery_s` is None where the backlog was never gone."""

    name: str
    sentence: str
    ran: bool
    why_not: str = ""
    detail: str = ""
    lasted_s: float = 0.0
    recovery_s: float | None = None
    bound_s: float = 0.0
    stories: int = 0

    @property
    def in_time(self) -> bool:
        """Whether the backlog was gone within its bound."""
        return self.recovery_s is not None and self.recovery_s <= self.bound_s


async def run_window(world: World, load: Load, fault: Fault, *, name: str, seed: int) -> Window:
    """Make one fault under load, wait until its backlog is gone, and write the window's line."""
    world.chance = random.Random(f"{seed}/{name}/fault")
    world.journal.fault, world.uncounted_s = name, 0.0
    span = _LEAD_S + fault.lasts_s * world.patience
    rate = min(_RATES[1], max(_RATES[0], _STORIES / span))
    stories = max(_LEAST_STORIES, round(rate * span))
    load.begin(draw(seed, name), stories=stories, rate=rate)
    await pass_time(_LEAD_S)
    began_at, made, why_not = time.time(), Made(), ""
    try:
        made = await fault.make(world)
    except NotPossible as reason:
        why_not = str(reason)
    except NotMade as missed:
        made = Made(detail=str(missed), troubles=[str(missed)])
    except Exception as broken:
        # Whatever it is, it is told beside the verdict on all that happened so far.
        made = Made(detail=f"broke: {broken!r}", troubles=[f"broke: {broken!r}"])
    ended_at = time.time()
    bound_s = BOUNDS["drain_factor"] * max(0.0, ended_at - began_at - world.uncounted_s) + BOUNDS["drain_extra_s"]
    quiet_at, troubles = await _settle(world, within=max(_DRAIN_LIMIT_S, bound_s))
    load.troubles += [f"{name}: {trouble}" for trouble in (*made.troubles, *troubles, *world.take_endings())]
    world.journal.write(
        "fault",
        fault=name,
        began_at=began_at,
        ended_at=ended_at,
        quiet_at=quiet_at,
        ran=not why_not,
        why_not=why_not,
        detail=made.detail,
        poison=[list(one) for one in made.poison],
        poison_records=made.poison_records,
        bystander_s=BOUNDS["bystander_s"] if made.poison else None,
        uncounted_s=world.uncounted_s,
    )
    return Window(
        name=name,
        sentence=fault.sentence,
        ran=not why_not,
        why_not=why_not,
        detail=made.detail,
        lasted_s=ended_at - began_at,
        recovery_s=None if quiet_at is None else max(0.0, quiet_at - ended_at),
        bound_s=bound_s,
        stories=stories,
    )


async def _settle(world: World, *, within: float) -> tuple[float | None, list[str]]:
    """(when the backlog was gone, if it was; what kept us from looking, in words): a server may be away for good."""
    quiet_at = None
    try:
        quiet_at = await wait_until_drained(world, within=within)
        await record_offsets(world)
    except Exception as broken:
        return quiet_at, [f"nobody could look whether all was quiet: {broken!r}"]
    return quiet_at, []
