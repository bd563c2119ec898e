"""What operators ask over REST that takes longer: an export, missing events, a replay, a rebuild.

What needs Kafka is only noted here and carried out by a worker; `GET /v1/admin/operations/{id}` says what came of it.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from common.backbone.exporting import export_parked
from common.backbone.missing import FROM_ARCHIVE, add_missing, find_missing
from common.backbone.operations import Operation, add_operation, get_operation, list_operations
from common.backbone.protocols import Place, Record
from common.errors import InvalidInput, NotFound
from common.web.access import needs_scope
from common.web.context import edge_of
from common.web.cursors import decode_cursor, encode_cursor
from common.web.dependencies import CurrentConnection, CurrentDatabase, CurrentTransaction
from common.web.models import CommandModel, Cursor, Limit, Moment, Page, ResponseModel
from common.web.operations import Kind, Source, SubjectId
from common.web.routes import ReadRoute, TransactionalRoute
from contracts.envelope import Event, UndecodableRecord, from_json, headers_of

_OFFSETS = Field(ge=0, lt=2**63)
_NDJSON = "application/x-ndjson"

queries = APIRouter(
    prefix="/v1/admin", route_class=ReadRoute, dependencies=[needs_scope("ops:read")], tags=["operations"]
)
commands = APIRouter(
    prefix="/v1/admin", route_class=TransactionalRoute, dependencies=[needs_scope("ops:write")], tags=["operations"]
)
ROUTERS = (queries, commands)

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
ProjectionName = Annotated[str, Path(pattern=r"^[a-z_]{1,32}$", description="What is rebuilt")]


class Asked(ResponseModel):
    """Something that a worker does, or has done.

    `outcome` is empty until it is finished; then done, refused (it cannot be done) or failed; more may come.
    `result.detail` says what came of it.
    """

    id: UUID
    kind: str
    target: dict[str, Any]
    actor: str
    reason: str
    requested_at: datetime
    attempts: int
    finished_at: datetime | None
    outcome: str
    result: dict[str, Any]


class Resync(CommandModel):
    """Read the missing events of a parked subject from their topic, from its start or the offset given."""

    reason: Reason
    offset: Annotated[int, _OFFSETS] | None = None


class ArchivedEvent(CommandModel):
    """An event as the feed of its producer shows it: `position`, and the rest as CloudEvents in JSON."""

    position: Annotated[int, _OFFSETS]
    event: dict[str, Any]


class Missing(CommandModel):
    """Missing events from their producer's archive."""

    reason: Reason
    events: Annotated[list[ArchivedEvent], Field(min_length=1, max_length=200)]


class Filled(ResponseModel):
    """How many events were missing and wait now, and how many are missing still."""

    added: int
    missing: int


class Replay(CommandModel):
    """Read a topic again from an offset (of one partition) or a time (of one or all). Repeats are dropped."""

    reason: Reason
    partition: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    offset: Annotated[int, _OFFSETS] | None = None
    time: Moment | None = None


class Rebuild(CommandModel):
    """Make a projection anew from the topics; nothing is published, called or sent."""

    reason: Reason


@queries.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {_NDJSON: {"schema": {"type": "string"}}}}},
)
async def export_all(
    database: CurrentDatabase,
    source: Annotated[str, Query(max_length=32, pattern=r"^[a-z]*$", description="Only this producer's subject")] = "",
    subject: Annotated[str, Query(max_length=100, pattern=r"^([a-z_]{1,32}/[A-Za-z0-9-]{1,64})?$")] = "",
) -> StreamingResponse:
    """All that is parked and all poison, or one subject, as JSON lines that lose nothing. The last line counts them."""
    if bool(source) != bool(subject):
        fault = ("query/subject", "goes together with source")
        raise InvalidInput("one subject is named by source and subject", pointers=[fault])
    only = (source, subject) if subject else None
    return StreamingResponse(export_parked(database, only=only), media_type=_NDJSON)


