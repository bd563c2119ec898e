"""Read-only joins across slices: lists, counts and explanations for the API. They read tables, and change nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.words import SkillNeed
from routing.agents.domain import Agent
from routing.agents.usecases import list_active_agents
from routing.queues.domain import Queue
from routing.work import store
from routing.work.domain import BAND_NAMES, Decision, Policy, Waiting, WorkFacts
from routing.work.engine import Engine
from routing.work.explanation import explain_waiting
from routing.work.facts import agent_facts, from_micros, to_micros, work_facts
from routing.work.item import WorkItem

EXPLAINED = 2_000
"""Tickets of a desk, those due first, that an explanation compares with each other."""
_AGENTS_PAGE = 1_000
_FIRST_ID = UUID(int=0)

_HELD = text("""
    select (select count(*) from assignment where agent_id = :agent_id and ended_at is null) as tickets,
           count(*) as offers, coalesce(sum(quarters), 0) as reserved_quarters
      from offer where agent_id = :agent_id and state = 'open'
""")
_OWNED = text("""
    select a.ticket_id, t.number, a.assignment_id, a.method, a.started_at as since, a.quarters, w.priority, t.status,
           w.queue_id
      from assignment a join work_item w using (ticket_id) join ticket t using (ticket_id)
     where a.agent_id = :agent_id and a.ended_at is null and a.ticket_id > :after
     order by a.ticket_id limit :limit
""")
_OPEN_OFFERS = text("""
    select o.offer_id, o.ticket_id, o.agent_id, o.state, o.quarters, o.attempt, o.offered_at, o.expires_at, o.reason,
           o.handoff_id, coalesce(h.tier_required, w.tier_required) as tier_required,
           coalesce(h.needs, w.needs) as needs
      from offer o join work_item w using (ticket_id) left join handoff_item h using (handoff_id)
     where o.agent_id = :agent_id and o.state = 'open' and o.expires_at > :now
     order by o.expires_at, o.offer_id
""").columns(needs=JSONB)
_NUMBERS = text("select ticket_id, number from ticket where ticket_id = any(cast(:ids as uuid[]))")
_QUEUED_PAGE = text("""
    select ticket_id from work_item
     where state = 'queued' and queue_id = :queue_id and (deadline, ticket_id) > (:deadline, :ticket_id)
     order by deadline, ticket_id limit :limit
""")
_FILTERED = """
       and ticket_id > :after
       and (cast(:state as text) is null or state = :state)
       and (not :unroutable or (state = 'queued' and missing <> '{}'))
       and (not :attention or (state = 'queued' and hand_backs >= :hand_backs))
       and (cast(:queue_id as uuid) is null or queue_id = :queue_id)
     order by ticket_id limit :limit
"""
_ITEMS_PAGE = text("select ticket_id from work_item where true" + _FILTERED)  # noqa: S608 - constants
_OWNED_ITEM = "select ticket_id from assignment join work_item using (ticket_id)"
_ITEMS_OF_AGENT = text(_OWNED_ITEM + " where agent_id = :agent_id and ended_at is null" + _FILTERED)
"""From the few that the agent owns, by their index, and not from all tickets that there ever were."""
_STATS = text("""
    select count(*) filter (where state = 'queued' and paused_at is null) as waiting,
           count(*) filter (where state = 'queued' and paused_at is not null) as paused,
           count(*) filter (where state = 'offered') as offered,
           count(*) filter (where state = 'assigned') as assigned,
           count(*) filter (where state = 'queued' and paused_at is null
                              and deadline + make_interval(secs => paused_s) < :now) as late,
           count(*) filter (where state = 'queued' and missing <> '{}') as unroutable,
           coalesce(max(extract(epoch from :now - enqueued_at) - paused_s)
                      filter (where state = 'queued' and paused_at is null), 0)::bigint as oldest_wait_s
      from work_item where queue_id = :queue_id and state <> 'done'
""")
_BY_PRIORITY = text("""
    select priority, count(*) as n from work_item
     where queue_id = :queue_id and state = 'queued' and paused_at is null group by priority order by priority
