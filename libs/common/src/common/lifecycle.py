"""How a process lives: named tasks under one parent, heartbeats, a drain in a written order, and how it dies.

The order of a drain, each stage with what is left of one bound:

1. EDGE: nothing new comes in: the API ends its requests, the consumer its batch, timers and deciders their work.
2. OUTLET: the relay publishes what those have committed.
3. ADMIN: probes and metrics answer until the end, so that a drain can be watched.

A task that fails, or that ends without being told to, ends the process: whoever supervises it starts a new one.
"""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from typing import Any, TypeVar

from common.clock import Clock

_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Stage(IntEnum):
    """When a task is told to stop; see the module."""

    EDGE = 1
    OUTLET = 2
    ADMIN = 3


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """What a task is given: it calls `beat` at every turn and returns soon after `stopping` is set.

    `ready` is called once it can do its work, by tasks that say so.
    """

    beat: Callable[[], None]
    stopping: asyncio.Event
    ready: Callable[[], None] = lambda: None


@dataclass(frozen=True, kw_only=True)
class Task:
    """One long-running task.

    Attributes:
        beats: False where it has no turns of its own, as a server has none; then it counts as alive while it runs.
        says_ready: the process is not ready before this task has said once that it can do its work.
    """

    name: str
    run: Callable[[Pulse], Awaitable[None]]
    stage: Stage = Stage.EDGE
    beats: bool = True
    says_ready: bool = False


class TaskEnded(RuntimeError):
    """A task returned although nobody told it to stop."""


def spawn(group: asyncio.TaskGroup, work: Coroutine[Any, Any, Result], *, name: str) -> asyncio.Task[Result]:
    """Start a child of `group`. Nothing else starts tasks, so that each has a name and a parent that waits for it."""
    return group.create_task(work, name=name)


@asynccontextmanager
async def until_stopped(pulse: Pulse, stop: Callable[[], None]) -> AsyncGenerator[None]:
    """While inside, call `stop` once `pulse.stopping` is set: for work that knows a switch and no event."""

    async def wait() -> None:
        await pulse.stopping.wait()
        stop()

    async with asyncio.TaskGroup() as group:
        waiting = spawn(group, wait(), name="until-stopped")
        try:
            yield
        finally:
            waiting.cancel()


@dataclass(kw_only=True)
class Life:
    """The running tasks of one process.

    Attributes:
        started: every task has been started and start-up checks are done.
        draining: a stop was asked for; readiness ends here.
        unready: names of tasks that have yet to say that they can do their work.
    """

    clock: Clock
    drain_timeout: timedelta
    heartbeat_timeout: timedelta
    started: bool = False
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    unready: set[str] = field(default_factory=set[str])
    _beats: dict[str, float] = field(default_factory=dict[str, float])

    def late(self) -> list[str]:
        """Names of the tasks whose heartbeat stopped turning; empty is alive."""
        oldest = self.clock.monotonic() - self.heartbeat_timeout.total_seconds()
        return sorted(name for name, beat in self._beats.items() if beat < oldest)

    def ages(self) -> dict[str, float]:
        """Seconds since each task's last heartbeat."""
        now = self.clock.monotonic()
        return {name: now - beat for name, beat in self._beats.items()}

    async def run(
        self, tasks: Sequence[Task], *, prepare: Callable[[], Coroutine[Any, Any, None]], signals: bool = True
    ) -> None:
        """Run the tasks until SIGTERM or SIGINT (or `draining`) and the drain after it, or until one fails.

        Args:
            prepare: start-up checks; they run while the ADMIN tasks already answer, and before all others start.
            signals: False where somebody else owns the process's signals, as in tests.
        Raises:
            ExceptionGroup: what a task raised, or `TaskEnded`.
        """
        loop = asyncio.get_running_loop()
        if signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._ask_to_stop, number)
        stops = {stage: asyncio.Event() for stage in Stage}
        self.unready = {task.name for task in tasks if task.says_ready}
        async with asyncio.TaskGroup() as group:
            preparing = spawn(group, prepare(), name="prepare")
            stop_asked = spawn(group, self.draining.wait(), name="signals")
            running = {
                task: spawn(group, self._watch(task, stops[task.stage], preparing), name=task.name) for task in tasks
            }
            await asyncio.wait({preparing, stop_asked}, return_when=asyncio.FIRST_COMPLETED)
            self.started = preparing.done()
            await stop_asked
            preparing.cancel()
            await self._drain(running, stops)

    async def _watch(self, task: Task, stopping: asyncio.Event, preparing: asyncio.Task[None]) -> None:
        if task.stage is not Stage.ADMIN:
            await asyncio.wait({preparing})
            if preparing.cancelled() or preparing.exception() is not None:
                return  # the process ends before this task had anything to do

        def beat() -> None:
            self._beats[task.name] = self.clock.monotonic()

        if task.beats:
            beat()
        await task.run(Pulse(beat=beat, stopping=stopping, ready=lambda: self.unready.discard(task.name)))
        self._beats.pop(task.name, None)
        if not stopping.is_set():
            raise TaskEnded(f"{task.name} ended by itself")

    async def _drain(self, running: dict[Task, asyncio.Task[None]], stops: dict[Stage, asyncio.Event]) -> None:
        limit = self.clock.monotonic() + self.drain_timeout.total_seconds()
        for stage in Stage:
            stops[stage].set()
            await _end([work for task, work in running.items() if task.stage is stage], limit - self.clock.monotonic())

    def _ask_to_stop(self, number: int) -> None:
        _log.info("draining", extra={"signal": signal.Signals(number).name})
        self.draining.set()


async def _end(works: Iterable[asyncio.Task[None]], within_s: float) -> None:
    """Wait for tasks that were told to stop, and cancel those that are late."""
    waiting = set(works)
    if not waiting:
        return
    _, late = await asyncio.wait(waiting, timeout=max(0.0, within_s))
    for work in late:
        _log.warning("cancelled at the end of the drain", extra={"task": work.get_name()})
        work.cancel()
    if late:
        await asyncio.wait(late)


def freeze_memory() -> None:
    """Take everything made at start-up out of the garbage collector's sight, and let it look less often.

    Most of what a request makes dies by its reference count. With the default thresholds the collector walks all of
    SQLAlchemy and pydantic again and again; a prototype of the write path ran nearly twice as fast without.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
