"""The consumer on real servers: every event applied once and in order, whatever the topic holds."""

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from common.backbone.applying import BreakerTripped
from common.backbone.consumer import cursor_reached
from common.backbone.inbox_store import PostgresInbox
from common.backbone.protocols import Parking
from common.clock import MovableClock
from common.ids import new_id
from tests.support.backbone import (
    Inbox,
    count,
    event_of,
    headers_of,
    inbox,
    running,
    waits_for_lock,
    write_raw,
    write_records,
)
from tests.support.eventually import eventually
from tests.support.servers import Servers


async def has_effects(service: Inbox, expected: dict[str, list[int]]) -> bool:
    effects = await service.effects()
    assert effects == expected
    return True


async def has_parked(service: Inbox, expected: dict[str, str]) -> bool:
    parked = await service.parked()
    assert parked == expected
    return True


async def test_repeats_are_dropped_and_every_subject_is_applied_in_order(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    choice = random.Random(11)  # noqa: S311 - reproducible
    tickets = [new_id() for _ in range(30)]
    events = [event_of(ticket, seq) for seq in range(1, 11) for ticket in tickets]
    with_repeats = [*events]
    for _ in range(100):
        # A producer that lost its memory repeats a stretch, in order.
        start = choice.randrange(len(events) - 40)
        with_repeats[start + 40 : start + 40] = with_repeats[start : start + 40]
    async with inbox(servers, empty_database, topic_prefix) as service:
        await write_records(service, with_repeats)
        async with running(service.consume):
            await eventually(lambda: has_effects(service, {f"ticket/{t}": list(range(1, 11)) for t in tickets}))
        assert await service.parked() == {}
        assert await count(service.database, "outbox") == len(events)
        async with service.database.read() as connection:
            subject = f"ticket/{tickets[0]}"
            assert await cursor_reached(connection, source="intake", subject=subject, seq=10)
            assert not await cursor_reached(connection, source="intake", subject=subject, seq=11)
            where = "select count(*), sum(next_offset), sum(end_offset) from consumer_offset"
            partitions, consumed, end = (await connection.execute(text(where))).one()
        assert (partitions, consumed, end) == (3, len(with_repeats), len(with_repeats))


async def test_gaps_and_forks_park_their_subject_and_nobody_else(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    gap, late, fork, fine = new_id(), new_id(), new_id(), new_id()
    events = [
        *(event_of(gap, seq) for seq in (1, 3, 4)),
        event_of(late, 2),
        *(event_of(fork, seq) for seq in (1, 2, 2, 3)),
        *(event_of(fine, seq) for seq in (1, 2, 3)),
    ]
    async with inbox(servers, empty_database, topic_prefix) as service:
        await write_records(service, events)
        async with running(service.consume):
            await eventually(
                lambda: has_effects(
                    service, {f"ticket/{gap}": [1], f"ticket/{fork}": [1, 2], f"ticket/{fine}": [1, 2, 3]}
                )
            )
            await eventually(
                lambda: has_parked(service, {f"ticket/{gap}": "gap", f"ticket/{late}": "gap", f"ticket/{fork}": "fork"})
            )
        assert await count(service.database, "parked_event") == 5


async def test_in_bootstrap_mode_a_subject_may_begin_late_but_not_jump(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    late, gap = new_id(), new_id()
    events = [event_of(late, 7), event_of(late, 8), event_of(gap, 3), event_of(gap, 5)]
    async with inbox(servers, empty_database, topic_prefix) as service:
        await write_records(service, events)
        async with running(lambda stop: service.consume(stop, bootstrap=True)):
            await eventually(lambda: has_effects(service, {f"ticket/{late}": [7, 8], f"ticket/{gap}": [3]}))
        assert await service.parked() == {f"ticket/{gap}": "gap"}


async def test_an_event_that_fails_delays_its_own_subject_only(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    poison = new_id()
    tickets = [new_id() for _ in range(120)]
    async with inbox(servers, empty_database, topic_prefix) as service:

        async def both_came() -> bool:
            """They may be of two partitions, and then neither waits for the other."""
            assert await count(service.database, "parked_event") == 3
            assert (await service.effects())[f"ticket/{tickets[0]}"] == [1, 2, 3]
            return True

        service.poison.add(f"ticket/{poison}")
        await write_records(
            service, [event_of(t, seq) for seq in (1, 2) for t in (*tickets[:60], poison, *tickets[60:])]
        )
        async with running(service.consume):
            await eventually(lambda: has_effects(service, {f"ticket/{t}": [1, 2] for t in tickets}))
            await write_records(service, [event_of(poison, 3), event_of(tickets[0], 3)])
            await eventually(both_came)
        assert await service.parked() == {f"ticket/{poison}": "failed"}
        assert await count(service.database, "outbox") == 2 * len(tickets) + 1


async def test_records_that_cannot_be_read_never_stop_the_rest(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    fine, numberless = new_id(), new_id()
    good = event_of(fine, 1)

    def without(event: Any, name: str) -> list[tuple[str, bytes]]:
        return [header for header in headers_of(event) if header[0] != name]

    async with inbox(servers, empty_database, topic_prefix) as service:
        await write_raw(
            service,
            [
                (b"k", [], b"{}"),
                (b"\xff", [("ce_id", b"\xff\xfe")], None),
                (b"k", without(good, "ce_subject"), b"{}"),
                (b"k", headers_of(event_of(new_id(), 1, source="/frontline/test/escalation")), b"{}"),
                (b"k", headers_of(event_of(new_id(), 1, subject="ticket/a\x00b")), b"{}"),
                (b"k", headers_of(event_of(new_id(), 1, subject="ticket/" + "x" * 3_000)), b"{}"),
                (str(numberless).encode(), without(event_of(numberless, 1), "ce_subjectseq"), b"{}"),
                (str(numberless).encode(), headers_of(event_of(numberless, 2**70)), b"{}"),
                (str(fine).encode(), headers_of(good), good.data),
            ],
        )
        async with running(service.consume):
            await eventually(lambda: has_effects(service, {f"ticket/{fine}": [1]}))
            await eventually(lambda: has_parked(service, {f"ticket/{numberless}": "undecodable"}))
        assert await count(service.database, "poison_record") == 6
        assert await count(service.database, "parked_event") == 2


async def test_many_subjects_failing_at_once_stop_the_consumer_and_park_nothing(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    tickets = [new_id() for _ in range(30)]
    async with inbox(servers, empty_database, topic_prefix) as service:
        service.poison.update(f"ticket/{ticket}" for ticket in tickets)
        await write_records(service, [event_of(ticket, 1) for ticket in tickets])
        with pytest.RaisesGroup(BreakerTripped):
            async with running(service.consume) as consumer:
                await consumer
        assert await service.parked() == {}
        service.poison.clear()
        async with running(service.consume):
            await eventually(lambda: has_effects(service, {f"ticket/{ticket}": [1] for ticket in tickets}))


async def test_one_failing_subject_after_another_stops_the_consumer_at_twenty_within_a_minute(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    bad = [new_id() for _ in range(20)]
    # Its minute does not pass, however long the twenty take.
    clock = MovableClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    async with inbox(servers, empty_database, topic_prefix, clock=clock) as service:
        service.poison.update(f"ticket/{ticket}" for ticket in bad)

        async def are_parked(expected: int) -> bool:
            return len(await service.parked()) == expected

        with pytest.RaisesGroup(BreakerTripped):
            async with running(service.consume) as consumer:
                for already, ticket in enumerate(bad[:19]):
                    await write_records(service, [event_of(ticket, 1), event_of(new_id(), 1)])
                    await eventually(lambda expected=already + 1: are_parked(expected))
                await write_records(service, [event_of(bad[19], 1)])
                await consumer
        assert len(await service.parked()) == 19


async def test_what_another_transaction_is_about_to_park_is_waited_for_and_counted(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    failed = Parking(stream=("intake", f"ticket/{new_id()}"), reason="failed", error="ValueError")
    async with inbox(servers, empty_database, topic_prefix, patient=True) as service:
        store = PostgresInbox(service.database, service="routing")

        async def count_alone() -> int:
            async with store.begin() as tx:
                return await store.count_lately_parked(tx, ["failed"])

        async with store.begin() as tx:
            assert await store.count_lately_parked(tx, ["failed"]) == 0
            other = asyncio.create_task(count_alone())
            await eventually(lambda: waits_for_lock(service.database))
            await store.park(tx, [failed], [])
        assert await other == 1
