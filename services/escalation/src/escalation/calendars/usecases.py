"""What can be done with calendars: make them, read them, and count by them."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import StaleVersion
from common.transaction import Transaction
from escalation.calendars import store
from escalation.calendars.domain import Calendar, OpenHours, check_calendar
from escalation.calendars.public import list_holidays, list_regions


@lru_cache(maxsize=256)
def open_hours(calendar: Calendar) -> OpenHours:
    """The calendar to count by; the same one, with its tables, for an equal calendar."""
    return OpenHours(calendar, lambda year: list_holidays(calendar.country, calendar.subdivision, year))


async def add_calendar(tx: Transaction, calendar: Calendar) -> Calendar:
    """Make a calendar.

    Raises:
        InvalidInput: it cannot be counted by.
    """
    check_calendar(calendar, list_regions())
    await store.add_version(tx.connection, calendar)
    return calendar


async def add_version(tx: Transaction, calendar: Calendar, *, if_match: int) -> Calendar:
    """Make the next version of a calendar: policies use it from now on, running clocks keep theirs.

    Args:
        calendar: what it shall be; its `version` is set here.
    Raises:
        NotFound: there is no such calendar.
        StaleVersion: `if_match` is not its newest version.
        InvalidInput: it cannot be counted by.
        Conflict: `calendar_changed`.
    """
    newest = await store.get_newest(tx.connection, calendar.calendar_id)
    if newest.version != if_match:
        raise StaleVersion
    calendar = replace(calendar, version=newest.version + 1)
    check_calendar(calendar, list_regions())
    await store.add_version(tx.connection, calendar)
    return calendar


async def get_calendar(connection: AsyncConnection, calendar_id: UUID, version: int | None = None) -> Calendar:
    """One version of a calendar, the newest by default.

    Raises:
        NotFound: there is none.
    """
    if version is None:
        return await store.get_newest(connection, calendar_id)
    return await store.get_version(connection, calendar_id, version)


async def list_calendars(connection: AsyncConnection) -> list[Calendar]:
    """The newest version of each calendar, oldest calendar first."""
    return await store.list_newest(connection)


async def list_hours(
    connection: AsyncConnection, versions: Collection[tuple[UUID, int]]
) -> dict[tuple[UUID, int], OpenHours]:
    """Those of the given versions that exist, to count by."""
    found = await store.list_versions(connection, versions)
    return {(calendar.calendar_id, calendar.version): open_hours(calendar) for calendar in found}


async def add_open_time(
    connection: AsyncConnection, calendar_id: UUID, *, start: datetime, seconds: int, version: int | None = None
) -> datetime:
    """When so much open time will have passed.

    Args:
        start: with an offset; the answer is in UTC.
    Raises:
        NotFound: there is no such calendar.
    """
    calendar = await get_calendar(connection, calendar_id, version)
    return open_hours(calendar).add(start, timedelta(seconds=seconds))


async def open_time_between(
    connection: AsyncConnection, calendar_id: UUID, *, start: datetime, end: datetime, version: int | None = None
) -> timedelta:
    """How much open time lies between two moments; nothing where the end is not later.

    Raises:
        NotFound: there is no such calendar.
    """
    calendar = await get_calendar(connection, calendar_id, version)
    return open_hours(calendar).between(start, end)
