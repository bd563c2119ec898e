"""Writing events: numbers, order, and what a rollback takes with it."""

import asyncio
import random
from uuid import UUID

import pytest
from sqlalchemy import text

from common.database import Database
from common.errors import InvalidInput, Refused
from common.ids import new_id
from common.outbox import flush_events
from common.transaction import Transaction
from contracts.routing import WorkUnroutable
from tests.support.backbone import ORIGIN, add_dequeued, count, migrated, publish, waits_for_lock
from tests.support.eventually import eventually


async def test_events_get_numbers_per_subject_in_the_order_in_which_they_were_added(empty_database: str) -> None:
    one, other = new_id(), new_id()
    async with migrated(empty_database) as database:
        first = await publish(database, [one, other, one])
        second = await publish(database, [other, one])
        assert [(event.subject, event.seq) for event in first + second] == [
            (f"ticket/{one}", 1),
            (f"ticket/{other}", 1),
            (f"ticket/{one}", 2),
            (f"ticket/{other}", 2),
            (f"ticket/{one}", 3),
        ]
        assert await count(database, "outbox o join event e on e.id = o.id") == 5
        assert await _id_order_is_sequence_order(database)


async def test_a_rolled_back_transaction_leaves_nothing(empty_database: str) -> None:
    ticket = new_id()
    async with migrated(empty_database) as database:
        with pytest.raises(Refused, match="changed my mind"):
            await _add_and_refuse(database, ticket)
        assert (
            await count(database, "event") == await count(database, "outbox") == await count(database, "subject") == 0
        )
        assert [event.seq for event in await publish(database, [ticket])] == [1]


async def test_a_rolled_back_savepoint_drops_its_events_only(empty_database: str) -> None:
    kept, dropped = new_id(), new_id()
    async with migrated(empty_database) as database:
        async with database.begin(ORIGIN) as tx:
            add_dequeued(tx, kept)
            with pytest.raises(Refused, match="half done"):
                await _refuse_in_savepoint(tx, dropped)
            add_dequeued(tx, kept)
        assert [(event.subject, event.seq) for event in tx.published] == [(f"ticket/{kept}", 1), (f"ticket/{kept}", 2)]
        assert await count(database, "event") == 2


async def test_a_body_above_64_kib_is_refused_by_name(empty_database: str) -> None:
    ticket = new_id()
    async with migrated(empty_database) as database:
        with pytest.raises(InvalidInput, match=r"support.work.unroutable.v1 .* the limit is 65536"):
            await _publish_large(database, ticket)
        assert await count(database, "event") == 0


async def test_concurrent_writers_of_the_same_subjects_leave_no_gap_and_no_deadlock(empty_database: str) -> None:
    tickets = [new_id() for _ in range(5)]

    async def write(database: Database, seed: int) -> None:
        choice = random.Random(seed)  # noqa: S311 - reproducible
        for turn in range(25):
            subjects = choice.choices(tickets, k=choice.randint(1, 6))
            if turn % 5 == 0:
                with pytest.raises(Refused):
                    await _add_and_refuse(database, subjects[0])
            else:
                await publish(database, subjects)

    async with migrated(empty_database, patient=True) as database:
        await asyncio.gather(*(write(database, seed) for seed in range(8)))
        async with database.read() as connection:
            rows = (
                await connection.execute(
                    text(
                        "select e.subject, count(*), min(e.seq), max(e.seq), max(s.seq)"
                        " from event e join subject s using (subject) group by 1"
                    )
                )
            ).all()
        assert len(rows) == len(tickets)
        for _, written, lowest, highest, counter in rows:
            assert (lowest, highest, counter) == (1, written, written)
        assert await _id_order_is_sequence_order(database)
        assert await count(database, "event") == await count(database, "outbox")


async def test_ids_are_drawn_after_the_lock_although_the_lock_is_waited_for(empty_database: str) -> None:
    """A writer that waits for the subject must not have drawn its id before the one that it waits for."""
    ticket = new_id()
    async with migrated(empty_database, patient=True) as database:
        async with asyncio.TaskGroup() as group, database.begin(ORIGIN) as holder:
            add_dequeued(holder, ticket)
            await flush_events(holder, database.source)
            waiting = group.create_task(publish(database, [ticket]))
            await eventually(lambda: waits_for_lock(database))
            add_dequeued(holder, ticket)
        assert [event.seq for event in waiting.result()] == [3]
        assert await _id_order_is_sequence_order(database)


async def _add_and_refuse(database: Database, ticket: UUID) -> None:
    async with database.begin(ORIGIN) as tx:
        add_dequeued(tx, ticket)
        raise Refused("changed my mind")


async def _refuse_in_savepoint(tx: Transaction, ticket: UUID) -> None:
    async with tx.savepoint():
        add_dequeued(tx, ticket)
        raise Refused("half done")


async def _publish_large(database: Database, ticket: UUID) -> None:
    async with database.begin(ORIGIN) as tx:
        body = WorkUnroutable(ticket_id=ticket, waited_s=1, missing=("x" * 66_000,))
        tx.add_events(f"ticket/{ticket}", [body])


async def _id_order_is_sequence_order(database: Database) -> bool:
    return await count(database, "event a join event b on a.subject = b.subject and a.seq < b.seq and a.id > b.id") == 0
