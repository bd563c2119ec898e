"""All SQL that loads and saves work. A `Work` is loaded whole and saved by what differs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from common.statement import Statement
from contracts.words import SkillNeed
from routing.work.item import ASSIGNED, OFFERED, Assignment, Offer, Work, WorkItem
from routing.work.tables import assignment as assignment_table
from routing.work.tables import handoff_item as handoff_item_table
from routing.work.tables import offer as offer_table
from routing.work.tables import work_item as work_item_table

_COMMON = tuple(column.name for column in work_item_table.columns if not column.primary_key)
_FIELDS = ("handoff_id", "ticket_id", *_COMMON, "teams", "only_preferred")
"""Of both kinds of work, in the order of every select below."""
_AS_TEXT = {"needs", "excluded"}
"""JSON that msgspec reads, without the detour by the driver's decoder."""


def _select(common: str, handoff_id: str, teams: str, only_preferred: str, table: str) -> str:
    return f"select {handoff_id} as handoff_id, w.ticket_id, {common}, {teams}, {only_preferred} from {table} w"


_SELECTED = ", ".join(f"w.{name}::text" if name in _AS_TEXT else f"w.{name}" for name in _COMMON)
# ruff: noqa: S608 - the names come from the tables, never from outside
_OWN = _select(_SELECTED, "null::uuid", "'{}'::text[] as teams", "false as only_preferred", "work_item")
_HANDOFF = _select(_SELECTED, "w.handoff_id", "w.teams", "w.only_preferred", "handoff_item")
_OWN_IDS = "w.ticket_id = any(cast(:ids as uuid[]))"
_HANDOFF_IDS = "w.handoff_id = any(cast(:ids as uuid[]))"


def _locking(how: str) -> str:
    """Lock the tickets' own works by id, then handoffs by id: one part of a union all is done before the next."""
    return f"""
        with own as materialized ({_OWN} where {_OWN_IDS} order by w.ticket_id {how}),
             handoff as materialized ({_HANDOFF} where {_HANDOFF_IDS} order by w.handoff_id {how})
        select * from own union all select * from handoff
    """


def _upsert(table: Table) -> str:
    """Insert or replace rows of JSON, in the order of their keys."""
    [key] = [column.name for column in table.primary_key]
    names = ", ".join(column.name for column in table.columns)
    moved = ", ".join(f"{column.name} = excluded.{column.name}" for column in table.columns if column.name != key)
    return f"""
        insert into {table.name} ({names})
        select {names} from jsonb_populate_recordset(null::{table.name}, cast(:rows as jsonb)) order by {key}
        on conflict ({key}) do update set {moved}
    """


_ASSIGNMENT = ", ".join(column.name for column in assignment_table.columns)
_OFFER = ", ".join(column.name for column in offer_table.columns)

_READ = Statement(f"{_OWN} where {_OWN_IDS} union all {_HANDOFF} where {_HANDOFF_IDS}")
_LOCK = Statement(_locking("for update"))
_LOCK_FREE = Statement(_locking("for update skip locked"))
_LOCK_HANDOFFS_OF = Statement(f"{_HANDOFF} where {_OWN_IDS} and w.state <> 'done' order by w.handoff_id for update")
_FIND_HANDOFF_OF = text("select handoff_id from handoff_item where ticket_id = :ticket_id and state <> 'done'")
_QUEUED = text(
    f"""
    select * from (
        ({_OWN} where w.state = 'queued' and w.pool = :pool and w.ticket_id > :after
          order by w.ticket_id limit :limit)
        union all
        ({_HANDOFF} where w.state = 'queued' and w.pool = :pool and w.handoff_id > :after
          order by w.handoff_id limit :limit)
    ) as w order by coalesce(w.handoff_id, w.ticket_id) limit :limit
    """
)
_QUEUED_IN = text("select ticket_id from work_item where state = 'queued' and queue_id = any(cast(:ids as uuid[]))")
_FIRST_IN_QUEUE = text(
    f"""
    {_OWN} where w.state = 'queued' and w.paused_at is null and w.queue_id = :queue_id
     order by w.deadline, w.ticket_id limit :limit
    """
)
_ACTIVE = Statement(
    f"select {_ASSIGNMENT} from assignment where ended_at is null and ticket_id = any(cast(:ids as uuid[]))"
)
_OPEN = Statement(f"""
    select {_OFFER} from offer
     where state = 'open' and handoff_id is null and ticket_id = any(cast(:ids as uuid[]))
    union all
    select {_OFFER} from offer
     where state = 'open' and handoff_id is not null and handoff_id = any(cast(:ids as uuid[]))
""")
_FIND_OFFER = text(f"select {_OFFER} from offer where offer_id = :offer_id")
_OWNED_BY = text(
    "select ticket_id from assignment where agent_id = :agent_id and ended_at is null order by ticket_id limit :limit"
)
_OFFERED_TO = text("""
    select coalesce(handoff_id, ticket_id) as work_id from offer
     where agent_id = :agent_id and state = 'open' order by work_id
""")

