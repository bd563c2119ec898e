"""Routes that read calendars and count by them. Those that make one belong to the slice that puts it in force."""

from uuid import UUID

from fastapi import APIRouter, Query, Response

from common.web import (
    CurrentConnection,
    CurrentTransaction,
    IdempotencyKey,
    Page,
    ReadRoute,
    TransactionalRoute,
    needs_scope,
    set_etag,
)
from escalation.calendars import usecases
from escalation.calendars.schemas import (
    AddBody,
    AddShown,
    BetweenBody,
    BetweenShown,
    CalendarShown,
    show_calendar,
)

READ = needs_scope("escalation:read")

reads = APIRouter(prefix="/v1/calendars", route_class=ReadRoute, tags=["calendars"])
counts = APIRouter(prefix="/v1/calendars", route_class=TransactionalRoute, tags=["calendars"])


@reads.get("", dependencies=[READ])
async def list_calendars(connection: CurrentConnection) -> Page[CalendarShown]:
    """The newest version of every calendar."""
    return Page(items=[show_calendar(each) for each in await usecases.list_calendars(connection)])


@reads.get("/{calendar_id}", dependencies=[READ])
async def get_calendar(
    calendar_id: UUID,
    connection: CurrentConnection,
    response: Response,
    version: int | None = Query(default=None, ge=1, le=2**31 - 1),
) -> CalendarShown:
    """One calendar, its newest version by default."""
    calendar = await usecases.get_calendar(connection, calendar_id, version)
    set_etag(response, calendar.version)
    return show_calendar(calendar)


@counts.post("/{calendar_id}/add", dependencies=[READ])
async def add_open_time(calendar_id: UUID, command: AddBody, tx: CurrentTransaction, _key: IdempotencyKey) -> AddShown:
    """When so much open time will have passed."""
    at = await usecases.add_open_time(
        tx.connection, calendar_id, start=command.start, seconds=command.seconds, version=command.version
    )
    return AddShown(at=at)


@counts.post("/{calendar_id}/between", dependencies=[READ])
async def count_open_time(
    calendar_id: UUID, command: BetweenBody, tx: CurrentTransaction, _key: IdempotencyKey
) -> BetweenShown:
    """How much open time lies between two moments; nothing where `to` is not later."""
    passed = await usecases.open_time_between(
        tx.connection, calendar_id, start=command.start, end=command.end, version=command.version
    )
    return BetweenShown(seconds=passed.total_seconds())
