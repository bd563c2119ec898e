"""Statements at the driver: named values, in the transaction of the connection that they are given."""

import asyncio

import pytest
from sqlalchemy import text

from common.statement import Statement
from tests.support.backbone import ORIGIN, count, migrated
from tests.support.eventually import eventually

_ALL_KINDS = Statement(
    """
    select cast(:word as text) as word, '12:30'::text || :word as both, cast(:number as int) + 1 as more,
      cast(:document as jsonb) as document
    """
)


async def test_values_go_by_their_names_however_often_and_casts_are_none(empty_database: str) -> None:
    values = {"document": '{"a": [1]}', "number": 41, "word": "x"}
    async with migrated(empty_database) as database, database.look() as connection:
        [row] = await _ALL_KINDS.fetch(connection, values)
    assert dict(row) == {"word": "x", "both": "12:30x", "more": 42, "document": {"a": [1]}}


async def test_it_is_part_of_the_transaction(empty_database: str) -> None:
    rows = Statement("select count(*) as rows from timer")
    async with migrated(empty_database) as database, database.begin(ORIGIN) as tx:
        await tx.connection.execute(
            text("insert into timer (kind, aggregate_id, generation, due_at) values ('x', gen_random_uuid(), 1, now())")
        )
        assert (await rows.fetch(tx.connection, {}))[0]["rows"] == 1
        async with database.look() as other:
            assert (await rows.fetch(other, {}))[0]["rows"] == 0


async def test_a_cancelled_look_leaves_no_spoiled_connection(empty_database: str) -> None:
    async with migrated(empty_database) as database:

        async def look() -> None:
            async with database.look() as connection:
                await Statement("select pg_sleep(60)").fetch(connection, {})

        sleeping = "pg_stat_activity where state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()"

        async def is_at_it() -> bool:
            return await count(database, sleeping) == 1

        async def has_ended() -> bool:
            return await count(database, sleeping) == 0

        task = asyncio.ensure_future(look())
        await eventually(is_at_it)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(has_ended)
        async with database.look() as connection:
            assert (await Statement("select 1 as one").fetch(connection, {}))[0]["one"] == 1