_SAVE_OWN = Statement(_upsert(work_item_table))
_SAVE_HANDOFFS = Statement(_upsert(handoff_item_table))
# Those that end come first, so that the index on active ones never sees two.
_SAVE_ASSIGNMENTS = Statement(f"""
    insert into assignment ({_ASSIGNMENT})
    select {_ASSIGNMENT} from jsonb_populate_recordset(null::assignment, cast(:rows as jsonb))
     order by ended_at nulls last, assignment_id
    on conflict (assignment_id) do update
       set quarters = excluded.quarters, ended_at = excluded.ended_at, end_reason = excluded.end_reason
""")
_SAVE_OFFERS = Statement(f"""
    insert into offer ({_OFFER})
    select {_OFFER} from jsonb_populate_recordset(null::offer, cast(:rows as jsonb))
     order by ended_at nulls last, offer_id
    on conflict (offer_id) do update
       set quarters = excluded.quarters, state = excluded.state, ended_at = excluded.ended_at, reason = excluded.reason
""")

_VIOLATIONS = text("""
    with held as (
        select agent_id, sum(quarters) as quarters, sum(offers) as offers from (
            select agent_id, quarters, 0 as offers from assignment where ended_at is null
            union all
            select agent_id, quarters, 1 from offer where state = 'open'
        ) as each group by agent_id
    )
    select (select count(*) from agent a left join held h using (agent_id)
             where a.load_quarters <> coalesce(h.quarters, 0) or a.open_offers <> coalesce(h.offers, 0)) as load,
           (select count(*) from work_item w
             where w.state = 'assigned'
               and not exists (select from assignment a where a.ticket_id = w.ticket_id and a.ended_at is null))
         + (select count(*) from assignment a join work_item w using (ticket_id)
             where a.ended_at is null and w.state <> 'assigned') as owner,
           (select count(*) from handoff_item h join work_item w using (ticket_id)
             where h.state <> 'done' and w.state = 'done')
         + (select count(*) from handoff_item h
             where (h.state = 'offered') <> exists (
                 select from offer o where o.handoff_id = h.handoff_id and o.handoff_id is not null and o.state = 'open'
             )) as handoff
""")


_ADD_DECISIONS = Statement("""
    insert into decision (decision_id, ticket_id, handoff_id, agent_id, pool, epoch, batch, decided_at, packed)
    select decision_id, ticket_id, handoff_id, agent_id, cast(:pool as text), cast(:epoch as bigint),
           cast(:batch as bigint), decided_at, packed
      from unnest(
          cast(:decision_id as uuid[]), cast(:ticket_id as uuid[]), cast(:handoff_id as uuid[]),
          cast(:agent_id as uuid[]), cast(:decided_at as timestamptz[]), cast(:packed as bytea[])
      ) as d(decision_id, ticket_id, handoff_id, agent_id, decided_at, packed)
""")