@queries.get("/operations")
async def list_asked(connection: CurrentConnection, limit: Limit = 50, cursor: Cursor = None) -> Page[Asked]:
    """What was asked of the workers, the newest first."""
    after = decode_cursor(cursor, datetime, UUID)
    found = await list_operations(connection, after=after, limit=limit + 1)
    shown = found[:limit]
    following = encode_cursor(shown[-1].requested_at, shown[-1].id) if len(found) > limit else None
    return Page[Asked](items=[_asked(each) for each in shown], next_cursor=following)


@queries.get("/operations/{operation_id}")
async def get_asked(operation_id: UUID, connection: CurrentConnection) -> Asked:
    """One of them, with what came of it."""
    return _asked(await get_operation(connection, operation_id))


@commands.post("/parked/{source}/{kind}/{subject_id}/resync", status_code=202)
async def resync_parked(
    source: Source, kind: Kind, subject_id: SubjectId, command: Resync, tx: CurrentTransaction
) -> Asked:
    """Have a worker look for the missing events of a parked subject in their topic."""
    subject = f"{kind}/{subject_id}"
    await find_missing(tx.connection, (source, subject))
    target = {"source": source, "subject": subject, "offset": command.offset}
    return _asked(await add_operation(tx, "resync", target, reason=command.reason))


@commands.post("/parked/{source}/{kind}/{subject_id}/missing")
async def fill_missing(
    source: Source, kind: Kind, subject_id: SubjectId, command: Missing, tx: CurrentTransaction
) -> Filled:
    """Let missing events from the producer's archive wait behind their parked subject, which is tried at once."""
    stream = (source, f"{kind}/{subject_id}")
    topic = (await find_missing(tx.connection, stream)).topic
    events = [(each.position, _event(number, each)) for number, each in enumerate(command.events)]
    records = [_record(topic, position, event) for position, event in events]
    added, still = await add_missing(tx, stream, records, actor=tx.origin.actor, reason=command.reason)
    return Filled(added=added, missing=still.count)


@commands.post("/consumers/{source}/replay", status_code=202)
async def replay_source(source: Source, command: Replay, request: Request, tx: CurrentTransaction) -> Asked:
    """Have a producer's topic read again. Only backwards: what was never read is not skipped."""
    if source not in edge_of(request).consumes:
        raise NotFound(f"this service does not read the topic of {source}")
    if (command.offset is None) == (command.time is None):
        raise InvalidInput("say an offset or a time, and not both", pointers=[("/offset", "or /time, one of them")])
    if command.offset is not None and command.partition is None:
        raise InvalidInput("an offset belongs to a partition", pointers=[("/partition", "is required with an offset")])
    target = {
        "source": source,
        "partition": command.partition,
        "offset": command.offset,
        "time": command.time.isoformat() if command.time else None,
    }
    return _asked(await add_operation(tx, "replay", target, reason=command.reason))


@commands.post("/projections/{projection}/rebuild", status_code=202)
async def rebuild_projection(
    projection: ProjectionName, command: Rebuild, request: Request, tx: CurrentTransaction
) -> Asked:
    """Have a projection made anew from the topics, beside the service's work; rows that differ are replaced."""
    known = edge_of(request).projections
    if projection not in known:
        others = f"it has {', '.join(known)}" if known else "it has none"
        raise NotFound(f"this service has no such projection; {others}")
    return _asked(await add_operation(tx, "rebuild", {"projection": projection}, reason=command.reason))


def _asked(operation: Operation) -> Asked:
    return Asked.model_validate(operation, from_attributes=True)


def _event(number: int, given: ArchivedEvent) -> Event:
    try:
        return from_json(given.event)
    except UndecodableRecord as malformed:
        pointers = [(f"/events/{number}/event", str(malformed))]
        raise InvalidInput("that is no event", code="event_malformed", pointers=pointers) from malformed


def _record(topic: str, position: int, event: Event) -> Record:
    return Record(
        place=Place(topic, FROM_ARCHIVE),
        offset=position,
        key=event.subject_id.encode(),
        value=event.data,
        headers=headers_of(event),
        written_at_ms=0,
    )
