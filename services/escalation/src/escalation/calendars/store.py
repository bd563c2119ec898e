"""All SQL of calendars."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, func, select, text, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import Conflict, NotFound
from escalation.calendars.domain import Calendar
from escalation.calendars.tables import calendar as calendar_table

_NAMES = ", ".join(column.name for column in calendar_table.columns)
_ADD = text(f"""
    insert into calendar ({_NAMES})
    select {_NAMES} from jsonb_populate_record(null::calendar, cast(:row as jsonb))
""")  # noqa: S608 - own names


async def add_version(connection: AsyncConnection, calendar: Calendar) -> None:
    """Insert a version.

    Raises:
        Conflict: `calendar_changed`: somebody else has just made this version.
    """
    try:
        async with connection.begin_nested():
            await connection.execute(_ADD, {"row": msgspec.json.encode(calendar).decode()})
    except IntegrityError as taken:
        raise Conflict("somebody else has just changed this calendar", code="calendar_changed") from taken


async def get_newest(connection: AsyncConnection, calendar_id: UUID) -> Calendar:
    """The newest version of a calendar.

    Raises:
        NotFound: there is none of that id.
    """
    of_calendar = select(calendar_table).where(calendar_table.c.calendar_id == calendar_id)
    row = (await connection.execute(of_calendar.order_by(calendar_table.c.version.desc()).limit(1))).mappings().first()
    if row is None:
        raise NotFound("there is no such calendar")
    return msgspec.convert(_values(row), Calendar)


async def get_version(connection: AsyncConnection, calendar_id: UUID, version: int) -> Calendar:
    """One version.

    Raises:
        NotFound: there is none of that id and number.
    """
    found = await list_versions(connection, [(calendar_id, version)])
    if not found:
        raise NotFound("there is no such version of a calendar")
    return found[0]


async def list_versions(connection: AsyncConnection, versions: Collection[tuple[UUID, int]]) -> list[Calendar]:
    """Those of the given versions that exist."""
    key = tuple_(calendar_table.c.calendar_id, calendar_table.c.version)
    found = await connection.execute(select(calendar_table).where(key.in_(list(versions))))
    return msgspec.convert([_values(row) for row in found.mappings()], list[Calendar])


async def list_newest(connection: AsyncConnection) -> list[Calendar]:
    """The newest version of each calendar, in the order of their first versions."""
    born = (
        select(
            calendar_table.c.calendar_id,
            func.min(calendar_table.c.created_at).label("born"),
            func.max(calendar_table.c.version).label("newest"),
        )
        .group_by(calendar_table.c.calendar_id)
        .subquery()
    )
    statement = (
        select(calendar_table)
        .join(
            born,
            (born.c.calendar_id == calendar_table.c.calendar_id) & (born.c.newest == calendar_table.c.version),
        )
        .order_by(born.c.born, born.c.calendar_id)
    )
    found = await connection.execute(statement)
    return msgspec.convert([_values(row) for row in found.mappings()], list[Calendar])


def _values(row: RowMapping) -> dict[str, Any]:
    """The row by plain names: SQLAlchemy's own are a kind of text that is no key for msgspec."""
    return {str(name): value for name, value in row.items()}