_decode_needs = msgspec.json.Decoder(tuple[SkillNeed, ...]).decode
_decode_excluded = msgspec.json.Decoder(dict[UUID, datetime]).decode


class DecisionRow(NamedTuple):
    """What is stored of a decision, beside the batch it belongs to."""

    decision_id: UUID
    ticket_id: UUID
    handoff_id: UUID | None
    agent_id: UUID
    decided_at: datetime
    packed: bytes


async def lock_works(
    connection: AsyncConnection, ids: Sequence[UUID], *, skip_locked: bool = False
) -> dict[UUID, Work]:
    """Those of the given works that exist, locked until the transaction ends: tickets' own by id, then handoffs by id.

    Owners and offers are read by statements of their own after the locks are held: one that joined them would show
    them as they were before it waited.

    Args:
        ids: of tickets, for their own work, and of handoffs.
        skip_locked: leave out what another transaction has locked, instead of waiting for it.
    """
    if not ids:
        return {}
    found = await (_LOCK_FREE if skip_locked else _LOCK).fetch(connection, {"ids": list(ids)})
    return await _complete(connection, [_item(row) for row in found])


async def lock_handoffs_of(connection: AsyncConnection, ticket_ids: Sequence[UUID]) -> dict[UUID, Work]:
    """The handoffs of some tickets that are not done, by their ids, locked in id order.

    The tickets' own works are locked before: no handoff begins without that lock, so none is overlooked.
    """
    if not ticket_ids:
        return {}
    found = await _LOCK_HANDOFFS_OF.fetch(connection, {"ids": list(ticket_ids)})
    return await _complete(connection, [_item(row) for row in found])


async def find_handoff_of(connection: AsyncConnection, ticket_id: UUID) -> Work | None:
    """The ticket's handoff that is not done; None without one."""
    handoff_id = await connection.scalar(_FIND_HANDOFF_OF, {"ticket_id": ticket_id})
    return None if handoff_id is None else (await read_works(connection, [handoff_id])).get(handoff_id)


async def lock_work(connection: AsyncConnection, ticket_id: UUID) -> Work:
    """One ticket's own work, locked.

    Raises:
        NotFound: routing does not know the ticket.
    """
    found = await lock_works(connection, [ticket_id])
    if ticket_id not in found:
        raise NotFound("routing knows no such ticket")
    return found[ticket_id]


async def read_works(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Work]:
    """Those of the given works that exist, as they are now."""
    found = await _READ.fetch(connection, {"ids": list(ids)})
    return await _complete(connection, [_item(row) for row in found])


async def list_items(connection: AsyncConnection, ids: Sequence[UUID]) -> list[WorkItem]:
    """Work items without their owners."""
    found = await _READ.fetch(connection, {"ids": list(ids)})
    return [_item(row) for row in found]


async def list_queued(connection: AsyncConnection, pool: str, *, after: UUID, limit: int) -> list[WorkItem]:
    """A page of what is queued in a pool, of both kinds, by id."""
    values = {"pool": pool, "after": after, "limit": limit}
    return [_item(row) for row in await connection.execute(_QUEUED, values)]


async def list_queued_in(connection: AsyncConnection, queue_ids: Sequence[UUID]) -> list[UUID]:
    """The tickets that are queued at some desks; their handoffs do not depend on a desk."""
    return list((await connection.execute(_QUEUED_IN, {"ids": list(queue_ids)})).scalars())


async def list_first_waiting(connection: AsyncConnection, queue_id: UUID, *, limit: int) -> list[WorkItem]:
    """The tickets that wait at a desk and are due first, without handoffs."""
    found = await connection.execute(_FIRST_IN_QUEUE, {"queue_id": queue_id, "limit": limit})
    return [_item(row) for row in found]


