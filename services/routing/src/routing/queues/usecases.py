"""What can be done with desks. A changed policy is told to the decider, which reads the desk's waiting work again."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import InvalidInput, StaleVersion
from common.match import check_rule
from common.transaction import Transaction
from routing.agents.usecases import check_skills
from routing.pools.domain import InputKind
from routing.pools.usecases import note_changes
from routing.queues import domain, store
from routing.queues.domain import MATCH_FIELDS, Queue, QueueChanges


async def add_queue(tx: Transaction, queue: Queue) -> Queue:
    """Open a desk. Its rule holds for tickets that arrive or change from now on.

    Raises:
        InvalidInput: the match rule cannot be used, or a required skill is not known.
        Conflict: `queue_exists`.
    """
    await _check(tx.connection, queue)
    await store.add_queue(tx.connection, queue)
    return queue


async def change_queue(tx: Transaction, queue_id: UUID, *, if_match: int, changes: QueueChanges) -> Queue:
    """Change a desk. A new rule holds for tickets that arrive or change from now on, a new policy for all that wait.

    Targets already set on waiting tickets stay.

    Raises:
        NotFound: there is no such desk.
        StaleVersion: `if_match` is not its version.
        InvalidInput: the match rule cannot be used, or a required skill is not known.
        CatchAllFixed: the catch-all's rule or priority would change.
        Conflict: `queue_exists`.
    """
    before = await store.get_queue(tx.connection, queue_id, lock=True)
    if before.version != if_match:
        raise StaleVersion
    queue = domain.change_queue(before, changes)
    await _check(tx.connection, queue)
    if queue is not before:
        await store.save_queue(tx.connection, queue)
        await note_changes(tx, InputKind.QUEUE, [queue_id], pool=queue.pool)
    return queue


async def get_queue(connection: AsyncConnection, queue_id: UUID) -> Queue:
    """One desk.

    Raises:
        NotFound: there is no such desk.
    """
    return await store.get_queue(connection, queue_id)


async def list_queues(connection: AsyncConnection) -> list[Queue]:
    """All desks in the order in which they are asked, the catch-all last."""
    return await store.list_queues(connection)


async def _check(connection: AsyncConnection, queue: Queue) -> None:
    try:
        check_rule(queue.match, MATCH_FIELDS)
    except InvalidInput as unusable:
        within = [(f"/match{pointer}", fault) for pointer, fault in unusable.pointers]
        raise InvalidInput(unusable.detail, pointers=within) from unusable
    places = enumerate(queue.required_skills)
    await check_skills(connection, {need.skill: f"/required_skills/{place}/skill" for place, need in places})
