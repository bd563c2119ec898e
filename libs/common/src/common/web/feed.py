"""GET /v1/events: the service's own events in the order of its log, for integrators without Kafka."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import Field

from common.feed import list_feed
from common.web.access import needs_scope
from common.web.dependencies import CurrentDatabase, CurrentLongPoll
from common.web.models import ResponseModel
from common.web.routes import ReadRoute
from contracts.envelope import Event, as_json

_LAST_POSITION = 2**63 - 1
_LOOK_EVERY = timedelta(milliseconds=200)
_encode = msgspec.json.Encoder().encode


class FeedBody(ResponseModel):
    """A stretch of the feed: CloudEvents in their JSON format, each with its position."""

    events: list[dict[str, Any]]
    next_after: Annotated[int, Field(ge=0, description="Pass it as `after` to go on")]


events_router = APIRouter(prefix="/v1/events", route_class=ReadRoute, dependencies=[needs_scope("events:read")])


@events_router.get("", response_model=FeedBody, tags=["events"])
async def list_events(
    database: CurrentDatabase,
    poll: CurrentLongPoll,
    after: Annotated[int, Query(ge=0, le=_LAST_POSITION, description="`next_after` of the stretch before")] = 0,
    types: Annotated[str, Query(max_length=2000, pattern=r"^([a-z0-9_.]+(,[a-z0-9_.]+)*)?$")] = "",
    subject: Annotated[str, Query(max_length=100, pattern=r"^([a-z_]{1,32}/[A-Za-z0-9-]{1,64})?$")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    wait_s: Annotated[int, Query(ge=0, le=30, description="Wait so long for the first event")] = 0,
) -> Response:
    """Events behind a position, oldest first; never passes one that may still commit."""
    position = after
    wanted = [name for name in types.split(",") if name]

    async def look() -> tuple[tuple[int, Event], ...]:
        nonlocal position
        async with database.read() as connection:
            page = await list_feed(connection, position, types=wanted, subject=subject, limit=limit)
        position = page.next
        return page.events

    found = await poll.until(look, within=timedelta(seconds=wait_s), every=_LOOK_EVERY)
    shown = [{"position": at, **as_json(event)} for at, event in found]
    return Response(_encode({"events": shown, "next_after": position}), media_type="application/json")
