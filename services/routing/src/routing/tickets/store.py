"""All SQL of the tickets' projection."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from common.statement import Statement
from routing.tickets.domain import Ticket
from routing.tickets.tables import ticket as ticket_table

_COLUMNS = tuple(column.name for column in ticket_table.columns)
_NAMES = ", ".join(_COLUMNS)
_MOVED = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in {"ticket_id", "created_at"})

_LIST = Statement(f"""
    select {", ".join(f"t.{name}" for name in _COLUMNS)}, coalesce(f.tier_required, 1) as tier_floor
      from ticket t left join ticket_floor f using (ticket_id)
     where t.ticket_id = any(cast(:ids as uuid[]))
""")  # noqa: S608 - own names

_RAISE_FLOORS = Statement("""
    insert into ticket_floor (ticket_id, tier_required)
    select * from unnest(cast(:ids as uuid[]), cast(:tiers as smallint[])) as f(ticket_id, tier_required)
     order by ticket_id
    on conflict (ticket_id) do update
       set tier_required = greatest(ticket_floor.tier_required, excluded.tier_required)
    returning ticket_id, tier_required
""")

_SAVE = Statement(f"""
    insert into ticket ({_NAMES})
    select {_NAMES} from jsonb_populate_recordset(null::ticket, cast(:rows as jsonb)) order by ticket_id
    on conflict (ticket_id) do update set {_MOVED}
""")  # noqa: S608 - own names


async def list_tickets(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """Those of the given tickets that are known."""
    found = await _LIST.fetch(connection, {"ids": list(ids)})
    tickets = msgspec.convert([dict(row) for row in found], list[Ticket])
    return {ticket.ticket_id: ticket for ticket in tickets}


async def save_tickets(connection: AsyncConnection, tickets: Iterable[Ticket]) -> None:
    """Insert or replace, in one statement; the floors of their tiers are kept apart."""
    rows = msgspec.json.encode(list(tickets)).decode()
    await _SAVE.fetch(connection, {"rows": rows})


async def raise_floors(connection: AsyncConnection, floors: Mapping[UUID, int]) -> dict[UUID, int]:
    """Ask for at least these tiers, in id order; a higher one stays. Returns what holds afterwards."""
    values = {"ids": list(floors), "tiers": list(floors.values())}
    return {row["ticket_id"]: row["tier_required"] for row in await _RAISE_FLOORS.fetch(connection, values)}