""")
_DECISION = "select decision_id, ticket_id, handoff_id, agent_id, pool, epoch, batch, decided_at, packed from decision"
_ONE_DECISION = text(_DECISION + " where decision_id = :decision_id")
_DECISIONS_OF = text(_DECISION + " where ticket_id = :ticket_id order by decided_at desc, decision_id desc limit 200")


@dataclass(frozen=True, kw_only=True, slots=True)
class Why:
    """Why a ticket waits, in words and numbers; `funnel` counts the agents left after each filter, in order."""

    words: list[str]
    ring: int
    band: str
    order: str
    ahead: int
    next_ring_at: datetime | None
    missing: list[str]
    funnel: dict[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """What an agent holds."""

    tickets: int
    offers: int
    reserved_quarters: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Owned:
    """A ticket that an agent owns."""

    ticket_id: UUID
    number: int
    assignment_id: UUID
    method: str
    since: datetime
    quarters: int
    priority: str
    status: str
    queue_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenOffer:
    """An offer that can still be answered, with what its work asks for."""

    offer_id: UUID
    ticket_id: UUID
    agent_id: UUID
    state: str
    quarters: int
    attempt: int
    offered_at: datetime
    expires_at: datetime
    reason: str
    handoff_id: UUID | None
    tier_required: int
    needs: tuple[SkillNeed, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Queued:
    """A ticket that is queued; `why` is None while it is paused."""

    item: WorkItem
    number: int
    why: Why | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stats:
    """A desk in numbers."""

    waiting: int
    paused: int
    offered: int
    assigned: int
    late: int
    unroutable: int
    oldest_wait_s: int
    waiting_by_priority: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionRow:
    """A stored decision."""

    decision_id: UUID
    ticket_id: UUID
    handoff_id: UUID | None
    agent_id: UUID
    pool: str
    epoch: int
    batch: int
    decided_at: datetime
    packed: bytes


async def get_held(connection: AsyncConnection, agent_id: UUID) -> Held:
    """How much an agent owns and is offered."""
    row = (await connection.execute(_HELD, {"agent_id": agent_id})).one()
    return Held(tickets=row.tickets, offers=row.offers, reserved_quarters=row.reserved_quarters)


async def list_owned(connection: AsyncConnection, agent_id: UUID, *, after: UUID, limit: int) -> list[Owned]:
    """A page of the tickets that an agent owns, by ticket id."""
    found = await connection.execute(_OWNED, {"agent_id": agent_id, "after": after, "limit": limit})
    return [Owned(**row) for row in found.mappings()]


async def list_open_offers(connection: AsyncConnection, agent_id: UUID, *, now: datetime) -> list[OpenOffer]:
    """An agent's open offers, the one that ends first in front."""
    found = await connection.execute(_OPEN_OFFERS, {"agent_id": agent_id, "now": now})
    return msgspec.convert([dict(row) for row in found.mappings()], list[OpenOffer])


