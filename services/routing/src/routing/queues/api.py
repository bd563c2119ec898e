"""Routes of desks. Pulling from one is a route of the work slice."""

from dataclasses import asdict
from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Response

from common.web import (
    CurrentConnection,
    CurrentDatabase,
    CurrentTransaction,
    Cursor,
    IdempotencyKey,
    IfMatch,
    Limit,
    Page,
    ReadRoute,
    TransactionalRoute,
    decode_cursor,
    encode_cursor,
    needs_scope,
    set_etag,
)
from routing import queries
from routing.queues import usecases
from routing.queues.schemas import (
    AddQueueBody,
    ChangeQueueBody,
    QueueShown,
    QueueStatsShown,
    WaitingShown,
    WhyShown,
    show_need,
    show_queue,
)

READ = needs_scope("routing:read")
ADMIN = needs_scope("routing:admin")
_BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))

reads = APIRouter(prefix="/v1/queues", route_class=ReadRoute, tags=["queues"])
commands = APIRouter(prefix="/v1/queues", route_class=TransactionalRoute, tags=["queues"])


@commands.post("", status_code=201, dependencies=[ADMIN])
async def add_queue(
    command: AddQueueBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> QueueShown:
    """Open a desk; its rule holds for tickets that arrive or change from now on."""
    queue = await usecases.add_queue(tx, command.queue(tx.now))
    response.headers["location"] = f"/v1/queues/{queue.queue_id}"
    set_etag(response, queue.version)
    return show_queue(queue)


@reads.get("", dependencies=[READ])
async def list_queues(connection: CurrentConnection) -> Page[QueueShown]:
    """All desks in the order in which they are asked."""
    return Page(items=[show_queue(queue) for queue in await usecases.list_queues(connection)])


@reads.get("/{queue_id}", dependencies=[READ])
async def get_queue(queue_id: UUID, connection: CurrentConnection, response: Response) -> QueueShown:
    """One desk."""
    queue = await usecases.get_queue(connection, queue_id)
    set_etag(response, queue.version)
    return show_queue(queue)


@commands.patch("/{queue_id}", dependencies=[ADMIN])
async def change_queue(
    queue_id: UUID, command: ChangeQueueBody, tx: CurrentTransaction, version: IfMatch, response: Response
) -> QueueShown:
    """Change a desk. A new rule holds for tickets that arrive or change from now on, a new policy for all that wait."""
    queue = await usecases.change_queue(tx, queue_id, if_match=version, changes=command.changes())
    set_etag(response, queue.version)
    return show_queue(queue)


@reads.get("/{queue_id}/work", dependencies=[READ])
async def list_work(
    queue_id: UUID,
    connection: CurrentConnection,
    database: CurrentDatabase,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[WaitingShown]:
    """What is queued at the desk, due first in front, each with its order key and why it waits."""
    queue = await usecases.get_queue(connection, queue_id)
    after = decode_cursor(cursor, datetime, UUID) or _BEGINNING
    now = database.clock.now()
    queued = await queries.list_queued(connection, queue, after=after, limit=limit + 1, now=now)
    items = [_show_queued(each) for each in queued[:limit]]
    more = len(queued) > limit
    return Page(items=items, next_cursor=encode_cursor(items[-1].deadline, items[-1].ticket_id) if more else None)


@reads.get("/{queue_id}/stats", dependencies=[READ])
async def get_stats(queue_id: UUID, connection: CurrentConnection, database: CurrentDatabase) -> QueueStatsShown:
    """The desk in numbers."""
    await usecases.get_queue(connection, queue_id)
    stats = await queries.get_stats(connection, queue_id, now=database.clock.now())
    return QueueStatsShown(queue_id=queue_id, **asdict(stats))


def _show_queued(queued: queries.Queued) -> WaitingShown:
    item = queued.item
    return WaitingShown(
        ticket_id=item.ticket_id,
        number=queued.number,
        priority=item.priority,
        weight=item.weight,
        tier_required=item.tier_required,
        needs=[show_need(need) for need in item.needs],
        language=item.language,
        enqueued_at=item.enqueued_at,
        deadline=item.deadline,
        paused=item.paused_at is not None,
        hand_backs=item.hand_backs,
        why=WhyShown.model_validate(asdict(queued.why)) if queued.why else None,
    )
