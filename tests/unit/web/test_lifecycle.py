"""How a process lives and ends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from common.clock import MovableClock, SystemClock
from common.lifecycle import Life, Pulse, Stage, Task, TaskEnded, spawn, until_stopped
from tests.support.eventually import eventually

Run = Callable[[Pulse], Awaitable[None]]


async def never() -> None:
    """Start-up checks that wait for ever."""
    await asyncio.Event().wait()


async def nothing() -> None:
    """No start-up checks."""


def new_life(drain: timedelta = timedelta(seconds=5)) -> Life:
    """A life on the machine's clock."""
    return Life(clock=SystemClock(), drain_timeout=drain, heartbeat_timeout=timedelta(seconds=60))


def obedient(name: str, ended: list[str]) -> Run:
    """A task that ends when it is told to, and notes that it did."""

    async def run(pulse: Pulse) -> None:
        await pulse.stopping.wait()
        ended.append(name)

    return run


async def test_the_drain_goes_stage_by_stage() -> None:
    """What takes work in ends before what carries it out, and the probes last."""
    ended: list[str] = []
    stages = {"admin": Stage.ADMIN, "relay": Stage.OUTLET, "api": Stage.EDGE}
    tasks = [Task(name=name, run=obedient(name, ended), stage=stage) for name, stage in stages.items()]
    life = new_life()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        spawn(group, life.run(tasks, prepare=nothing, signals=False), name="life")
        life.draining.set()
    assert ended == ["api", "relay", "admin"]


async def test_a_task_that_does_not_end_is_cancelled_at_the_bound() -> None:
    """The drain has a limit, and what comes behind still gets its turn."""
    ended: list[str] = []

    async def stubborn(_pulse: Pulse) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("stubborn")

    tasks = [
        Task(name="stubborn", run=stubborn),
        Task(name="relay", run=obedient("relay", ended), stage=Stage.OUTLET),
    ]
    life = new_life(drain=timedelta(milliseconds=50))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        spawn(group, life.run(tasks, prepare=nothing, signals=False), name="life")
        life.draining.set()
    assert ended[0] == "stubborn"


async def test_a_task_that_fails_ends_the_process() -> None:
    """With its own error; its siblings are cancelled."""

    async def failing(_pulse: Pulse) -> None:
        raise ValueError("broken")

    with pytest.raises(ExceptionGroup) as raised:
        await new_life().run(
            [Task(name="failing", run=failing), Task(name="other", run=obedient("other", []))],
            prepare=nothing,
            signals=False,
        )
    assert raised.value.subgroup(ValueError) is not None


async def test_a_task_that_ends_by_itself_ends_the_process() -> None:
    """A consumer that returns is a consumer that is dead."""

    async def returning(_pulse: Pulse) -> None:
        return

    with pytest.raises(ExceptionGroup) as raised:
        await new_life().run([Task(name="returning", run=returning)], prepare=nothing, signals=False)
    assert raised.value.subgroup(TaskEnded) is not None


async def test_tasks_wait_for_the_start_up_checks_but_probes_do_not() -> None:
    """A process that waits for its database answers its probes meanwhile; a stop during the wait is obeyed."""
    seen: list[str] = []
    probing = asyncio.Event()

    async def probe(pulse: Pulse) -> None:
        probing.set()
        await pulse.stopping.wait()

    async def work(pulse: Pulse) -> None:
        seen.append("work")
        await pulse.stopping.wait()

    life = new_life()
    tasks = [Task(name="admin", run=probe, stage=Stage.ADMIN, beats=False), Task(name="work", run=work)]
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        spawn(group, life.run(tasks, prepare=never, signals=False), name="life")
        await probing.wait()
        assert not life.started
        life.draining.set()
    assert seen == []


async def test_a_failed_start_up_check_ends_the_process() -> None:
    """Before any task had anything to do."""

    async def refuse() -> None:
        raise ValueError("schema behind")

    with pytest.raises(ExceptionGroup) as raised:
        await new_life().run([Task(name="work", run=obedient("work", []))], prepare=refuse, signals=False)
    assert raised.value.subgroup(ValueError) is not None


async def test_a_late_heartbeat_is_named() -> None:
    """Alive is who turned within the limit; a server without turns is alive while it runs."""
    clock = MovableClock(datetime(2026, 3, 1, tzinfo=UTC))
    life = Life(clock=clock, drain_timeout=timedelta(seconds=5), heartbeat_timeout=timedelta(seconds=60))
    pulses: dict[str, Pulse] = {}

    def keep(name: str) -> Run:
        async def run(pulse: Pulse) -> None:
            pulses[name] = pulse
            await pulse.stopping.wait()

        return run

    tasks = [
        Task(name="relay", run=keep("relay")),
        Task(name="consumer", run=keep("consumer")),
        Task(name="api", run=keep("api"), beats=False),
    ]
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        spawn(group, life.run(tasks, prepare=nothing, signals=False), name="life")

        async def all_run() -> bool:
            return len(pulses) == 3

        await eventually(all_run)
        clock.move(timedelta(seconds=60))
        assert life.late() == []
        clock.move(timedelta(seconds=1))
        pulses["consumer"].beat()
        assert life.late() == ["relay"]
        assert life.ages()["consumer"] == 0
        life.draining.set()


async def test_until_stopped_calls_the_switch() -> None:
    """For servers, which know a flag and no event."""
    stopping = asyncio.Event()
    stopped = asyncio.Event()
    async with asyncio.timeout(10), until_stopped(Pulse(beat=lambda: None, stopping=stopping), stopped.set):
        stopping.set()
        await stopped.wait()
