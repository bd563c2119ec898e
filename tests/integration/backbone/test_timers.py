"""Timers and periodic work: due ones fire once, however many processes look; failures wait and hold up nobody."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from common.clock import MovableClock
from common.database import Database
from common.ids import new_id
from common.timers import Periodic, Timer, clear_timers, fire_due, run_due, run_timers, set_timers
from common.transaction import Transaction
from tests.support.backbone import ORIGIN, count, migrated, no_beat, open_database, running
from tests.support.eventually import eventually

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def set_timer(database: Database, aggregate_id: UUID, due: datetime, generation: int = 1) -> None:
    async with database.begin(ORIGIN) as tx:
        await set_timers(tx, "test", [(aggregate_id, generation, due)])


async def test_a_timer_fires_when_its_time_has_come_and_then_is_gone(empty_database: str) -> None:
    clock = MovableClock(START)
    fired: list[tuple[UUID, int]] = []

    async def fire(_: Transaction, aggregate_id: UUID, generation: int) -> None:
        fired.append((aggregate_id, generation))

    timers = [Timer(kind="test", fire=fire)]
    early, late, cleared = new_id(), new_id(), new_id()
    async with migrated(empty_database, clock=clock) as database:
        await set_timer(database, early, START + HOUR)
        await set_timer(database, early, START + HOUR, generation=2)
        await set_timer(database, late, START + 2 * HOUR)
        await set_timer(database, cleared, START + HOUR)
        async with database.begin(ORIGIN) as tx:
            await clear_timers(tx, "test", [cleared, new_id()])
        assert await fire_due(database, service="test", timers=timers) == 0
        clock.move(HOUR)
        assert await fire_due(database, service="test", timers=timers) == 1
        assert await fire_due(database, service="test", timers=timers) == 0
        assert fired == [(early, 2)]
        assert await count(database, "timer") == 1


async def test_a_timer_that_sets_itself_again_stays(empty_database: str) -> None:
    clock = MovableClock(START)

    async def fire(tx: Transaction, aggregate_id: UUID, generation: int) -> None:
        await set_timers(tx, "test", [(aggregate_id, generation + 1, tx.now + HOUR)])

    async with migrated(empty_database, clock=clock) as database:
        await set_timer(database, new_id(), START)
        assert await fire_due(database, service="test", timers=[Timer(kind="test", fire=fire)]) == 1
        assert await fire_due(database, service="test", timers=[Timer(kind="test", fire=fire)]) == 0
        assert await count(database, "timer where generation = 2") == 1


async def test_of_several_processes_one_fires_each_timer(empty_database: str) -> None:
    aggregates = [new_id() for _ in range(60)]

    async def fire(tx: Transaction, aggregate_id: UUID, generation: int) -> None:
        await tx.connection.execute(text("insert into effect values (:id)"), {"id": aggregate_id})

    async with migrated(empty_database) as database:
        async with database.begin(ORIGIN) as tx:
            await tx.connection.execute(text("create table effect (aggregate_id uuid)"))
            await set_timers(tx, "test", [(aggregate, 1, tx.now) for aggregate in aggregates])
        others = [open_database(empty_database) for _ in range(3)]
        timers = [Timer(kind="test", fire=fire)]
        await asyncio.gather(*(fire_due(each, service="test", timers=timers) for each in (database, *others)))
        assert await count(database, "effect") == await count(database, "(select distinct aggregate_id from effect) e")
        assert await count(database, "effect") == len(aggregates)
        for other in others:
            await other.close()


async def test_a_timer_that_fails_waits_longer_each_time_and_holds_up_no_other(empty_database: str) -> None:
    clock = MovableClock(START)
    bad, good = new_id(), new_id()
    fired: list[UUID] = []

    async def fire(_: Transaction, aggregate_id: UUID, generation: int) -> None:
        fired.append(aggregate_id)
        if aggregate_id == bad:
            raise ValueError("never works")

    timers = [Timer(kind="test", fire=fire)]
    async with migrated(empty_database, clock=clock) as database:
        await set_timer(database, bad, START)
        await set_timer(database, good, START + timedelta(seconds=1))
        clock.move(timedelta(seconds=5))
        await fire_due(database, service="test", timers=timers)
        assert fired == [bad, good]
        for wait in (10, 20, 40):
            clock.move(timedelta(seconds=wait - 1))
            assert await fire_due(database, service="test", timers=timers) == 0
            clock.move(timedelta(seconds=1))
            assert await fire_due(database, service="test", timers=timers) == 1


async def test_a_use_case_that_locks_aggregate_then_timer_does_not_deadlock_with_firing(empty_database: str) -> None:
    """The firing side takes the aggregate's lock too; were its timer's row locked before, both would wait for ever."""
    aggregate = new_id()
    async with migrated(empty_database, patient=True) as database:
        async with database.begin(ORIGIN) as tx:
            await tx.connection.execute(text("create table thing (id uuid primary key)"))
            await tx.connection.execute(text("insert into thing values (:id)"), {"id": aggregate})
        lock = text("select 1 from thing where id = :id for update")

        async def fire(tx: Transaction, aggregate_id: UUID, generation: int) -> None:
            await tx.connection.execute(lock, {"id": aggregate_id})

        async def use_case() -> None:
            async with database.begin(ORIGIN) as tx:
                await tx.connection.execute(lock, {"id": aggregate})
                await set_timers(tx, "test", [(aggregate, 2, tx.now)])

        for _ in range(20):
            await set_timer(database, aggregate, START)
            await asyncio.gather(
                use_case(), fire_due(database, service="test", timers=[Timer(kind="test", fire=fire)]), use_case()
            )


async def test_a_locked_aggregate_holds_up_no_timer_behind_it(empty_database: str) -> None:
    locked, free = [new_id() for _ in range(3)], new_id()
    fired: list[UUID] = []
    lock = text("select 1 from thing where id = :id for update")

    async def fire(tx: Transaction, aggregate_id: UUID, generation: int) -> None:
        await tx.connection.execute(text("set local lock_timeout = '50ms'"))
        await tx.connection.execute(lock, {"id": aggregate_id})
        fired.append(aggregate_id)

    timers = [Timer(kind="test", fire=fire)]
    async with migrated(empty_database) as database:
        async with database.begin(ORIGIN) as tx:
            await tx.connection.execute(text("create table thing (id uuid primary key)"))
            await tx.connection.execute(
                text("insert into thing select unnest(cast(:ids as uuid[]))"), {"ids": [*locked, free]}
            )
        for ticket in locked:
            await set_timer(database, ticket, START)
        await set_timer(database, free, START + timedelta(seconds=1))
        async with database.begin(ORIGIN) as holder:
            for ticket in locked:
                await holder.connection.execute(lock, {"id": ticket})
            assert await fire_due(database, service="test", timers=timers) == 4
            assert fired == [free]
        assert await fire_due(database, service="test", timers=timers) == 3
        assert sorted(fired[1:]) == sorted(locked)


async def test_slow_periodic_work_holds_up_no_other(empty_database: str) -> None:
    done = asyncio.Event()

    async def crawl(tx: Transaction) -> None:
        await tx.connection.execute(text("set local statement_timeout = '50ms'"))
        await tx.connection.execute(text("select pg_sleep(10)"))

    async def finish(_: Transaction) -> None:
        done.set()

    works = [Periodic(name="slow", every=HOUR, run=crawl), Periodic(name="swift", every=HOUR, run=finish)]
    async with (
        migrated(empty_database) as database,
        running(
            lambda stop: run_timers(
                database=database, service="test", timers=[], periodic=works, beat=no_beat, stop=stop
            )
        ),
        asyncio.timeout(10),
    ):
        await done.wait()


async def test_periodic_work_runs_in_one_process_at_a_time_and_again_after_its_interval(empty_database: str) -> None:
    clock = MovableClock(START)
    async with migrated(empty_database, clock=clock) as database:
        async with database.begin(ORIGIN) as tx:
            await tx.connection.execute(text("create table effect (at timestamptz)"))

        async def run(tx: Transaction) -> None:
            await tx.connection.execute(text("insert into effect values (:now)"), {"now": tx.now})

        work = Periodic(name="sweep", every=HOUR, run=run)
        others = [open_database(empty_database, clock=clock) for _ in range(3)]
        ran = await asyncio.gather(*(run_due(each, service="test", work=work) for each in (database, *others)))
        assert sum(ran) == 1
        assert not await run_due(database, service="test", work=work)
        clock.move(HOUR)
        assert await run_due(database, service="test", work=work)
        assert await count(database, "effect") == 2
        for other in others:
            await other.close()


async def test_the_loop_fires_timers_and_runs_periodic_work(empty_database: str) -> None:
    done: set[str] = set()

    async def fire(tx: Transaction, aggregate_id: UUID, generation: int) -> None:
        done.add("timer")

    async def run(tx: Transaction) -> None:
        done.add("periodic")

    async def both() -> bool:
        return done == {"timer", "periodic"}

    async with migrated(empty_database) as database:
        await set_timer(database, new_id(), START)

        async with running(
            lambda stop: run_timers(
                database=database,
                service="test",
                timers=[Timer(kind="test", fire=fire)],
                periodic=[Periodic(name="sweep", every=HOUR, run=run)],
                beat=no_beat,
                stop=stop,
            )
        ):
            await eventually(both)
