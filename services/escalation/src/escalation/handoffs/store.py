"""All SQL of handoffs."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from escalation.handoffs.domain import Handoff, State
from escalation.handoffs.tables import handoff as table

_COLUMNS = tuple(field.name for field in fields(Handoff))
_NAMES = ", ".join(_COLUMNS)
_FIXED = frozenset({"handoff_id", "ticket_id", "requester_id", "from_agent_id", "created_at", "created_by"})
_MOVED = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _FIXED)

_ONE = select(table)
_LOCK_CONCERNED = text(
    f"""
    select {_NAMES} from handoff
    where handoff_id = any(cast(:ids as uuid[]))
      or (ticket_id = any(cast(:tickets as uuid[])) and state in ('requested', 'accepted'))
    order by handoff_id for update
    """  # noqa: S608 - own names
).columns(skills=JSONB, package=JSONB)
_SAVE = text(
    f"""
    insert into handoff ({_NAMES})
    select {_NAMES} from jsonb_populate_recordset(null::handoff, cast(:rows as jsonb)) order by handoff_id
    on conflict (handoff_id) do update set {_MOVED}
    """  # noqa: S608 - own names
)


async def get_handoff(connection: AsyncConnection, handoff_id: UUID) -> Handoff:
    """One handoff as committed.

    Raises:
        NotFound: there is none of that id.
    """
    return await _get(connection, handoff_id, lock=False)


async def lock_handoff(connection: AsyncConnection, handoff_id: UUID) -> Handoff:
    """One handoff, locked until the transaction ends. Lock its ticket before, where the command needs that.

    Raises:
        NotFound: there is none of that id.
    """
    return await _get(connection, handoff_id, lock=True)


async def find_open(connection: AsyncConnection, ticket_id: UUID) -> Handoff | None:
    """The ticket's requested handoff."""
    wanted = _ONE.where(table.c.ticket_id == ticket_id, table.c.state == State.REQUESTED)
    row = (await connection.execute(wanted)).mappings().one_or_none()
    return _load(row) if row else None


async def lock_concerned(
    connection: AsyncConnection, *, ids: Sequence[UUID], ticket_ids: Sequence[UUID]
) -> Sequence[Handoff]:
    """The handoffs that are named, and those of these tickets that are requested or accepted; locked by id."""
    found = await connection.execute(_LOCK_CONCERNED, {"ids": list(ids), "tickets": list(ticket_ids)})
    return [_load(row) for row in found.mappings()]


async def list_made_by(connection: AsyncConnection, ids: Sequence[UUID], actor: str) -> frozenset[UUID]:
    """Those of the given handoffs that this actor made."""
    wanted = select(table.c.handoff_id).where(table.c.handoff_id.in_(ids), table.c.created_by == actor)
    return frozenset(await connection.scalars(wanted))


async def list_page(
    connection: AsyncConnection,
    *,
    before: UUID | None,
    limit: int,
    to: UUID | None = None,
    sender: UUID | None = None,
    ticket: UUID | None = None,
    states: Sequence[str] = (),
) -> Sequence[Handoff]:
    """A page of handoffs, the latest first; see the use case for the filters."""
    wanted = _ONE.order_by(table.c.handoff_id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(table.c.handoff_id < before)
    if to is not None:
        wanted = wanted.where(or_(table.c.offered_to == to, table.c.receiver_id == to))
    if sender is not None:
        wanted = wanted.where(table.c.from_agent_id == sender)
    if ticket is not None:
        wanted = wanted.where(table.c.ticket_id == ticket)
    if states:
        wanted = wanted.where(table.c.state.in_(states))
    return [_load(row) for row in (await connection.execute(wanted)).mappings()]


async def save_handoffs(connection: AsyncConnection, handoffs: Iterable[Handoff]) -> None:
    """Insert or replace, in one statement. The caller holds the locks, of new ones that of their ticket."""
    await connection.execute(_SAVE, {"rows": msgspec.json.encode(list(handoffs)).decode()})


async def _get(connection: AsyncConnection, handoff_id: UUID, *, lock: bool) -> Handoff:
    wanted = _ONE.where(table.c.handoff_id == handoff_id)
    row = (await connection.execute(wanted.with_for_update() if lock else wanted)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such handoff")
    return _load(row)


def _load(row: RowMapping) -> Handoff:
    """A row as a handoff, trusted as it stands."""
    values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    return msgspec.convert(values, Handoff)
