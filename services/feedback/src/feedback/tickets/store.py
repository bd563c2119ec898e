"""All SQL of what feedback knows of tickets, people and agents."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from feedback.tickets.domain import Person, Ticket
from feedback.tickets.tables import known_agent, person
from feedback.tickets.tables import ticket as ticket_table

_COLUMNS = tuple(column.name for column in ticket_table.columns)
_NAMES = ", ".join(_COLUMNS)
_MOVED = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "ticket_id")

_SAVE = text(f"""
    insert into ticket ({_NAMES})
    select {_NAMES} from jsonb_populate_recordset(null::ticket, cast(:rows as jsonb)) order by ticket_id
    on conflict (ticket_id) do update set {_MOVED}
""")  # noqa: S608 - own names

_SAVE_PEOPLE = text("""
    insert into person (requester_id, language, timezone, agent_id)
    select requester_id, language, timezone, agent_id from jsonb_populate_recordset(null::person, cast(:rows as jsonb))
    order by requester_id
    on conflict (requester_id) do update
      set language = excluded.language, timezone = excluded.timezone, agent_id = excluded.agent_id
""")

_SAVE_AGENTS = text("""
    insert into known_agent (agent_id) select id from unnest(cast(:ids as uuid[])) as given (id) order by id
    on conflict do nothing
""")


async def list_tickets(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """Those of the given tickets that are known."""
    found = await connection.execute(select(ticket_table).where(ticket_table.c.ticket_id.in_(list(ids))))
    tickets = [Ticket(**row) for row in found.mappings()]
    return {each.ticket_id: each for each in tickets}


async def lock_tickets(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """Those of the given tickets that are known, locked until the transaction ends, in the order of their ids."""
    statement = select(ticket_table).where(ticket_table.c.ticket_id.in_(list(ids)))
    found = await connection.execute(statement.order_by(ticket_table.c.ticket_id).with_for_update())
    tickets = [Ticket(**row) for row in found.mappings()]
    return {each.ticket_id: each for each in tickets}


async def save_tickets(connection: AsyncConnection, tickets: Iterable[Ticket]) -> None:
    """Insert or replace, in one statement."""
    await connection.execute(_SAVE, {"rows": msgspec.json.encode(list(tickets)).decode()})


async def list_people(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Person]:
    """Those of the given people of whom something is known."""
    found = await connection.execute(select(person).where(person.c.requester_id.in_(list(ids))))
    people = [Person(**row) for row in found.mappings()]
    return {each.requester_id: each for each in people}


async def save_people(connection: AsyncConnection, people: Iterable[Person]) -> None:
    """Insert or replace, in one statement."""
    await connection.execute(_SAVE_PEOPLE, {"rows": msgspec.json.encode(list(people)).decode()})


async def list_colleagues(connection: AsyncConnection, requester_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the given people who are agents."""
    statement = select(person.c.requester_id).join(known_agent, known_agent.c.agent_id == person.c.agent_id)
    found = await connection.execute(statement.where(person.c.requester_id.in_(list(requester_ids))))
    return frozenset(found.scalars())


async def add_agents(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Note agents; those already known are no error."""
    await connection.execute(_SAVE_AGENTS, {"ids": list(ids)})
