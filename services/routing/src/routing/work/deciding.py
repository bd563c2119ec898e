"""Committing what the engine decided: fenced, guarded and recorded in one transaction, or not at all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from common.errors import FrontlineError
from common.ids import new_id
from common.transaction import Transaction
from contracts.words import SkillNeed as Need
from routing.agents.domain import Load
from routing.agents.usecases import take_capacity
from routing.pools.domain import Input, Lease
from routing.pools.usecases import begin_batch, log_batch
from routing.queues.domain import Queue
from routing.work import moves, offering, store
from routing.work.domain import Decision, WorkFacts
from routing.work.explanation import pack_decision
from routing.work.facts import from_micros
from routing.work.item import Work
from routing.work.keeping import origin_of, save, tell
from routing.work.moves import Taking
from routing.work.rule.stages import level_asked

_pack = msgspec.msgpack.Encoder().encode


class ShortCount(FrontlineError):
    """Something changed since the engine was told; nothing was committed. Tell it anew and decide again."""

    code = "short_count"

    def __init__(self, *, works: Iterable[UUID], agents: Iterable[UUID]) -> None:
        """Args: works, agents: whose rows are not what the engine believes."""
        super().__init__()
        self.works = frozenset(works)
        self.agents = frozenset(agents)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the engine believes: the version of each waiting ticket, and of each agent's facts and tier."""

    works: Mapping[UUID, int]
    agents: Mapping[UUID, int]
    tiers: Mapping[UUID, int]
    queues: Mapping[UUID, Queue]


@dataclass(frozen=True, kw_only=True, slots=True)
class Notes:
    """What was noticed of tickets that go on waiting: rings that opened, and what became (un)routable."""

    relaxed: Mapping[UUID, tuple[int, WorkFacts]]
    missing: Mapping[UUID, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What one transaction commits. `given` is what the engine was told before, for the log."""

    decisions: Sequence[Decision]
    notes: Notes
    inputs: Sequence[Input]
    given: Sequence[tuple[str, Any]]
    decided_at: int


async def commit_batch(tx: Transaction, lease: Lease, batch: Batch, known: Known) -> dict[UUID, int]:
    """Commit a batch under the lease's epoch.

    Returns:
        The version of each noted ticket that was as believed. The others were not touched: read them again, and
        note what still holds then.
    Raises:
        LeaseLost: another decider owns the pool.
        ShortCount: a ticket or an agent is not any more what the engine believes.
    """
    number = await begin_batch(tx, lease)
    taken = [decision.work_id for decision in batch.decisions]
    before = await store.lock_works(tx.connection, sorted({*taken, *batch.notes.relaxed, *batch.notes.missing}))
    await _take(tx, batch.decisions, before, known)
    decided: list[Work] = []
    records: list[store.DecisionRow] = []
    for decision in batch.decisions:
        decision_id = new_id()
        work = before[decision.work_id]
        decided.append(_apply(tx, work, decision, decision_id, known))
        records.append(
            store.DecisionRow(
                decision_id=decision_id,
                ticket_id=work.item.ticket_id,
                handoff_id=work.item.handoff_id,
                agent_id=decision.agent_id,
                decided_at=from_micros(decision.decided_at),
                packed=pack_decision(decision),
            )
        )
    believed = {each: work for each, work in before.items() if work.item.version == known.works.get(each)}
    noted = _note(tx, believed, batch.notes)
    await save(tx, before, [*decided, *(work for each, work in noted.items() if work != before[each])])
    await store.add_decisions(tx.connection, records, pool=lease.pool, epoch=lease.epoch, batch=number)
    packed = _pack({"now": batch.decided_at, "given": batch.given, "decided": taken})
    await log_batch(tx, lease, batch.inputs, batch=number, packed=packed)
    return {work_id: work.item.version for work_id, work in noted.items()}


async def _take(tx: Transaction, decisions: Sequence[Decision], works: Mapping[UUID, Work], known: Known) -> None:
    """Make sure that every ticket still waits unchanged, then take the agents' capacity under its guards."""
    stale = [
        decision.work_id
        for decision in decisions
        if (work := works.get(decision.work_id)) is None
        or not work.item.is_waiting
        or work.item.version != known.works.get(decision.work_id)
        or work.item.quarters != decision.work.weight_quarters
    ]
    if stale:
        raise ShortCount(works=stale, agents=())
    wishes: dict[UUID, Load] = {}
    for decision in decisions:
        load = Load(
            quarters=decision.work.weight_quarters,
            offers=int(decision.work.offered),
            # The engine lets an agent's idle time begin anew with an offer too.
            taken_at=from_micros(decision.decided_at),
        )
        wishes[decision.agent_id] = wishes.get(decision.agent_id, Load()).plus(load)
    if not wishes:
        return
    took = await take_capacity(tx, wishes, {agent_id: known.agents[agent_id] for agent_id in wishes})
    if len(took) < len(wishes):
        raise ShortCount(works=(), agents=wishes.keys() - took)


def _apply(tx: Transaction, work: Work, decision: Decision, decision_id: UUID, known: Known) -> Work:
    at = from_micros(decision.decided_at)
    if decision.work.offered:
        move = offering.make_offer(
            work,
            decision.agent_id,
            offer_id=new_id(),
            decision_id=decision_id,
            at=at,
            life=_life(known, decision),
        )
    else:
        taking = Taking(
            agent_id=decision.agent_id,
            agent_tier=known.tiers[decision.agent_id],
            assignment_id=new_id(),
            method="auto",
            at=at,
            decision_id=decision_id,
        )
        move = moves.assign(work, taking)
    return tell(tx, move, origin=origin_of(work))


def _life(known: Known, decision: Decision) -> timedelta:
    return known.queues[decision.work.queue_id].offer_life


def _note(tx: Transaction, believed: Mapping[UUID, Work], notes: Notes) -> dict[UUID, Work]:
    """Tell of opened rings and of what nobody could ever take.

    Args:
        believed: the works whose version the engine knows. To raise the version of another one would make what the
            engine believes of it look true.
    """
    noted: dict[UUID, Work] = {}
    for work_id, (ring, facts) in notes.relaxed.items():
        work = believed.get(work_id)
        if work is not None:
            noted[work_id] = tell(tx, moves.relax(work, ring, _lowered(facts, ring)), origin=origin_of(work))
    for work_id, missing in notes.missing.items():
        work = noted.get(work_id) or believed.get(work_id)
        if work is not None:
            noted[work_id] = tell(tx, moves.mark_unroutable(work, missing, at=tx.now), origin=origin_of(work))
    return noted


def _lowered(facts: WorkFacts, ring: int) -> list[Need]:
    return [
        Need(skill=need.skill, level=level, hard_level=need.hard_level)
        for need in facts.needs
        if (level := level_asked(need, ring)) < need.level
    ]
