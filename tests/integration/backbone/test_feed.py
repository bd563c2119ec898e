"""The feed: pages in order, filters, and never a page that runs past an open transaction."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

import common.feed
from common.database import Database
from common.feed import FeedPage, list_feed
from common.ids import new_id
from common.outbox import flush_events
from contracts.routing import WorkDequeued, WorkUnroutable
from tests.support.backbone import ORIGIN, add_dequeued, migrated, open_database, publish


async def page(database: Database, after: int = 0, *, subject: str = "", limit: int = 100) -> FeedPage:
    async with database.read() as connection:
        return await list_feed(connection, after, subject=subject, limit=limit)


async def test_pages_follow_each_other_and_end_where_nothing_is_left(empty_database: str) -> None:
    async with migrated(empty_database) as database:
        assert await page(database) == FeedPage(events=(), next=0)
        published = [event for _ in range(5) for event in await publish(database, [new_id(), new_id()])]
        found, after = [], 0
        while events := (taken := await page(database, after, limit=3)).events:
            found += [event.id for _, event in events]
            after = taken.next
        assert sorted(found) == sorted(event.id for event in published)
        assert (await page(database, after)).next == after


async def test_filters_by_subject_and_type_and_still_moves_on(empty_database: str) -> None:
    ticket, other = new_id(), new_id()
    async with migrated(empty_database) as database:
        await publish(database, [ticket, other, other])
        async with database.begin(ORIGIN) as tx:
            tx.add_events(f"ticket/{ticket}", [WorkUnroutable(ticket_id=ticket, waited_s=1, missing=())])
        about = await page(database, subject=f"ticket/{ticket}")
        assert [event.seq for _, event in about.events] == [1, 2]
        async with database.read() as connection:
            dequeued = await list_feed(connection, 0, types=[WorkDequeued.event_type])
            nothing = await list_feed(connection, 0, types=["support.no.such.v1"])
        assert len(dequeued.events) == 3
        assert nothing == FeedPage(events=(), next=about.next)


async def test_a_page_waits_for_a_transaction_that_has_drawn_a_lower_id(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 1: the later event is committed first. A page that showed it would skip the earlier one for ever."""
    monkeypatch.setattr(common.feed, "_WRITERS_LIMIT", timedelta(seconds=30))
    early, late = new_id(), new_id()
    async with migrated(empty_database) as database, asyncio.TaskGroup() as group:
        async with database.begin(ORIGIN) as open_one:
            add_dequeued(open_one, early)
            await flush_events(open_one, database.source)
            await publish(database, [late])
            reading = group.create_task(page(database))
            await open_one.connection.execute(text("select pg_sleep(0.2)"))
            assert not reading.done()
        assert [event.subject for _, event in (await reading).events] == [f"ticket/{early}", f"ticket/{late}"]


async def test_a_page_that_waits_too_long_comes_empty_and_does_not_move_on(empty_database: str) -> None:
    async with migrated(empty_database) as database:
        async with database.begin(ORIGIN) as open_one:
            add_dequeued(open_one, new_id())
            await flush_events(open_one, database.source)
            await publish(database, [new_id()])
            assert await page(database) == FeedPage(events=(), next=0)
        assert len((await page(database)).events) == 2


async def test_strangers_do_not_hold_a_page_up(empty_database: str) -> None:
    """An old transaction that writes other tables, as the relay's rule would have to wait for."""
    async with migrated(empty_database) as database:
        stranger = open_database(empty_database, service="stranger")
        async with stranger.begin(ORIGIN) as tx:
            await tx.connection.execute(text("select pg_current_xact_id()"))
            await tx.connection.execute(text("insert into periodic values ('x', now())"))
            await publish(database, [new_id()])
            assert len((await page(database)).events) == 1
        await stranger.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_reader_among_racing_writers_sees_every_event_once_in_order(empty_database: str, seed: int) -> None:
    tickets = [new_id() for _ in range(10)]
    async with migrated(empty_database) as database:

        async def write(number: int) -> None:
            for turn in range(30):
                async with database.begin(ORIGIN) as tx:
                    for ticket in tickets[(number + turn) % 7 :: 3]:
                        add_dequeued(tx, ticket)
                    if (number + turn + seed) % 4 == 0:
                        await flush_events(tx, database.source)
                        await tx.connection.execute(text("select pg_sleep(0.01)"))

        seen: dict[str, int] = {}
        async with asyncio.TaskGroup() as group:
            writers = [group.create_task(write(number)) for number in range(6)]
            after, last_look = 0, False
            while True:
                last_look = all(writer.done() for writer in writers)
                taken = await page(database, after, limit=50)
                for _, event in taken.events:
                    assert event.seq == seen.get(event.subject, 0) + 1
                    seen[event.subject] = event.seq
                if last_look and taken.next == after:
                    break
                after = taken.next
        async with database.read() as connection:
            counters = await connection.execute(text("select subject, seq from subject"))
            assert seen == {row.subject: row.seq for row in counters}
