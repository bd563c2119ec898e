"""An event loop without a clock, sockets or threads: time jumps to the next timer, and chance says what runs first.

Everything that production code awaits in a simulation ends in a future or a timer of this loop. So one seed gives one
schedule, however long it lasts in virtual seconds.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
_ON_TIME = 0.7
"""How often the callback that has waited longest runs first; else any."""


class Standstill(Exception):
    """Nothing is ready and nothing will ever be: everybody waits for somebody."""


class Killed(BaseException):
    """What a process meets that was killed and does not know it yet."""


class Loop(asyncio.BaseEventLoop):
    """See the module."""

    def __init__(self, chance: Random) -> None:
        """Args: chance: the schedule is drawn from it."""
        super().__init__()
        self.chance = chance
        self.steps = 0
        self.any_stopped = False
        self._now = 0.0
        self.nowhere = copy_context()
        """For callbacks that belong to no process: the network, servers."""

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready
        if not ready:
            while scheduled and scheduled[0]._cancelled:
                heapq.heappop(scheduled)._scheduled = False
            if not scheduled:
                raise Standstill
            self._now = max(self._now, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self._now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        if len(ready) > 1 and self.chance.random() > _ON_TIME:
            ready.rotate(-int(self.chance.random() * len(ready)))
        handle = ready.popleft()
        if handle._cancelled:
            return
        if self.any_stopped:
            process = handle._context.get(_process)
            if process is not None and process.stopped:
                process.held.append(handle)
                return
        self.steps += 1
        handle._run()

    def wait(self, seconds: float) -> "asyncio.Future[None]":
        """Let virtual time pass."""
        future: asyncio.Future[None] = self.create_future()
        self.call_later(seconds, _wake, future)
        return future

    def soon(self, callback: Callable[[], None], seconds: float = 0.0, *, process: "Process | None" = None) -> None:
        """Run something later, in a process if one is given: then not while it is stopped, nor once it is dead."""
        if process is None:
            self.call_later(seconds, callback, context=self.nowhere)
        else:
            self.call_later(seconds, lambda: process.alive and callback(), context=process.context)

    def take_up(self, held: list[asyncio.Handle]) -> None:
        """Run what a process could not while it was stopped."""
        self._ready.extend(held)

    def _write_to_self(self) -> None:
        """There are no threads to be woken by."""


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class Process:
    """What is killed, stopped and continued as one. A killed one never runs again; a new one takes its place."""

    def __init__(self, loop: Loop, name: str, *, skew_s: float = 0.0) -> None:
        """Args: skew_s: by how much its clock is ahead."""
        self.loop = loop
        self.name = name
        self.skew_s = skew_s
        self.alive = True
        self.stopped = False
        self.held: list[asyncio.Handle] = []
        self.context: Context = copy_context()
        self.context.run(_process.set, self)
        self.at_death: list[Callable[[], None]] = []
        """What servers do when its connections break."""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run something inside of it."""
        task = self.loop.create_task(work, context=self.context)
        self._tasks.append(task)
        return task

    async def kill(self) -> None:
        """SIGKILL: nothing of it is seen by anybody any more."""
        self.alive = False
        self.go_on()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for react in self.at_death:
            react()

    def stop(self) -> None:
        """SIGSTOP."""
        self.stopped = self.loop.any_stopped = True

    def go_on(self) -> None:
        """SIGCONT."""
        self.stopped = False
        self.loop.take_up(self.held)
        self.held.clear()

    def check(self) -> None:
        """Raises: Killed: it was."""
        if not self.alive:
            raise Killed

    def now(self) -> datetime:
        """See `common.clock.Clock`."""
        return START + timedelta(seconds=self.loop.time() + self.skew_s)

    def monotonic(self) -> float:
        """See `common.clock.Clock`."""
        return self.loop.time()


_process: ContextVar[Process | None] = ContextVar("process", default=None)


def run(work: Callable[[Loop], Awaitable[None]], seed: int) -> Loop:
    """Run to the end in a loop of its own; returns the loop, for its time and steps."""
    loop = Loop(Random(seed))
    try:
        loop.run_until_complete(work(loop))
    finally:
        loop.close()
    return loop
