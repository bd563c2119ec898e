"""All SQL of the pools."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.statement import Statement
from routing.pools.domain import Input, InputKind, Lease
from routing.pools.tables import routing_input

_CLAIM = text("""
    insert into routing_pool as held (pool, epoch, owner, expires_at)
    values (:pool, 1, :owner, clock_timestamp() + :life)
    on conflict (pool) do update
       set epoch = held.epoch + 1, owner = excluded.owner, expires_at = excluded.expires_at
     where held.expires_at < clock_timestamp() or held.owner = excluded.owner
    returning epoch
""")

_FENCE = Statement("""
    update routing_pool
       set batch = batch + :step, expires_at = clock_timestamp() + :life
     where pool = :pool and epoch = :epoch
    returning batch
""")

_RELEASE = text("""
    update routing_pool set expires_at = clock_timestamp() where pool = :pool and epoch = :epoch
""")

_ADD_INPUTS = Statement("""
    insert into routing_input (pool, kind, subject_id)
    select cast(:pool as text), cast(:kind as text), subject_id from unnest(cast(:subject_ids as uuid[])) as subject_id
""")

_LIST_INPUTS = Statement(f"""
    select id, kind, subject_id from {routing_input.name} where pool = :pool order by id limit :limit
""")  # noqa: S608 - own names

_MOVE_INPUTS = Statement("""
    with gone as (
        delete from routing_input where id = any(cast(:ids as bigint[])) returning id
    )
    insert into routing_log (pool, batch, epoch, decided_at, inputs, packed)
    select cast(:pool as text), cast(:batch as bigint), cast(:epoch as bigint), cast(:at as timestamptz),
      (select count(*) from gone), cast(:packed as bytea)
""")

_TRIM_LOG = text("""
    delete from routing_log where (pool, batch) in (
        select pool, batch from routing_log where decided_at < :before order by decided_at limit :limit
    )
""")


async def claim_lease(connection: AsyncConnection, *, pool: str, owner: str, life: timedelta) -> Lease | None:
    """Take the pool and raise its epoch; None while another owner's lease lives, by the database's clock.

    Args:
        owner: names one decider's life; it may take again what it has, when it has lost track of it.
    """
    found = await connection.execute(_CLAIM, {"pool": pool, "owner": owner, "life": life})
    epoch = found.scalar_one_or_none()
    return None if epoch is None else Lease(pool=pool, epoch=epoch, owner=owner)


async def fence(connection: AsyncConnection, lease: Lease, *, life: timedelta, step: int) -> int | None:
    """Hold the pool's row until this transaction ends and renew the lease.

    Args:
        step: by how much the batch number grows: 1 for a batch, 0 for a mere renewal.
    Returns:
        The batch number, or None where the epoch is no longer this lease's.
    """
    values = {"pool": lease.pool, "epoch": lease.epoch, "life": life, "step": step}
    batches: list[int] = [row["batch"] for row in await _FENCE.fetch(connection, values)]
    return batches[0] if batches else None


async def release_lease(connection: AsyncConnection, lease: Lease) -> None:
    """Let a standby take over at once."""
    await connection.execute(_RELEASE, {"pool": lease.pool, "epoch": lease.epoch})


async def add_inputs(connection: AsyncConnection, pool: str, kind: InputKind, subject_ids: Sequence[UUID]) -> None:
    """One row for each subject, in the order given."""
    await _ADD_INPUTS.fetch(connection, {"pool": pool, "kind": kind.value, "subject_ids": list(subject_ids)})


async def list_inputs(connection: AsyncConnection, pool: str, *, limit: int) -> list[Input]:
    """What is present now, lowest id first. A lower id may appear later, so there is no position to remember."""
    found = await _LIST_INPUTS.fetch(connection, {"pool": pool, "limit": limit})
    return [Input(id=row["id"], kind=InputKind(row["kind"]), subject_id=row["subject_id"]) for row in found]


async def move_inputs(
    connection: AsyncConnection, lease: Lease, ids: Sequence[int], *, batch: int, at: datetime, packed: bytes
) -> None:
    """Delete the inputs and write what the engine was given for them as one row of the log."""
    values = {"ids": list(ids), "pool": lease.pool, "batch": batch, "epoch": lease.epoch, "at": at, "packed": packed}
    await _MOVE_INPUTS.fetch(connection, values)


async def trim_log(connection: AsyncConnection, *, before: datetime, limit: int) -> int:
    """Delete the oldest batches decided before a time; returns how many."""
    return (await connection.execute(_TRIM_LOG, {"before": before, "limit": limit})).rowcount
