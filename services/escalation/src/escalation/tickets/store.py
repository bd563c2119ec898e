"""All SQL of what is known of tickets: set-based, because the consumer follows batches."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.envelope import Event
from escalation.tickets.domain import Ticket
from escalation.tickets.tables import ticket as ticket_table

_COLUMNS = tuple(column.name for column in ticket_table.columns)
_NAMES = ", ".join(_COLUMNS)
_MOVED = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in {"ticket_id", "created_at"})

_LIST = f"select {_NAMES} from ticket where ticket_id = any(cast(:ids as uuid[]))"  # noqa: S608 - own names
_LOCK = f"{_LIST} order by ticket_id for update"
_KNOWN = text("select ticket_id from ticket where ticket_id = any(cast(:ids as uuid[]))")

_SAVE = text(f"""
    insert into ticket ({_NAMES})
    select {_NAMES} from jsonb_populate_recordset(null::ticket, cast(:rows as jsonb)) order by ticket_id
    on conflict (ticket_id) do update set {_MOVED}
""")  # noqa: S608 - own names

# The key of the lock is a hash: a collision makes one ticket wait for another one, no more.
_LOCK_ABSENT = text("""
    select pg_advisory_xact_lock(hashtextextended('escalation.ticket/' || given.id, 0))
    from (select id from unnest(cast(:ids as uuid[])) as id order by id) as given
""")

_ADD_LOG = text("""
    insert into ticket_log (ticket_id, source, seq, event_id, type, at, data)
    select * from unnest(
      cast(:tickets as uuid[]), cast(:sources as text[]), cast(:seqs as bigint[]), cast(:events as uuid[]),
      cast(:types as text[]), cast(:times as timestamptz[]), cast(:data as bytea[])
    )
    on conflict do nothing
""")
_LIST_LOG = text("""
    select ticket_id, source, seq, event_id, type, at, data from ticket_log
    where ticket_id = any(cast(:ids as uuid[])) and type = any(cast(:types as text[]))
    order by ticket_id, source, seq
""")


async def list_tickets(connection: AsyncConnection, ids: Sequence[UUID], *, lock: bool = False) -> dict[UUID, Ticket]:
    """Those of the given tickets that are known, locked in the order of their ids where asked."""
    found = await connection.execute(text(_LOCK if lock else _LIST), {"ids": list(ids)})
    tickets = msgspec.convert([dict(row) for row in found.mappings()], list[Ticket])
    return {ticket.ticket_id: ticket for ticket in tickets}


async def list_known(connection: AsyncConnection, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Which of the given tickets are known."""
    return frozenset(await connection.scalars(_KNOWN, {"ids": list(ids)}))


async def save_tickets(connection: AsyncConnection, tickets: Iterable[Ticket]) -> None:
    """Insert or replace, in one statement."""
    rows = msgspec.json.encode(list(tickets)).decode()
    await connection.execute(_SAVE, {"rows": rows})


async def lock_absent(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Wait for whoever else is about to create these tickets, or to keep what overtook their creation."""
    await connection.execute(_LOCK_ABSENT, {"ids": list(ids)})


async def add_log(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """Keep events about tickets; one that is kept already is no error."""
    await connection.execute(
        _ADD_LOG,
        {
            "tickets": [UUID(event.subject_id) for event in events],
            "sources": [event.source for event in events],
            "seqs": [event.seq for event in events],
            "events": [event.id for event in events],
            "types": [event.type for event in events],
            "times": [event.time for event in events],
            "data": [event.data for event in events],
        },
    )


async def list_log(
    connection: AsyncConnection, ids: Sequence[UUID], *, types: Collection[str]
) -> dict[UUID, list[Event]]:
    """What is kept of these tickets of some types, each source's in its own order; a ticket without any is absent."""
    found = await connection.execute(_LIST_LOG, {"ids": list(ids), "types": list(types)})
    log: dict[UUID, list[Event]] = {}
    for row in found:
        event = Event(
            id=row.event_id,
            source=row.source,
            type=row.type,
            subject=f"ticket/{row.ticket_id}",
            seq=row.seq,
            time=row.at,
            data=row.data,
        )
        log.setdefault(row.ticket_id, []).append(event)
    return log
