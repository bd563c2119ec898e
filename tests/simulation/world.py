"""One schedule: producers, relays, consumers and redrives of production over servers in memory, and an antagonist."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from math import inf
from random import Random
from typing import Any
from uuid import UUID

from common.backbone.applying import Applier
from common.backbone.consume import consume_events
from common.backbone.protocols import IncomingLog, OutboxStore, OutgoingLog
from common.backbone.redrive import redrive_events
from common.backbone.relay import relay_events
from common.errors import Unavailable
from contracts.envelope import Event
from tests.simulation.broker import Topic
from tests.simulation.database import Database
from tests.simulation.group import Group
from tests.simulation.history import Entry, History
from tests.simulation.inbox import MemoryInbox, make_handler
from tests.simulation.loop import Loop, Process
from tests.simulation.outbox import MemoryOutbox, new_leases, write_events
from tests.simulation.plan import Plan, Write

TOPIC = "support.intake.v1"
_LOOK_S = 0.5
_PATIENCE_S = 150.0
"""How long the backlog of the last fault may take: a restart, a lease, a session, four redrives and their waits."""
_DRAIN_S = 20.0


@dataclass(kw_only=True)
class Slot:
    """A place for a process: what it does, and the one that does it now."""

    name: str
    main: "Callable[[Process], list[Coroutine[Any, Any, None]]]"
    process: Process | None = None


class World:
    """See the module."""

    def __init__(self, loop: Loop, plan: Plan) -> None:
        self.loop = loop
        self.plan = plan
        self.history = History()
        self.producer = Database(loop, self.history, name="producer's database", slowness=plan.slowness)
        self.consumer = Database(loop, self.history, name="consumer's database", slowness=plan.slowness)
        self.topic = Topic(loop, self.history, name=TOPIC, partitions=plan.partitions)
        self.group = Group(loop, self.topic)
        self.leases = new_leases()
        self.stop = asyncio.Event()
        self.relays = [Slot(name=f"relay {number}", main=self._relay) for number in range(plan.relays)]
        self.consumers = [Slot(name=f"consumer {number}", main=self._consume) for number in range(plan.consumers)]
        self.refusals: list[Callable[[Event], None]] = []
        """What makes handlers fail at this moment."""
        self.poisoned: dict[str, int | None] = {}
        """Subjects that were ever refused; with the number from which on they are for ever, or None."""
        self.bad_release = False
        self.made_ids = 0
        self.stopped_at = inf
        """When all were told to stop: what comes into the log later is read by nobody."""
        self.antagonist = Random(plan.seed)

    async def run(self, act: "Callable[[World], list[Awaitable[None]]]", is_done: Callable[[], bool]) -> float:
        """Run everything until it is quiet and stopped.

        Args:
            act: begins the faults; each ends by itself.
            is_done: whether nothing is left to do.
        Returns:
            seconds from the end of the last fault until it was done; negative where it never was.
        """
        lives = [self.loop.create_task(self._live(slot)) for slot in (*self.relays, *self.consumers)]
        await asyncio.gather(*(self._write(write) for write in self.plan.writes), *act(self))
        healed = self.loop.time()
        while not is_done() and self.loop.time() < healed + _PATIENCE_S:
            await self.loop.wait(_LOOK_S)
        took = self.loop.time() - healed if is_done() else -1.0
        self.stopped_at = self.loop.time()
        self.stop.set()
        _, hanging = await asyncio.wait(lives, timeout=_DRAIN_S)
        if hanging:
            self.history.exits.append("did not end when it was told to stop")
        for slot in (*self.relays, *self.consumers):
            if slot.process is not None:
                await slot.process.kill()
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        return took

    def note(self, kind: str, subject: str = "", note: str = "") -> None:
        """Add to the story."""
        self.history.note(Entry(self.loop.time(), kind, subject, note=note))

    def new_id(self) -> UUID:
        """An event's id, the same in every run of a seed."""
        self.made_ids += 1
        return UUID(int=self.made_ids)

    async def _live(self, slot: Slot) -> None:
        """Start a process again whenever it has ended, until all are told to stop."""
        await self.loop.wait(self.loop.chance.random() * 0.5)
        while not self.stop.is_set():
            process = slot.process = Process(self.loop, slot.name, skew_s=self.antagonist.uniform(-2, 2))
            process.at_death += [partial(self._bury, database, process) for database in (self.producer, self.consumer)]
            self.note("start", note=slot.name)
            works = [process.start(work) for work in slot.main(process)]
            await asyncio.wait(works, return_when=asyncio.FIRST_EXCEPTION)
            if process.alive and not self.stop.is_set():
                errors = [repr(work.exception()) for work in works if work.done() and work.exception()]
                self.history.exits.append(f"{slot.name}: {', '.join(errors)}")
                self.note("exit", note=self.history.exits[-1])
                await process.kill()
            await self.loop.wait(0.1 + self.loop.chance.random())

    def _bury(self, database: Database, process: Process) -> None:
        """Its connections are closed by its machine at once, or found dead by the server later."""
        self.loop.soon(lambda: database.forget(process), self.loop.chance.choice((0.0, self.loop.chance.random() * 4)))

    def _relay(self, process: Process) -> list[Coroutine[Any, Any, None]]:
        async def open_session() -> tuple[OutboxStore, OutgoingLog]:
            await self.producer.travel(process)
            return MemoryOutbox(self.producer, process, self.leases), self.topic.open_producer(process)

        return [relay_events(open_session, clock=process, bell=asyncio.Event(), beat=process.check, stop=self.stop)]

    def _consume(self, process: Process) -> list[Coroutine[Any, Any, None]]:
        async def open_log() -> IncomingLog:
            await self.loop.wait(0.01)
            return self.group.open(process)

        store = MemoryInbox(self.consumer, process)
        handlers = [make_handler(self.consumer, process, self._refuse)]
        consume = consume_events(
            open_log,
            # Small batches are split too, so that two transactions of one process meet, and others come between their
            # records as between those of large ones.
            Applier(store=store, handlers=handlers, lanes_from=2, decoded_at_once=2),
            producers={TOPIC: "intake"},
            bootstrap=False,
            beat=process.check,
            stop=self.stop,
        )
        return [consume, redrive_events(store, handlers, beat=process.check, stop=self.stop)]

    def _refuse(self, event: Event) -> None:
        for refuse in self.refusals:
            refuse(event)

    async def _write(self, write: Write) -> None:
        """One transaction of the producing service."""
        await self.loop.wait(write.at)
        events = [(subject, self.new_id()) for subject, count in write.events for _ in range(count)]
        try:
            async with self.producer.begin(None) as tx:
                await write_events(self.producer, tx.work, events)
                await self.loop.wait(write.open_s)
                if write.rolled_back:
                    raise _RolledBack
        except (_RolledBack, Unavailable) as failure:
            self.note("not written", note=f"{write.events}: {failure!r}")


class _RolledBack(Exception):
    """A use case that changed its mind."""
