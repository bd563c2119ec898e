"""A pool in memory: its engine, what the engine was told, and from which version of each row."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from routing.agents.domain import Agent
from routing.agents.usecases import list_agents
from routing.pools.domain import Input, InputKind
from routing.queues.domain import Queue
from routing.queues.usecases import list_queues
from routing.work import store
from routing.work.deciding import Known, Notes
from routing.work.domain import RING_EXACT, Decision, Policy, WorkFacts
from routing.work.engine import Engine
from routing.work.facts import agent_facts, work_facts
from routing.work.item import WorkItem
from routing.work.rule.stages import Stages, Targets

_POLICY = Policy()


class Memory:
    """What a decider has in its head. The tables are the truth; this is told of them and can be built anew.

    Attributes:
        given: what the engine was told since the last committed batch, in order, for the log.
    """

    def __init__(self, pool: str, queues: Sequence[Queue]) -> None:
        """Args: pool: whose work is kept; queues: all desks."""
        self.engine = Engine(_POLICY)
        self.given: list[tuple[str, Any]] = []
        self._pool = pool
        self._queues: Mapping[UUID, Queue] = {queue.queue_id: queue for queue in queues}
        self._works: dict[UUID, int] = {}
        self._facts: dict[UUID, WorkFacts] = {}
        self._agents: dict[UUID, int] = {}
        self._tiers: dict[UUID, int] = {}
        self._relaxed: dict[UUID, tuple[int, WorkFacts]] = {}
        self._missing: dict[UUID, tuple[str, ...]] = {}
        self._told_missing: dict[UUID, tuple[str, ...]] = {}
        self._unexpected: set[UUID] = set()
        self._undone: set[UUID] = set()

    @property
    def known(self) -> Known:
        """What a commit checks the tables against."""
        return Known(works=self._works, agents=self._agents, tiers=self._tiers, queues=self._queues)

    async def refresh(self, connection: AsyncConnection, inputs: Iterable[Input], now: int) -> None:
        """Read again what the inputs name, and what the last batch found otherwise, and tell the engine."""
        ids: dict[InputKind, set[UUID]] = {kind: set() for kind in InputKind}
        for each in inputs:
            ids[each.kind].add(each.subject_id)
        if ids[InputKind.QUEUE]:
            await self.read_queues(connection)
            ids[InputKind.WORK] |= set(await store.list_queued_in(connection, sorted(ids[InputKind.QUEUE])))
        await self.read_agents(connection, ids[InputKind.AGENT], now)
        await self.read_works(connection, ids[InputKind.WORK] | self._unexpected, now)
        self._unexpected.clear()

    async def read_queues(self, connection: AsyncConnection) -> None:
        """Read all desks."""
        self._queues = {queue.queue_id: queue for queue in await list_queues(connection)}

    async def read_agents(self, connection: AsyncConnection, ids: Iterable[UUID], now: int) -> None:
        """Read agents, and tell the engine of them in id order."""
        wanted = sorted(ids)
        if not wanted:
            return
        found = {agent.agent_id: agent for agent in await list_agents(connection, wanted)}
        for agent_id in wanted:
            agent = found.get(agent_id)
            if agent is not None and agent.active:
                self.put_agent(agent, now)
            else:
                self.engine.remove_agent(agent_id)
                self._agents.pop(agent_id, None)
                self._tiers.pop(agent_id, None)
                self.given.append(("agent_gone", agent_id))

    async def read_works(self, connection: AsyncConnection, ids: Iterable[UUID], now: int) -> None:
        """Read work items, and tell the engine of them in id order."""
        wanted = sorted(ids)
        if not wanted:
            return
        found = {item.work_id: item for item in await store.list_items(connection, wanted)}
        if any(item.queue_id not in self._queues for item in found.values()):
            await self.read_queues(connection)
        for work_id in wanted:
            item = found.get(work_id)
            if item is not None and item.is_waiting and item.pool == self._pool:
                self.put_work(item, now)
            else:
                self.forget_work(work_id)
                self.given.append(("work_gone", work_id))

    def put_agent(self, agent: Agent, now: int) -> None:
        """Tell the engine of an active agent."""
        facts = agent_facts(agent)
        self.engine.put_agent(facts, now)
        self._agents[agent.agent_id] = agent.facts_version
        self._tiers[agent.agent_id] = agent.tier
        self.given.append(("agent", facts))

    def put_work(self, item: WorkItem, now: int) -> None:
        """Tell the engine of waiting work."""
        facts = work_facts(item, self._queues[item.queue_id])
        if not item.missing:
            # What was told of it before, for instance at another desk, is over: the engine shall tell it anew.
            self.engine.remove_work(item.work_id)
            self._missing.pop(item.work_id, None)
        self.engine.put_work(facts, now)
        self._works[item.work_id] = item.version
        self._facts[item.work_id] = facts
        ring = Stages(facts, Targets(_POLICY, facts.tau)).find_ring(now)
        if ring > item.ring:
            self._relaxed[item.work_id] = (ring, facts)
        else:
            self._relaxed.pop(item.work_id, None)
        if item.missing:
            self._told_missing[item.work_id] = item.missing
        else:
            self._told_missing.pop(item.work_id, None)
        self.given.append(("work", facts))

    def forget_work(self, work_id: UUID) -> None:
        """It does not wait any more."""
        self.engine.remove_work(work_id)
        for remembered in (self._works, self._facts, self._relaxed, self._missing):
            remembered.pop(work_id, None)

    def decide(self, now: int) -> list[Decision]:
        """Let the engine decide, and remember what it noticed until that is committed."""
        decisions = self.engine.decide(now)
        for work_id, ring in self.engine.relaxed():
            if work_id in self._facts:
                self._relaxed[work_id] = (ring, self._facts[work_id])
        self._look_at_undone(now)
        for work_id, missing in self.engine.unroutable_changes():
            if work_id in self._facts:
                self._missing[work_id] = missing
        self._compare_missing({decision.work_id for decision in decisions})
        return decisions

    def _look_at_undone(self, now: int) -> None:
        """The engine takes what was undone as new, so it does not notice a ring that opened meanwhile."""
        for work_id in self._undone & self._facts.keys():
            facts = self._facts[work_id]
            ring = Stages(facts, Targets(_POLICY, facts.tau)).find_ring(now)
            if ring > RING_EXACT:
                # Where it was announced before, it is not told again.
                self._relaxed[work_id] = (ring, facts)
        self._undone.clear()

    def _compare_missing(self, decided: set[UUID]) -> None:
        """An engine made anew does not know what its predecessor told: what became routable meanwhile is news too."""
        for work_id, told in self._told_missing.items():
            if work_id in self._facts and work_id not in decided:
                missing = self.engine.unroutable(work_id) or ()
                if missing != told:
                    self._missing[work_id] = missing
        self._told_missing.clear()

    def notes(self, decisions: Sequence[Decision], *, limit: int) -> Notes:
        """What was noticed of tickets that still wait after some decisions, and no batch has told yet.

        Args:
            limit: of how many tickets of each kind at most; the others come next time.
        """
        decided = {decision.work_id for decision in decisions}
        relaxed = (each for each in self._relaxed.items() if each[0] not in decided)
        missing = (each for each in self._missing.items() if each[0] not in decided)
        return Notes(relaxed=dict(islice(relaxed, limit)), missing=dict(islice(missing, limit)))

    def undo(self, decisions: Sequence[Decision]) -> None:
        """The last decisions were not committed."""
        self.engine.undo(decisions)
        self._undone |= {decision.work_id for decision in decisions}
        self.given.append(("undone", len(decisions)))

    def committed(self, decisions: Sequence[Decision], notes: Notes, versions: Mapping[UUID, int]) -> None:
        """A batch is in the tables.

        Args:
            versions: of the noted works that were as believed; the notes of the others stay untold.
        """
        for decision in decisions:
            for remembered in (self._works, self._facts, self._relaxed, self._missing):
                remembered.pop(decision.work_id, None)
        for work_id, told in notes.relaxed.items():
            if work_id in versions and self._relaxed.get(work_id) == told:
                del self._relaxed[work_id]
        for work_id, told in notes.missing.items():
            if work_id in versions and self._missing.get(work_id) == told:
                del self._missing[work_id]
        self._unexpected |= {*notes.relaxed, *notes.missing} - versions.keys()
        for work_id, version in versions.items():
            if work_id in self._works:
                self._works[work_id] = version
        self.given = []
