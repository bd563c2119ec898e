"""What a pool can do: be claimed, be told of changes, and keep a log of what its engine was given."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Transaction
from routing.pools import store
from routing.pools.domain import DEFAULT_POOL, Input, InputKind, Lease, LeaseLost

LEASE_LIFE = timedelta(seconds=5)
"""A decider that has not renewed for so long may be replaced."""

LEASE_RENEWAL = timedelta(seconds=1.5)
"""An idle decider renews so often; every batch renews too."""

INPUTS = "routing_input"
"""The bell that tells the decider of this process that a pool has inputs."""

_TRIM_PAGE = 5_000


async def note_changes(
    tx: Transaction, kind: InputKind, subject_ids: Sequence[UUID], *, pool: str = DEFAULT_POOL
) -> None:
    """Tell the pool's decider to read these again, once this transaction has committed."""
    if subject_ids:
        await store.add_inputs(tx.connection, pool, kind, subject_ids)
        tx.bells.add(INPUTS)


async def claim_pool(tx: Transaction, *, pool: str, owner: str) -> Lease | None:
    """Become the pool's decider; None while another one lives.

    The claim waits for a running decision of the previous owner, so whoever wins reads after its last valid commit.
    """
    return await store.claim_lease(tx.connection, pool=pool, owner=owner, life=LEASE_LIFE)


async def renew_lease(tx: Transaction, lease: Lease) -> None:
    """Go on being the decider.

    Raises:
        LeaseLost: another one took the pool.
    """
    if await store.fence(tx.connection, lease, life=LEASE_LIFE, step=0) is None:
        raise LeaseLost


async def begin_batch(tx: Transaction, lease: Lease) -> int:
    """Fence this transaction by the lease's epoch and draw its batch number.

    Raises:
        LeaseLost: another one took the pool; nothing of this transaction may be committed.
    """
    batch = await store.fence(tx.connection, lease, life=LEASE_LIFE, step=1)
    if batch is None:
        raise LeaseLost
    return batch


async def release_pool(tx: Transaction, lease: Lease) -> None:
    """Stop being the decider, so that a standby need not wait for the lease to end."""
    await store.release_lease(tx.connection, lease)


async def list_inputs(connection: AsyncConnection, pool: str, *, limit: int) -> list[Input]:
    """The inputs present now, lowest id first."""
    return await store.list_inputs(connection, pool, limit=limit)


async def log_batch(tx: Transaction, lease: Lease, inputs: Sequence[Input], *, batch: int, packed: bytes) -> None:
    """Move drained inputs to the log, with what the engine was given for them."""
    await store.move_inputs(tx.connection, lease, [each.id for each in inputs], batch=batch, at=tx.now, packed=packed)


async def trim_log(tx: Transaction, *, before: datetime) -> int:
    """Delete a page of the log's oldest batches; returns how many."""
    return await store.trim_log(tx.connection, before=before, limit=_TRIM_PAGE)
