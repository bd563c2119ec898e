"""What can be done with desks. A changed policy is told to the decider, which reads the desk's waiting work again."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import StaleVersion
from common.match import check_rule
from common.transaction import Transaction
from routing.pools.domain import InputKind
from routing.pools.usecases import note_changes
from routing.queues import domain, store
from routing.queues.domain import MATCH_FIELDS, Queue


async def add_queue(tx: Transaction, queue: Queue) -> Queue:
    """Open a desk. Its rule holds for tickets that arrive or change from now on.

    Raises:
        InvalidInput: the match rule cannot be used.
        Conflict: `queue_exists`.
    """
    check_rule(queue.match, MATCH_FIELDS)
    await store.add_queue(tx.connection, queue)
    return queue


async def change_queue(tx: Transaction, queue_id: UUID, *, if_match: int, changes: Mapping[str, object]) -> Queue:
    """Change a desk. A new rule holds for tickets that arrive or change from now on, a new policy for all that wait.

    Targets already set on waiting tickets stay.

    Raises:
        NotFound: there is no such desk.
        StaleVersion: `if_match` is not its version.
        InvalidInput: the match rule cannot be used.
        CatchAllFixed: the catch-all's rule or priority would change.
        Conflict: `queue_exists`.
    """
    before = await store.get_queue(tx.connection, queue_id, lock=True)
    if before.version != if_match:
        raise StaleVersion
    queue = domain.change_queue(before, changes)
    check_rule(queue.match, MATCH_FIELDS)
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
