"""The decider: owns a pool by a lease, keeps its engine in step with the tables, and commits what it decides."""

import asyncio
import logging
import os
import socket
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from opentelemetry import metrics

from common.database import Database
from common.errors import Unavailable
from common.ids import new_id
from common.process import Runtime
from common.transaction import Origin
from routing.agents.usecases import list_active_agents
from routing.pools.domain import DEFAULT_POOL, Input, Lease, LeaseLost
from routing.pools.usecases import INPUTS, LEASE_RENEWAL, claim_pool, list_inputs, release_pool, renew_lease
from routing.queues.usecases import list_queues
from routing.work import store
from routing.work.deciding import Batch, Notes, ShortCount, commit_batch
from routing.work.domain import Decision
from routing.work.facts import SECOND, to_micros
from routing.work.memory import Memory

_INPUTS_AT_ONCE = 1_000
_REBUILD_PAGE = 5_000
_STANDBY_PAUSE = timedelta(seconds=1)
_FIRST_PAUSE = timedelta(milliseconds=6)
_LONGEST_PAUSE = timedelta(milliseconds=50)
_TROUBLE_PAUSE = timedelta(seconds=1)
_FIRST_ID = UUID(int=0)
_ORIGIN = Origin(actor="service:routing")
_NO_NOTES = Notes(relaxed={}, missing={})

_log = logging.getLogger(__name__)
_meter = metrics.get_meter("frontline.routing")
_decided = _meter.create_counter("frontline_routing_decisions", description="committed decisions")
_redone = _meter.create_counter("frontline_routing_short_counts", description="batches that were decided anew")
_lost = _meter.create_counter("frontline_routing_leases_lost", description="batches fenced by a newer epoch")
_waited = _meter.create_histogram(
    "frontline_routing_wait_seconds", unit="s", description="from enqueued to decided, without pauses"
)


async def run_decider(runtime: Runtime, *, batch: int) -> None:
    """The worker role: decide for the default pool while the lease is ours, else stand by, until told to stop.

    A passing trouble of the database, or a commit of unknown outcome, drops the memory and builds it anew.
    """
    owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
    decider = Decider(runtime.database, pool=DEFAULT_POOL, owner=owner, batch=batch)
    while not runtime.stopping.is_set():
        runtime.beat()
        try:
            if await decider.start():
                await _decide_on(decider, runtime)
            else:
                await _pause(runtime.stopping, _STANDBY_PAUSE)
        except LeaseLost:
            _lost.add(1)
            _log.warning("another decider took the pool", extra={"pool": DEFAULT_POOL})
        except Unavailable as trouble:
            _log.warning("the decider waits for the database: %s", trouble.detail)
            await _pause(runtime.stopping, _TROUBLE_PAUSE)


async def _decide_on(decider: "Decider", runtime: Runtime) -> None:
    pause = _FIRST_PAUSE
    bell = runtime.database.bells.listen(INPUTS)
    while not runtime.stopping.is_set():
        runtime.beat()
        # Cleared before the look, so that what is committed during it is not slept over.
        woken = bell.is_set()
        bell.clear()
        done = await decider.decide_once()
        # What a look by the clock finds comes from another process: more may follow, and no bell tells of it.
        pause = _FIRST_PAUSE if done and not woken else min(2 * pause, _LONGEST_PAUSE)
        if done < _INPUTS_AT_ONCE:
            await _pause(bell, decider.shorten(pause))
    await decider.stop()


async def _pause(until: asyncio.Event, length: timedelta) -> None:
    try:
        async with asyncio.timeout(length.total_seconds()):
            await until.wait()
    except TimeoutError:
        return  # the ordinary end of a pause


