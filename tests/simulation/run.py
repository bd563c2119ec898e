"""Runs one plan from beginning to end, and makes a failing plan smaller."""

import gc
import logging
import random
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from unittest.mock import patch
from zlib import crc32

from common.backbone import redrive, relay
from tests.simulation.antagonist import act
from tests.simulation.checker import Broken, find_broken, is_done, tell
from tests.simulation.loop import Loop, Standstill, run
from tests.simulation.plan import Plan, draw_plan
from tests.simulation.world import World


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one schedule; `broken` is empty where everything held."""

    plan: Plan
    broken: tuple[Broken, ...]
    story: tuple[str, ...]
    virtual_s: float
    steps: int
    effects: int
    kinds: frozenset[str]
    """Of what happened, for instance "park": see `history.Entry`."""
    trace: int
    """A checksum of the history: equal for equal schedules."""


def run_seed(seed: int) -> Outcome:
    """Run the schedule of a seed."""
    return run_plan(draw_plan(seed))


def run_plan(plan: Plan) -> Outcome:
    """Run a schedule; its steps are drawn from the plan's seed."""
    worlds: list[World] = []
    took = -1.0

    async def work(loop: Loop) -> None:
        nonlocal took
        world = World(loop, plan)
        worlds.append(world)
        took = await world.run(act, lambda: is_done(world))

    state = random.getstate()
    random.seed(plan.seed)
    failure: list[Broken] = []
    with _hurried(), _quietly():
        try:
            loop = run(work, plan.seed)
        except Standstill:
            failure = [Broken("I7", "", "everybody waits for somebody")]
            loop = worlds[0].loop
        finally:
            random.setstate(state)
    world = worlds[0]
    broken = tuple(failure or find_broken(world, took))
    return Outcome(
        plan=plan,
        broken=broken,
        story=tuple(tell(world, broken[0])) if broken else (),
        virtual_s=loop.time(),
        steps=loop.steps,
        effects=len(world.history.effects),
        kinds=frozenset(entry.kind for entry in world.history.entries),
        trace=_sum_up(world),
    )


def shrink(outcome: Outcome, *, attempts: int = 150) -> Outcome:
    """The smallest plan found that breaks the same invariant: faults, writes and processes are left out one by one."""
    invariant, smallest = outcome.broken[0].invariant, outcome
    progress = True
    while progress and attempts > 0:
        progress = False
        for smaller in _smaller(smallest.plan):
            attempts -= 1
            tried = run_plan(smaller)
            if tried.broken and tried.broken[0].invariant == invariant:
                smallest, progress = tried, True
                break
            if attempts <= 0:
                break
    return smallest


def _smaller(plan: Plan) -> Iterator[Plan]:
    for index in range(len(plan.faults)):
        yield replace(plan, faults=plan.faults[:index] + plan.faults[index + 1 :])
    for index in range(len(plan.writes)):
        yield replace(plan, writes=plan.writes[:index] + plan.writes[index + 1 :])
    if plan.relays > 1:
        yield replace(plan, relays=plan.relays - 1)
    if plan.consumers > 1:
        yield replace(plan, consumers=plan.consumers - 1)


def _sum_up(world: World) -> int:
    return crc32("\n".join(map(str, world.history.entries)).encode())


@contextmanager
def _hurried() -> Generator[None]:
    """Waits of minutes take seconds here, and who finds nothing looks less often.

    Together they are longer than anything that passes makes handlers fail: a subject is held after the last of them. A
    bad release lasts up to 6 s, and the clock of who parks may differ by 4 s from that of who tries again.
    """
    waits = (timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=10))
    with patch.object(redrive, "_WAITS", waits), patch.object(relay, "_POLL_S", (0.006, 0.4)):
        yield


@contextmanager
def _quietly() -> Generator[None]:
    """Without the log of production, which says much about what goes wrong here; and without pauses for garbage."""
    before, collects = logging.root.manager.disable, gc.isenabled()
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        logging.disable(before)
        if collects:
            gc.enable()