async def find_offer(connection: AsyncConnection, offer_id: UUID) -> Offer | None:
    """An offer, open or not; None where there is none of that id."""
    row = (await connection.execute(_FIND_OFFER, {"offer_id": offer_id})).mappings().first()
    return None if row is None else Offer(**row)


async def list_owned_by(connection: AsyncConnection, agent_id: UUID, *, limit: int) -> list[UUID]:
    """The tickets that an agent owns."""
    return list((await connection.execute(_OWNED_BY, {"agent_id": agent_id, "limit": limit})).scalars())


async def list_offered_to(connection: AsyncConnection, agent_id: UUID) -> list[UUID]:
    """The ids of the works that are offered to an agent, of both kinds."""
    return list((await connection.execute(_OFFERED_TO, {"agent_id": agent_id})).scalars())


async def save_works(connection: AsyncConnection, before: Mapping[UUID, Work], after: Iterable[Work]) -> None:
    """Write items, assignments and offers that differ from what was loaded; at most one statement for each table."""
    own: list[WorkItem] = []
    handoffs: list[WorkItem] = []
    assignments: list[Assignment] = []
    offers: list[Offer] = []
    for work in after:
        old = before.get(work.item.work_id)
        if old is None or old.item != work.item:
            (own if work.item.handoff_id is None else handoffs).append(work.item)
        for held in (*work.ended, work.assignment, work.offer):
            if held is None or (old is not None and held in (old.assignment, old.offer)):
                continue
            if isinstance(held, Assignment):
                assignments.append(held)
            else:
                offers.append(held)
    for statement, rows in (
        (_SAVE_OWN, own),
        (_SAVE_HANDOFFS, handoffs),
        (_SAVE_ASSIGNMENTS, assignments),
        (_SAVE_OFFERS, offers),
    ):
        if rows:
            await statement.fetch(connection, {"rows": msgspec.json.encode(rows).decode()})


async def add_decisions(
    connection: AsyncConnection, rows: Sequence[DecisionRow], *, pool: str, epoch: int, batch: int
) -> None:
    """Insert the records of one batch's decisions."""
    if not rows:
        return
    values = {name: list(column) for name, column in zip(DecisionRow._fields, zip(*rows, strict=True), strict=True)}
    await _ADD_DECISIONS.fetch(connection, {**values, "pool": pool, "epoch": epoch, "batch": batch})


async def count_violations(connection: AsyncConnection) -> dict[str, int]:
    """By invariant, how often it is broken.

    Returns:
        "load" (I1 of the routing design), "owner" (I3), and "handoff": one that outlives its ticket's work, or whose
        state contradicts its offer.
    """
    row = (await connection.execute(_VIOLATIONS)).one()
    return {"load": row.load, "owner": row.owner, "handoff": row.handoff}


async def _complete(connection: AsyncConnection, items: Sequence[WorkItem]) -> dict[UUID, Work]:
    assigned = [item.ticket_id for item in items if item.state == ASSIGNED]
    offered = [item.work_id for item in items if item.state == OFFERED]
    assignments: dict[UUID, Assignment] = {}
    offers: dict[UUID, Offer] = {}
    if assigned:
        for row in await _ACTIVE.fetch(connection, {"ids": assigned}):
            assignments[row["ticket_id"]] = Assignment(**dict(row))
    if offered:
        for row in await _OPEN.fetch(connection, {"ids": offered}):
            offer = Offer(**dict(row))
            offers[offer.work_id] = offer
    # Only a ticket's own work is ever assigned, and it has the ticket's id.
    return {
        item.work_id: Work(item=item, assignment=assignments.get(item.work_id), offer=offers.get(item.work_id))
        for item in items
    }


def _item(row: Iterable[Any]) -> WorkItem:
    values = dict(zip(_FIELDS, row, strict=True))
    values["needs"] = _decode_needs(values["needs"])
    values["excluded"] = _decode_excluded(values["excluded"])
    values["missing"] = tuple(values["missing"])
    values["teams"] = tuple(values["teams"])
    return WorkItem(**values)