class Decider:
    """One decider's life. `start` until it wins, then `decide_once` for ever; any exception means `start` again."""

    def __init__(self, database: Database, *, pool: str, owner: str, batch: int) -> None:
        """Args: owner: unique to this object; batch: decisions that one transaction commits at most."""
        self._database = database
        self._pool = pool
        self._owner = owner
        self._limit = batch
        self._lease: Lease | None = None
        self._memory: Memory | None = None
        self._renewed_at = 0.0

    async def start(self) -> bool:
        """Claim the pool and build the engine from the tables; False while another decider lives.

        Raises:
            LeaseLost: somebody took the pool while the engine was built.
            Unavailable: the database is away.
        """
        self._memory = None
        async with self._database.begin(_ORIGIN) as tx:
            self._lease = await claim_pool(tx, pool=self._pool, owner=self._owner)
        if self._lease is None:
            return False
        self._note_renewal()
        self._memory = await self._rebuild(self._lease)
        _log.info("deciding", extra={"pool": self._pool, "epoch": self._lease.epoch})
        return True

    async def stop(self) -> None:
        """Let a standby take over at once."""
        if self._lease is not None:
            async with self._database.begin(_ORIGIN) as tx:
                await release_pool(tx, self._lease)
        self._lease = self._memory = None

    async def decide_once(self) -> int:
        """Look at what changed, decide everything that can be decided, and commit it.

        Returns:
            How many inputs, decisions and notes were in hand; 0 where there was nothing to do.
        Raises:
            LeaseLost: another decider owns the pool; nothing was committed.
            Unavailable: the database is away, or the outcome is not known.
        """
        lease, memory = self._lease, self._memory
        assert lease is not None, "start first"
        assert memory is not None, "start first"
        now = to_micros(self._database.clock.now())
        async with self._database.look() as connection:
            inputs = await list_inputs(connection, self._pool, limit=_INPUTS_AT_ONCE)
            await memory.refresh(connection, inputs, now)
        decisions = memory.decide(now)
        notes = memory.notes(decisions, limit=self._limit)
        if not inputs and not decisions and notes == _NO_NOTES:
            await self._renew(lease)
            return 0
        committed = await self._commit(lease, memory, decisions, notes, inputs, now)
        return len(inputs) + len(notes.relaxed) + len(notes.missing) + committed

    def shorten(self, pause: timedelta) -> timedelta:
        """The pause, or less where a ring opens or an exclusion ends before its end."""
        assert self._memory is not None, "start first"
        now = to_micros(self._database.clock.now())
        due = self._memory.engine.next_timer(now)
        return pause if due is None else min(pause, timedelta(microseconds=max(0, due - now)))

    async def _commit(
        self,
        lease: Lease,
        memory: Memory,
        decisions: Sequence[Decision],
        notes: Notes,
        inputs: Sequence[Input],
        now: int,
    ) -> int:
        """Commit in transactions of a bounded size; returns how many decisions were committed."""
        start = 0
        while True:
            part = decisions[start : start + self._limit]
            batch = Batch(decisions=part, notes=notes, inputs=inputs, given=memory.given, decided_at=now)
            try:
                async with self._database.begin(_ORIGIN) as tx:
                    versions = await commit_batch(tx, lease, batch, memory.known)
            except ShortCount as short:
                await self._step_back(memory, decisions[start:], short, now)
                return start
            memory.committed(part, notes, versions)
            self._note_renewal()
            _measure(part)
            start += len(part)
            if start >= len(decisions):
                return start
            notes, inputs = _NO_NOTES, ()

    async def _step_back(self, memory: Memory, undone: Sequence[Decision], short: ShortCount, now: int) -> None:
        """Undo what was not committed and read the rows that were not as believed; the next turn decides anew."""
        _redone.add(1)
        memory.undo(undone)
        async with self._database.read() as connection:
            await memory.read_agents(connection, short.agents, now)
            await memory.read_works(connection, short.works, now)

    async def _rebuild(self, lease: Lease) -> Memory:
        now = to_micros(self._database.clock.now())
        async with self._database.read() as connection:
            memory = Memory(self._pool, await list_queues(connection))
        after = _FIRST_ID
        while True:
            async with self._database.read() as connection:
                agents = await list_active_agents(connection, after=after, limit=_REBUILD_PAGE)
            for agent in agents:
                memory.put_agent(agent, now)
            if len(agents) < _REBUILD_PAGE:
                break
            after = agents[-1].agent_id
            await self._renew(lease)
        after = _FIRST_ID
        while True:
            async with self._database.read() as connection:
                items = await store.list_queued(connection, self._pool, after=after, limit=_REBUILD_PAGE)
            for item in items:
                if item.is_waiting:
                    memory.put_work(item, now)
            if len(items) < _REBUILD_PAGE:
                break
            after = items[-1].work_id
            await self._renew(lease)
        # What a rebuild read is not logged whole: a replay starts behind it, from the tables of that moment.
        memory.given = [("rebuilt", lease.epoch)]
        return memory

    async def _renew(self, lease: Lease) -> None:
        if self._database.clock.monotonic() - self._renewed_at < LEASE_RENEWAL.total_seconds():
            return
        async with self._database.begin(_ORIGIN) as tx:
            await renew_lease(tx, lease)
        self._note_renewal()

    def _note_renewal(self) -> None:
        self._renewed_at = self._database.clock.monotonic()


def _measure(decisions: Sequence[Decision]) -> None:
    for decision in decisions:
        _decided.add(1, {"cause": decision.cause, "kind": decision.work.kind})
        if decision.work.kind == "own":
            # A handoff waits since its ticket did, long before anybody asked for it.
            _waited.record(decision.wait / SECOND, {"priority": decision.work.priority})