async def list_numbers(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """The running numbers of tickets."""
    return {row.ticket_id: row.number for row in await connection.execute(_NUMBERS, {"ids": list(ids)})}


async def list_queued(
    connection: AsyncConnection, queue: Queue, *, after: tuple[datetime, UUID], limit: int, now: datetime
) -> list[Queued]:
    """A page of what is queued at a desk, by deadline, each with why it waits."""
    values = {"queue_id": queue.queue_id, "deadline": after[0], "ticket_id": after[1], "limit": limit}
    ids = list((await connection.execute(_QUEUED_PAGE, values)).scalars())
    items = {item.ticket_id: item for item in await store.list_items(connection, ids)}
    numbers = await list_numbers(connection, ids)
    shown = [items[ticket_id] for ticket_id in ids if ticket_id in items]
    reasons = await explain(connection, queue, shown, now=now)
    return [Queued(item=item, number=numbers.get(item.ticket_id, 0), why=reasons.get(item.ticket_id)) for item in shown]


async def explain(
    connection: AsyncConnection, queue: Queue, items: Sequence[WorkItem], *, now: datetime
) -> dict[UUID, Why]:
    """Why each of some tickets of one desk, or of their handoffs, waits, by an engine made for this answer.

    Returns:
        By the id of the work; without those that do not wait.

    So the API needs no word with the decider, whichever process that is. It knows all active agents, and of the desk
    the `EXPLAINED` tickets due first.
    """
    waiting = [item for item in items if item.is_waiting]
    if not waiting:
        return {}
    micros = to_micros(now)
    agents = await _all_agents(connection)
    peers = await store.list_first_waiting(connection, queue.queue_id, limit=EXPLAINED)

    def work_out() -> dict[UUID, Why]:
        engine = _with_agents(agents, micros)
        for item in (*peers, *waiting):
            engine.put_work(work_facts(item, queue), micros)
        return {item.work_id: _say(engine.explain(item.work_id, micros), micros) for item in waiting}

    # Thousands of agents take a good part of a second, in which other requests go on.
    return await asyncio.to_thread(work_out)


async def preview(connection: AsyncConnection, facts: WorkFacts, *, now: datetime) -> tuple[Decision | None, Why]:
    """To whom a ticket would go now, None if it would wait, and what it would meet while waiting."""
    micros = to_micros(now)
    agents = await _all_agents(connection)

    def work_out() -> tuple[Decision | None, Why]:
        engine = _with_agents(agents, micros)
        engine.put_work(facts, micros)
        return engine.preview(facts, micros), _say(engine.explain(facts.work_id, micros), micros)

    return await asyncio.to_thread(work_out)


async def list_items(
    connection: AsyncConnection,
    *,
    after: UUID,
    limit: int,
    state: str | None,
    unroutable: bool,
    attention: int | None,
    queue_id: UUID | None,
    agent_id: UUID | None,
) -> list[UUID]:
    """A page of work items by ticket id, filtered.

    Args:
        attention: only queued tickets with at least so many hand-backs in a row.
    """
    values = {
        "after": after,
        "limit": limit,
        "state": state,
        "unroutable": unroutable,
        "attention": attention is not None,
        "hand_backs": attention or 0,
        "queue_id": queue_id,
    }
    if agent_id is not None:
        return list((await connection.execute(_ITEMS_OF_AGENT, {**values, "agent_id": agent_id})).scalars())
    return list((await connection.execute(_ITEMS_PAGE, values)).scalars())


async def get_stats(connection: AsyncConnection, queue_id: UUID, *, now: datetime) -> Stats:
    """A desk in numbers."""
    row = (await connection.execute(_STATS, {"queue_id": queue_id, "now": now})).mappings().one()
    by_priority = await connection.execute(_BY_PRIORITY, {"queue_id": queue_id})
    return Stats(**row, waiting_by_priority={each.priority: each.n for each in by_priority})


async def find_decision(connection: AsyncConnection, decision_id: UUID) -> DecisionRow | None:
    """One decision; None where there is none of that id."""
    row = (await connection.execute(_ONE_DECISION, {"decision_id": decision_id})).mappings().first()
    return DecisionRow(**row) if row else None


async def list_decisions(connection: AsyncConnection, ticket_id: UUID) -> list[DecisionRow]:
    """The decisions about a ticket, latest first, at most 200."""
    found = await connection.execute(_DECISIONS_OF, {"ticket_id": ticket_id})
    return [DecisionRow(**row) for row in found.mappings()]


def _say(waiting: Waiting, micros: int) -> Why:
    return Why(
        words=explain_waiting(waiting, micros),
        ring=waiting.ring,
        band=BAND_NAMES[waiting.band],
        order=str(waiting.order),
        ahead=waiting.ahead,
        next_ring_at=None if waiting.next_ring_at is None else from_micros(waiting.next_ring_at),
        missing=list(waiting.missing),
        funnel=msgspec.structs.asdict(waiting.funnel),
    )


async def _all_agents(connection: AsyncConnection) -> list[Agent]:
    agents: list[Agent] = []
    after = _FIRST_ID
    while True:
        page = await list_active_agents(connection, after=after, limit=_AGENTS_PAGE)
        agents += page
        if len(page) < _AGENTS_PAGE:
            return agents
        after = page[-1].agent_id


def _with_agents(agents: Sequence[Agent], micros: int) -> Engine:
    engine = Engine(Policy())
    for agent in agents:
        engine.put_agent(agent_facts(agent), micros)
    return engine
