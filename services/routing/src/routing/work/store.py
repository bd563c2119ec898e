"""All SQL that loads and saves work. A `Work` is loaded whole and saved by what differs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from contracts.words import SkillNeed
from routing.work.item import ASSIGNED, OFFERED, Assignment, Offer, Work, WorkItem
from routing.work.tables import assignment as assignment_table
from routing.work.tables import offer as offer_table
from routing.work.tables import work_item as work_item_table

_NAMES = tuple(column.name for column in work_item_table.columns)
_AS_TEXT = {"needs", "excluded"}
"""JSON that msgspec reads, without the detour by the driver's decoder."""
_ITEM = ", ".join(f"w.{name}::text" if name in _AS_TEXT else f"w.{name}" for name in _NAMES)
_ITEM_NAMES = ", ".join(column.name for column in work_item_table.columns)
_ITEM_MOVED = ", ".join(
    f"{column.name} = excluded.{column.name}" for column in work_item_table.columns if not column.primary_key
)
_ASSIGNMENT = ", ".join(column.name for column in assignment_table.columns)
_OFFER = ", ".join(column.name for column in offer_table.columns)

# ruff: noqa: S608 - the names above come from the tables, never from outside
_READ = text(f"select {_ITEM} from work_item w where w.ticket_id = any(cast(:ids as uuid[]))")
_LOCK = text(
    f"""
    select {_ITEM} from work_item w where w.ticket_id = any(cast(:ids as uuid[])) order by w.ticket_id for update
    """
)
_LOCK_FREE = text(
    f"""
    select {_ITEM} from work_item w
     where w.ticket_id = any(cast(:ids as uuid[])) order by w.ticket_id for update skip locked
    """
)
_QUEUED = text(
    f"""
    select {_ITEM} from work_item w
     where w.state = 'queued' and w.pool = :pool and w.ticket_id > :after order by w.ticket_id limit :limit
    """
)
_QUEUED_IN = text("select ticket_id from work_item where state = 'queued' and queue_id = any(cast(:ids as uuid[]))")
_FIRST_IN_QUEUE = text(
    f"""
    select {_ITEM} from work_item w
     where w.state = 'queued' and w.paused_at is null and w.queue_id = :queue_id order by w.deadline, w.ticket_id
     limit :limit
    """
)
_ACTIVE = text(f"select {_ASSIGNMENT} from assignment where ended_at is null and ticket_id = any(cast(:ids as uuid[]))")
_OPEN = text(f"select {_OFFER} from offer where state = 'open' and ticket_id = any(cast(:ids as uuid[]))")
_FIND_OFFER = text(f"select {_OFFER} from offer where offer_id = :offer_id")
_OWNED_BY = text(
    "select ticket_id from assignment where agent_id = :agent_id and ended_at is null order by ticket_id limit :limit"
)
_OFFERED_TO = text("select ticket_id from offer where agent_id = :agent_id and state = 'open' order by ticket_id")

_SAVE_ITEMS = text(f"""
    insert into work_item ({_ITEM_NAMES})
    select {_ITEM_NAMES} from jsonb_populate_recordset(null::work_item, cast(:rows as jsonb)) order by ticket_id
    on conflict (ticket_id) do update set {_ITEM_MOVED}
""")
# Those that end come first, so that the index on active ones never sees two.
_SAVE_ASSIGNMENTS = text(f"""
    insert into assignment ({_ASSIGNMENT})
    select {_ASSIGNMENT} from jsonb_populate_recordset(null::assignment, cast(:rows as jsonb))
     order by ended_at nulls last, assignment_id
    on conflict (assignment_id) do update
       set quarters = excluded.quarters, ended_at = excluded.ended_at, end_reason = excluded.end_reason
""")
_SAVE_OFFERS = text(f"""
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
             where a.ended_at is null and w.state <> 'assigned') as owner
""")


_ADD_DECISIONS = text("""
    insert into decision (decision_id, ticket_id, agent_id, pool, epoch, batch, decided_at, packed)
    select decision_id, ticket_id, agent_id, :pool, :epoch, :batch, decided_at, packed
      from unnest(
          cast(:ids as uuid[]), cast(:tickets as uuid[]), cast(:agents as uuid[]), cast(:times as timestamptz[]),
          cast(:packed as bytea[])
      ) as d(decision_id, ticket_id, agent_id, decided_at, packed)
""")

_decode_needs = msgspec.json.Decoder(tuple[SkillNeed, ...]).decode
_decode_excluded = msgspec.json.Decoder(dict[UUID, datetime]).decode

DecisionRow = tuple[UUID, UUID, UUID, datetime, bytes]
"""Decision, ticket, agent, time, packed record."""


