"""Processes are killed, at random and at named points, and stopped for longer than anybody waits for them."""

import os
import signal
import time
from collections.abc import Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from tests.faults.armed import POINTS
from tests.faults.faults import Fault, Made, Make
from tests.faults.load import PATIENCE_S
from tests.faults.world import NotMade, World, at_once, names, wait_for
from tests.support.eventually import pass_time
from tests.support.stack import Process

_KILLING_S = 3.0
_POINT_S, _POINT_LIMIT_S = 10.0, 120.0
"""How long everybody has to pass a point, and how long the first has where nobody did."""
_REBALANCED = ("intake", "routing")
"""Whose groups are joined by a second worker."""
_LAST_PASSAGE, _LAST_OF_REBALANCE = 8, 2
"""Up to which passage a process may live; a rebalance passes twice."""
_STOPPED_S = (13.0, 20.0)
"""Longer than a lease (5 s), a session of the group (6 s) and a rebalance (10 s)."""
_TAKEN_OVER_S = 3.0
_APIS_STOPPED_S = PATIENCE_S + 2.0


async def kill_workers(world: World) -> Made:
    """Each worker once or twice, at any moment."""
    return await _kill(world, [*world.workers, *world.chance.sample(world.workers, 2)])


async def kill_apis(world: World) -> Made:
    """Each API process once."""
    return await _kill(world, world.apis)


async def _kill(world: World, processes: list[Process]) -> Made:
    span = _KILLING_S * world.patience
    moments = sorted((world.chance.uniform(0.0, span), index) for index in range(len(processes)))
    passed = 0.0
    for moment, index in moments:
        await pass_time(moment - passed)
        processes[index].kill()
        passed = moment
    await world.started_again(processes)
    return Made(detail=f"{len(processes)} times SIGKILL")


def kill_at(point: str) -> Make:
    """Every worker that comes there, and where it passes the point too intake's API, kills itself at some passage."""

    async def make(world: World) -> Made:
        seconds = _REBALANCED if point == "rebalance" else ()
        armed = [world.stack.processes[f"{service}-worker"] for service in seconds] or world.workers
        armed += world.apis[:1] if "commit" in point else []
        starts = {process.name: process.starts for process in armed}
        traps = {process.name: process.environment["FAULTS_TRAP"] for process in armed}
        last = _LAST_OF_REBALANCE if seconds else _LAST_PASSAGE
        for process in armed:
            _write(traps[process.name], f"{point} {world.chance.randint(1, last)}")

        def find_died() -> list[Process]:
            return [process for process in armed if process.starts > starts[process.name]]

        async def all_died() -> bool:
            return len(find_died()) == len(armed)

        async def any_died() -> bool:
            return bool(find_died())

        async with AsyncExitStack() as held:
            for service in seconds:
                await held.enter_async_context(world.second(service, ready=False))
            if not await wait_for(all_died, within=_POINT_S):
                await world.wait_uncounted(any_died, within=_POINT_LIMIT_S - _POINT_S)
        died = find_died()
        for process in armed:
            _remove(traps[process.name])
        await world.started_again(died)
        if not died:
            raise NotMade(f"nobody passed the point within {_POINT_LIMIT_S:g} s")
        return Made(detail=f"died there: {names(died)}")

    return make


async def stop_workers(world: World) -> Made:
    """Every worker stands still while a second one takes its work over, then goes on as if nothing had been."""
    stopped_s = world.chance.uniform(*_STOPPED_S) if world.patience > 1 else _STOPPED_S[0]
    began_at = time.monotonic()
    async with AsyncExitStack() as held:
        with _stopped(world.workers):
            seconds = (held.enter_async_context(world.second(service)) for service in world.stack.database_urls)
            await at_once(pass_time(stopped_s), *seconds)
            await pass_time(_TAKEN_OVER_S)
            stood_s = time.monotonic() - began_at
        await pass_time(1.0)
    return Made(detail=f"{len(world.workers)} workers stood for {stood_s:.0f} s")


async def stop_apis(world: World) -> Made:
    """Every API process stands still until its clients have given up, then does what they had asked."""
    stopped_s = _APIS_STOPPED_S * world.patience
    with _stopped(world.apis):
        await pass_time(stopped_s)
    return Made(detail=f"{len(world.apis)} API processes stood for {stopped_s:.0f} s")


@contextmanager
def _stopped(processes: Sequence[Process]) -> Generator[None]:
    """Processes that stand still and then go on, unless somebody killed them meanwhile."""
    standing = [process.running for process in processes]
    for process in processes:
        process.kill(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in standing:
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGCONT)


async def rebalance(world: World) -> Made:
    """A second worker comes and goes, again and again."""
    turns = round(2 * world.patience)
    for turn in range(turns):
        async with world.second(("intake", "routing", "escalation", "feedback")[turn % 4]):
            await pass_time(world.chance.uniform(0.2, 1.0))
    return Made(detail=f"{2 * turns} rebalances")


def _write(path: str, text: str) -> None:
    # Renamed into place, so that nobody reads half of it.
    Path(f"{path}.new").write_text(text)
    os.replace(f"{path}.new", path)


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


FAULTS = (
    Fault(
        name="kill_workers",
        sentence="SIGKILL of every worker process at random moments",
        make=kill_workers,
        lasts_s=_KILLING_S,
    ),
    Fault(name="kill_apis", sentence="SIGKILL of every API process at random moments", make=kill_apis, lasts_s=3.0),
    *(
        Fault(name=f"kill_{point}", sentence=f"SIGKILL {words}", make=kill_at(point), lasts_s=4.0)
        for point, words in POINTS.items()
    ),
    Fault(
        name="zombies",
        sentence="SIGSTOP of every worker for longer than lease, session and rebalance last, while others take over; "
        "then SIGCONT",
        make=stop_workers,
        lasts_s=17.0,
        mixes=False,
    ),
    Fault(
        name="zombie_apis",
        sentence="SIGSTOP of every API process until its clients have given up; then SIGCONT",
        make=stop_apis,
        lasts_s=_APIS_STOPPED_S,
        mixes=False,
    ),
    Fault(
        name="rebalances",
        sentence="a second worker joins and leaves its group every few seconds",
        make=rebalance,
        lasts_s=8.0,
    ),
)
