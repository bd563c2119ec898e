"""Routes of notifications."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from common.web import CurrentConnection, Cursor, Limit, Page, ReadRoute, decode_cursor, encode_cursor, needs_scope
from escalation.notifications import usecases
from escalation.notifications.domain import State
from escalation.notifications.schemas import NotificationShown, show

_FIRST_ID = UUID(int=0)

reads = APIRouter(prefix="/v1/notifications", route_class=ReadRoute, tags=["notifications"])


@reads.get("", dependencies=[needs_scope("escalation:read")])
async def list_notifications(
    connection: CurrentConnection,
    ticket: Annotated[UUID | None, Query()] = None,
    run: Annotated[UUID | None, Query()] = None,
    state: Annotated[State | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[NotificationShown]:
    """What was said, or is still to be said, with every attempt; oldest first."""
    after = decode_cursor(cursor, UUID)
    found = await usecases.list_notifications(
        connection,
        ticket_id=ticket,
        run_id=run,
        state=state,
        after=after[0] if after else _FIRST_ID,
        limit=limit + 1,
    )
    items = [show(notification, attempts) for notification, attempts in found[:limit]]
    more = len(found) > limit
    return Page(items=items, next_cursor=encode_cursor(items[-1].notification_id) if more else None)