async def lock_works(
    connection: AsyncConnection, ids: Sequence[UUID], *, skip_locked: bool = False
) -> dict[UUID, Work]:
    """Those of the given tickets that have a work item, locked in id order until the transaction ends.

    Owners and offers are read by statements of their own after the locks are held: one that joined them would show
    them as they were before it waited.

    Args:
        skip_locked: leave out what another transaction has locked, instead of waiting for it.
    """
    if not ids:
        return {}
    found = await connection.execute(_LOCK_FREE if skip_locked else _LOCK, {"ids": list(ids)})
    return await _complete(connection, [_item(row) for row in found])


async def lock_work(connection: AsyncConnection, ticket_id: UUID) -> Work:
    """One ticket's work, locked.

    Raises:
        NotFound: routing does not know the ticket.
    """
    found = await lock_works(connection, [ticket_id])
    if ticket_id not in found:
        raise NotFound("routing knows no such ticket")
    return found[ticket_id]


async def read_works(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Work]:
    """Those of the given tickets that have a work item, as they are now."""
    found = await connection.execute(_READ, {"ids": list(ids)})
    return await _complete(connection, [_item(row) for row in found])


async def list_items(connection: AsyncConnection, ids: Sequence[UUID]) -> list[WorkItem]:
    """Work items without their owners."""
    found = await connection.execute(_READ, {"ids": list(ids)})
    return [_item(row) for row in found]


async def list_queued(connection: AsyncConnection, pool: str, *, after: UUID, limit: int) -> list[WorkItem]:
    """A page of what is queued in a pool, by ticket id."""
    values = {"pool": pool, "after": after, "limit": limit}
    return [_item(row) for row in await connection.execute(_QUEUED, values)]


async def list_queued_in(connection: AsyncConnection, queue_ids: Sequence[UUID]) -> list[UUID]:
    """The tickets that are queued at some desks."""
    return list((await connection.execute(_QUEUED_IN, {"ids": list(queue_ids)})).scalars())


async def list_first_waiting(connection: AsyncConnection, queue_id: UUID, *, limit: int) -> list[WorkItem]:
    """What waits at a desk and is due first."""
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
    """The tickets that are offered to an agent."""
    return list((await connection.execute(_OFFERED_TO, {"agent_id": agent_id})).scalars())


async def save_works(connection: AsyncConnection, before: Mapping[UUID, Work], after: Iterable[Work]) -> None:
    """Write items, assignments and offers that differ from what was loaded; at most one statement for each kind."""
    items: list[WorkItem] = []
    assignments: list[Assignment] = []
    offers: list[Offer] = []
    for work in after:
        old = before.get(work.item.ticket_id)
        if old is None or old.item != work.item:
            items.append(work.item)
        for held in (*work.ended, work.assignment, work.offer):
            if held is None or (old is not None and held in (old.assignment, old.offer)):
                continue
            if isinstance(held, Assignment):
                assignments.append(held)
            else:
                offers.append(held)
    for statement, rows in ((_SAVE_ITEMS, items), (_SAVE_ASSIGNMENTS, assignments), (_SAVE_OFFERS, offers)):
        if rows:
            await connection.execute(statement, {"rows": msgspec.json.encode(rows).decode()})


async def add_decisions(
    connection: AsyncConnection, rows: Sequence[DecisionRow], *, pool: str, epoch: int, batch: int
) -> None:
    """Insert the records of one batch's decisions."""
    if not rows:
        return
    names = ("ids", "tickets", "agents", "times", "packed")
    values = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    await connection.execute(_ADD_DECISIONS, {**values, "pool": pool, "epoch": epoch, "batch": batch})


async def count_violations(connection: AsyncConnection) -> dict[str, int]:
    """By invariant, how often it is broken: "load" (I1 of the routing design) and "owner" (I3)."""
    row = (await connection.execute(_VIOLATIONS)).one()
    return {"load": row.load, "owner": row.owner}


async def _complete(connection: AsyncConnection, items: Sequence[WorkItem]) -> dict[UUID, Work]:
    assigned = [item.ticket_id for item in items if item.state == ASSIGNED]
    offered = [item.ticket_id for item in items if item.state == OFFERED]
    assignments: dict[UUID, Assignment] = {}
    offers: dict[UUID, Offer] = {}
    if assigned:
        for row in (await connection.execute(_ACTIVE, {"ids": assigned})).mappings():
            assignments[row["ticket_id"]] = Assignment(**row)
    if offered:
        for row in (await connection.execute(_OPEN, {"ids": offered})).mappings():
            offers[row["ticket_id"]] = Offer(**row)
    return {
        item.ticket_id: Work(item=item, assignment=assignments.get(item.ticket_id), offer=offers.get(item.ticket_id))
        for item in items
    }


def _item(row: Sequence[Any]) -> WorkItem:
    values = dict(zip(_NAMES, row, strict=True))
    values["needs"] = _decode_needs(values["needs"])
    values["excluded"] = _decode_excluded(values["excluded"])
    values["missing"] = tuple(values["missing"])
    return WorkItem(**values)
