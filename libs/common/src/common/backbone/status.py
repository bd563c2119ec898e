"""What operators ask first: does the outbox drain, and how far behind is each partition?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.outbox import SHARDS

_SHARDS = text(
    """
    select l.shard, l.holder, l.epoch, l.expires_at, l.expires_at > clock_timestamp() as held,
      (select count(*) from outbox o where o.shard = l.shard) as waiting
    from outbox_lease l order by l.shard
    """
)
_OLDEST = text(
    """
    select min(e.occurred_at) as oldest_at,
      greatest(0, extract(epoch from clock_timestamp() - min(e.occurred_at)))::float8 as oldest_age_s
    from generate_series(0, cast(:last_shard as int)) s
    cross join lateral (select id from outbox where shard = s order by id limit 1) o
    join event e on e.id = o.id
    """
)
_PARTITIONS = text(
    """
    select topic, partition, next_offset, end_offset, end_offset - next_offset as lag, epoch, owner, bootstrap,
      updated_at
    from consumer_offset order by topic, partition
    """
)
_PARKED = text("select reason, count(*) from parked_subject group by reason order by reason")
_POISON = text("select count(*) from poison_record")


@dataclass(frozen=True, kw_only=True)
class ShardStatus:
    """One shard of the outbox. `held` says whether a relay owns it at this moment."""

    shard: int
    holder: str
    epoch: int
    expires_at: datetime
    held: bool
    waiting: int


@dataclass(frozen=True, kw_only=True)
class OutboxStatus:
    """The way out. `oldest_at` is None where nothing waits."""

    waiting: int
    oldest_at: datetime | None
    oldest_age_s: float
    shards: Sequence[ShardStatus]


@dataclass(frozen=True, kw_only=True)
class PartitionStatus:
    """One partition that this service reads. `end_offset` and `lag` are as of `updated_at`, the last batch's time."""

    topic: str
    partition: int
    next_offset: int
    end_offset: int
    lag: int
    epoch: int
    owner: str
    bootstrap: bool
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class ConsumerStatus:
    """The way in. `parked` counts subjects by reason."""

    partitions: Sequence[PartitionStatus]
    parked: Mapping[str, int]
    poison_records: int


async def get_outbox_status(connection: AsyncConnection) -> OutboxStatus:
    """What waits to be published, and who should publish it. Counts every waiting row."""
    shards = [ShardStatus(**row) for row in (await connection.execute(_SHARDS)).mappings()]
    oldest = (await connection.execute(_OLDEST, {"last_shard": SHARDS - 1})).one()
    return OutboxStatus(
        waiting=sum(shard.waiting for shard in shards),
        oldest_at=oldest.oldest_at,
        oldest_age_s=oldest.oldest_age_s or 0.0,
        shards=shards,
    )


async def get_consumer_status(connection: AsyncConnection) -> ConsumerStatus:
    """How far this service has read, and what it could not apply."""
    return ConsumerStatus(
        partitions=[PartitionStatus(**row) for row in (await connection.execute(_PARTITIONS)).mappings()],
        parked={reason: count for reason, count in await connection.execute(_PARKED)},  # noqa: C416 - rows are not pairs to the type checker
        poison_records=(await connection.execute(_POISON)).scalar_one(),
    )
