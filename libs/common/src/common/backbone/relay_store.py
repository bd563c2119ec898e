"""The relay's SQL, on two driver connections of its own (see `protocols.OutboxStore`)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

import asyncpg

from common.backbone.protocols import OutboxRow, Sample
from common.database import Database, foreign_errors
from common.outbox import SHARDS

LEASE = timedelta(seconds=5)

# The outbox's statistics are always those of another moment, so the planner is left one road: along the index, as far
# as the limit. It must see the known ids, or it compares each row with each of them (20 times slower with 8,000). And
# what a lost delete costs is a repeat, which consumers drop; so it need not wait for the disk.
_SESSION = """
    set enable_seqscan = off; set enable_bitmapscan = off; set enable_memoize = off;
    set plan_cache_mode = force_custom_plan; set work_mem = '32MB'; set synchronous_commit = off
"""
_CLAIM = """
    update outbox_lease set holder = $1, epoch = epoch + 1, expires_at = clock_timestamp() + $2
    where shard in (
      select shard from outbox_lease where expires_at < clock_timestamp() order by shard for update skip locked
    )
    returning shard
"""
# An expired lease that nobody has taken yet is still ours.
_RENEW = "update outbox_lease set expires_at = clock_timestamp() + $2 where holder = $1 returning shard"
_RELEASE = "update outbox_lease set holder = '', expires_at = 'epoch' where holder = $1"

# Known ids are left out before the join, so that what is in flight costs no reading of its bytes. The events are found
# by one walk along their index and come in its order, which costs half of a search for each of them and a sort.
_READ = """
    with picked as materialized (
      select o.shard, o.id
      from unnest($1::smallint[], $2::bigint[]) as mine (shard, floor)
      cross join lateral (
        select shard, id from outbox
        where shard = mine.shard and id > mine.floor and id <> all ($3::bigint[])
        order by id limit $4
      ) o
    )
    select picked.shard, e.id, e.seq, e.key, e.headers, e.payload
    from event e join picked on picked.id = e.id
    where e.id = any (array(select id from picked order by id))
    order by e.id
"""
# One walk along the index for each shard: a search for each row costs twice as much.
_DELETE = "delete from outbox where shard = $1 and id = any ($2::bigint[])"
_LAST_ID = "select coalesce(pg_sequence_last_value(pg_get_serial_sequence('event', 'id')::regclass), 0)"
_NEW_XID = "select pg_current_xact_id()::text::bigint"
# One statement is one snapshot: what it says about running transactions holds for the rows that it sees.
_RAISE = """
    select mine.shard,
      least($3::bigint, coalesce((select min(id) - 1 from outbox where shard = mine.shard and id > mine.floor), $3)),
      pg_snapshot_xmin(pg_current_snapshot())::text::bigint > $4::bigint
    from unnest($1::smallint[], $2::bigint[]) as mine (shard, floor)
"""
_BELOW = """
    select o.shard, o.id from unnest($1::smallint[], $2::bigint[]) as mine (shard, floor)
    join outbox o on o.shard = mine.shard and o.id <= mine.floor
"""
# One step into the index for each shard: grouping would read every row that waits.
_OLDEST = """
    select coalesce(extract(epoch from clock_timestamp() - min(e.occurred_at)), 0)::float8
    from generate_series(0, $1) s
    cross join lateral (select id from outbox where shard = s order by id limit 1) o
    join event e on e.id = o.id
"""


async def open_outbox_store(database: Database) -> "PostgresOutbox":
    """Connect.

    Raises:
        Unavailable: the database does not answer.
    """
    reading = await _connect(database)
    try:
        return PostgresOutbox(reading, await _connect(database))
    except BaseException:
        reading.terminate()
        raise


async def _connect(database: Database) -> asyncpg.Connection:
    connection = await database.connect_raw()
    try:
        with foreign_errors():
            await connection.execute(_SESSION)
    except BaseException:
        connection.terminate()
        raise
    return connection


class PostgresOutbox:
    """See `protocols.OutboxStore`."""

    def __init__(self, reading: asyncpg.Connection, deleting: asyncpg.Connection) -> None:
        """Use `open_outbox_store`. Two connections, since what has arrived is deleted while the next rows are read."""
        self._connection = reading
        self._deleting = deleting

    async def claim_shards(self, holder: str) -> frozenset[int]:
        """See `OutboxStore.claim_shards`."""
        return frozenset(row[0] for row in await self._fetch(_CLAIM, holder, LEASE))

    async def renew_shards(self, holder: str) -> frozenset[int]:
        """See `OutboxStore.renew_shards`."""
        return frozenset(row[0] for row in await self._fetch(_RENEW, holder, LEASE))

    async def release_shards(self, holder: str) -> None:
        """See `OutboxStore.release_shards`."""
        await self._fetch(_RELEASE, holder)

    async def read_rows(self, floors: Mapping[int, int], known: Collection[int], limit: int) -> list[OutboxRow]:
        """See `OutboxStore.read_rows`."""
        rows = await self._fetch(_READ, list(floors), list(floors.values()), list(known), limit)
        return [OutboxRow(*row) for row in rows]

    async def delete_rows(self, rows: Sequence[tuple[int, int]]) -> None:
        """See `OutboxStore.delete_rows`."""
        of_shard: dict[int, list[int]] = {}
        for shard, id_ in rows:
            of_shard.setdefault(shard, []).append(id_)
        with foreign_errors():
            await self._deleting.executemany(_DELETE, sorted(of_shard.items()))

    async def draw_sample(self) -> Sample:
        """See `OutboxStore.draw_sample`. Two statements, since one might allocate before it reads."""
        last_id = (await self._fetch(_LAST_ID))[0][0]
        return Sample(last_id=last_id, xid=(await self._fetch(_NEW_XID))[0][0])

    async def raise_floors(self, sample: Sample, floors: Mapping[int, int]) -> dict[int, int] | None:
        """See `OutboxStore.raise_floors`."""
        rows = await self._fetch(_RAISE, list(floors), list(floors.values()), sample.last_id, sample.xid)
        if not all(settled for _, _, settled in rows):
            return None
        return {shard: max(floors[shard], floor) for shard, floor, _ in rows}

    async def find_below(self, floors: Mapping[int, int]) -> list[tuple[int, int]]:
        """See `OutboxStore.find_below`."""
        rows = await self._fetch(_BELOW, list(floors), list(floors.values()))
        return [(row[0], row[1]) for row in rows]

    async def find_oldest_age(self) -> float:
        """See `OutboxStore.find_oldest_age`."""
        return float((await self._fetch(_OLDEST, SHARDS - 1))[0][0])

    async def close(self) -> None:
        """See `OutboxStore.close`."""
        self._connection.terminate()
        self._deleting.terminate()

    async def _fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        with foreign_errors():
            return await self._connection.fetch(statement, *values)
