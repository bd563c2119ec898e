"""Parked subjects: tried again after growing waits, held in the end, and open to operators who say why."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from common.backbone.inbox_store import PostgresInbox
from common.backbone.parking import discard_parked, get_parked, list_parked, redrive_parked
from common.backbone.poison import list_poison
from common.backbone.redrive import redrive_next, run_redrive
from common.backbone.status import get_consumer_status, get_outbox_status
from common.clock import MovableClock
from common.errors import Conflict, NotFound, Unavailable
from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import Event
from tests.support.backbone import (
    ORIGIN,
    Inbox,
    count,
    event_of,
    headers_of,
    inbox,
    no_beat,
    running,
    waits_for_lock,
    write_raw,
    write_records,
)
from tests.support.eventually import eventually
from tests.support.servers import Servers

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def redrive(service: Inbox) -> bool:
    return await redrive_next(PostgresInbox(service.database, service="routing"), service.handlers)


@asynccontextmanager
async def with_parked(
    servers: Servers, url: str, prefix: str, clock: MovableClock, events: list[tuple[UUID, int]], *, poison: UUID | None
) -> AsyncGenerator[Inbox]:
    """A service that has consumed these (ticket, number) and has one subject parked."""
    async with inbox(servers, url, prefix, clock=clock) as service:
        if poison:
            service.poison.add(f"ticket/{poison}")
        await write_records(service, [event_of(ticket, seq) for ticket, seq in events])

        async def consumed() -> bool:
            return await count(service.database, "effect") + await count(service.database, "parked_event") == len(
                events
            )

        async with running(service.consume):
            await eventually(consumed)
        yield service


async def test_redrive_applies_in_order_once_the_cause_is_mended(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    clock, ticket = MovableClock(START), new_id()
    events = [(ticket, seq) for seq in range(1, 61)]
    async with with_parked(servers, empty_database, topic_prefix, clock, events, poison=ticket) as service:
        assert not await redrive(service)
        clock.move(timedelta(seconds=30))
        service.poison.clear()
        assert await redrive(service)
        assert await redrive(service)
        assert not await redrive(service)
        assert await service.effects() == {f"ticket/{ticket}": list(range(1, 61))}
        assert await service.parked() == {}
        assert await count(service.database, "parked_event") == 0
        assert await count(service.database, "outbox") == 60


async def test_redrive_waits_longer_each_time_and_holds_in_the_end(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    clock, ticket = MovableClock(START), new_id()
    async with with_parked(servers, empty_database, topic_prefix, clock, [(ticket, 1)], poison=ticket) as service:
        for wait in (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1)):
            clock.move(wait - timedelta(seconds=1))
            assert not await redrive(service)
            clock.move(timedelta(seconds=1))
            assert await redrive(service)
        clock.move(timedelta(days=30))
        assert not await redrive(service)
        async with service.database.read() as connection:
            summary, events = await get_parked(connection, source="intake", subject=f"ticket/{ticket}")
        assert (summary.attempts, summary.next_attempt_at, summary.events) == (4, None, 1)
        assert summary.error == f"ValueError: cannot stomach ticket/{ticket}"
        assert [event.seq for event in events] == [1]


async def test_an_operator_redrives_at_once_and_the_loop_does_it(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    clock, ticket = MovableClock(START), new_id()
    async with with_parked(servers, empty_database, topic_prefix, clock, [(ticket, 1)], poison=ticket) as service:
        service.poison.clear()
        async with service.database.begin(ORIGIN) as tx:
            await redrive_parked(tx, source="intake", subject=f"ticket/{ticket}", actor="client:ops", reason="mended")

        async def applied() -> bool:
            return await service.effects() == {f"ticket/{ticket}": [1]}

        async with running(
            lambda stop: run_redrive(
                database=service.database, service="routing", handlers=service.handlers, beat=no_beat, stop=stop
            )
        ):
            await eventually(applied)
        assert await count(service.database, "parking_action where action = 'redrive' and reason = 'mended'") == 1


async def test_discarding_needs_a_reason_keeps_the_event_and_lets_the_rest_go_on(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    clock, ticket = MovableClock(START), new_id()
    events = [(ticket, 1), (ticket, 2)]
    stream = {"source": "intake", "subject": f"ticket/{ticket}"}
    async with with_parked(servers, empty_database, topic_prefix, clock, events, poison=ticket) as service:
        with pytest.raises(Conflict, match="say why"):
            await discard(service, stream, reason=" ")
        assert await discard(service, stream, reason="test data") == 1
        service.poison.clear()
        assert await redrive(service)
        assert await service.effects() == {f"ticket/{ticket}": [2]}
        assert await service.parked() == {}
        assert await count(service.database, "parking_action where action = 'discard' and seq = 1") == 1
        with pytest.raises(NotFound):
            await discard(service, stream, reason="again")


async def discard(service: Inbox, stream: dict[str, str], *, reason: str) -> int:
    async with service.database.begin(ORIGIN) as tx:
        return await discard_parked(tx, **stream, actor="client:ops", reason=reason, first_seq=1)


async def test_a_gap_stays_parked_until_an_operator_says_the_events_are_lost(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    clock, ticket = MovableClock(START), new_id()
    events = [(ticket, 1), (ticket, 4), (ticket, 5)]
    async with with_parked(servers, empty_database, topic_prefix, clock, events, poison=None) as service:
        clock.move(timedelta(seconds=30))
        assert await redrive(service)
        assert await service.parked() == {f"ticket/{ticket}": "gap"}
        async with service.database.begin(ORIGIN) as tx:
            await redrive_parked(
                tx,
                source="intake",
                subject=f"ticket/{ticket}",
                actor="client:ops",
                reason="lost with the old cluster",
                over_gap=True,
            )
        assert await redrive(service)
        assert await service.effects() == {f"ticket/{ticket}": [1, 4, 5]}
        assert await service.parked() == {}


async def test_a_consumer_that_adds_to_a_subject_waits_for_its_redrive_and_sees_what_that_did(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    """The race of trap 14: the cursor must be read after the lock, or event 3 looks like a gap."""
    clock, ticket, other = MovableClock(START), new_id(), new_id()
    events = [(ticket, 1), (ticket, 2)]
    async with with_parked(servers, empty_database, topic_prefix, clock, events, poison=ticket) as service:
        service.poison.clear()

        async def applied(expected: dict[str, list[int]]) -> bool:
            return await service.effects() == expected

        async with running(service.consume):
            # It has joined its group before the transaction begins, which may not be idle for as long as that can take.
            await write_records(service, [event_of(other, 1)])
            await eventually(lambda: applied({f"ticket/{other}": [1]}))
            async with service.database.begin(ORIGIN) as redriving:
                await redriving.connection.execute(text("select 1 from parked_subject for update"))
                await write_records(service, [event_of(ticket, 3)])
                await eventually(lambda: waits_for_lock(service.database))
                await finish_by_hand(redriving, ticket)
            await eventually(lambda: applied({f"ticket/{other}": [1], f"ticket/{ticket}": [3]}))
        assert await service.parked() == {}


async def finish_by_hand(redriving: Transaction, ticket: UUID) -> None:
    """What a redrive writes, without its handlers: both events done, the subject free."""
    cursor = text("insert into subject_cursor values ('intake', :subject, 2, gen_random_uuid())")
    await redriving.connection.execute(cursor, {"subject": f"ticket/{ticket}"})
    await redriving.connection.execute(text("delete from parked_event"))
    await redriving.connection.execute(text("delete from parked_subject"))


async def test_status_shows_what_waits_who_reads_and_what_is_parked(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    clock, bad, good = MovableClock(START), new_id(), new_id()
    events = [(bad, 1), (good, 1), (good, 2)]
    async with with_parked(servers, empty_database, topic_prefix, clock, events, poison=bad) as service:
        await write_raw(service, [(b"k", [], b"{}")])

        async def has_poison() -> bool:
            return await count(service.database, "poison_record") == 1

        async with running(service.consume):
            await eventually(has_poison)
        async with service.database.read() as connection:
            outbox, consumer = await get_outbox_status(connection), await get_consumer_status(connection)
            parked, poison = await list_parked(connection), await list_poison(connection)
            beyond = await list_parked(connection, after=("intake", f"ticket/{bad}"))
            others = await list_parked(connection, reason="fork")
    assert (outbox.waiting, outbox.oldest_at, len(outbox.shards)) == (2, START, 8)
    assert consumer.parked == {"failed": 1}
    assert consumer.poison_records == 1
    assert [partition.lag for partition in consumer.partitions] == [0, 0, 0]
    assert [(subject.subject, subject.reason) for subject in parked] == [(f"ticket/{bad}", "failed")]
    assert beyond == others == []
    assert poison[0].error == "header ce_specversion is absent"


async def test_what_is_parked_on_its_first_event_in_bootstrap_mode_can_be_redriven(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    clock, ticket = MovableClock(START), new_id()
    async with inbox(servers, empty_database, topic_prefix, clock=clock) as service:
        service.poison.add(f"ticket/{ticket}")
        await write_records(service, [event_of(ticket, 57), event_of(ticket, 58)])

        async def is_parked() -> bool:
            return await count(service.database, "parked_event") == 2

        async with running(lambda stop: service.consume(stop, bootstrap=True)):
            await eventually(is_parked)
        service.poison.clear()
        clock.move(timedelta(minutes=1))
        assert await redrive(service)
        assert await service.effects() == {f"ticket/{ticket}": [57, 58]}
        assert await service.parked() == {}


async def test_a_subject_that_meets_a_lock_holds_up_no_redrive_behind_it(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    clock, locked, free = MovableClock(START), new_id(), new_id()
    subject = f"ticket/{locked}"
    async with inbox(servers, empty_database, topic_prefix, clock=clock) as service:
        service.poison.update({subject, f"ticket/{free}"})

        async def apply(tx: Transaction, events: Sequence[Event]) -> None:
            if any(event.subject == subject for event in events):
                raise Unavailable("lock not available")
            await service.apply(tx, events)

        async def are_parked(expected: int) -> bool:
            return len(await service.parked()) == expected

        async with running(service.consume):
            for already, ticket in enumerate((locked, free)):
                await write_records(service, [event_of(ticket, 1)])
                await eventually(lambda expected=already + 1: are_parked(expected))
                clock.move(timedelta(seconds=1))
        service.poison.clear()
        clock.move(timedelta(minutes=1))
        handlers = [replace(handler, apply=apply) for handler in service.handlers]
        for _ in range(2):
            assert await redrive_next(PostgresInbox(service.database, service="routing"), handlers)
        assert await service.effects() == {f"ticket/{free}": [1]}
        assert await count(service.database, "parked_subject where attempts = 0") == 1
        clock.move(timedelta(seconds=10))
        assert await redrive(service)
        assert await service.parked() == {}


async def test_what_does_not_say_its_number_cannot_follow_over_a_gap(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    ticket = new_id()
    async with inbox(servers, empty_database, topic_prefix) as service:
        headers = [header for header in headers_of(event_of(ticket, 1)) if header[0] != "ce_subjectseq"]
        await write_raw(service, [(b"k", headers, b"{}")])

        async def is_parked() -> bool:
            return bool(await service.parked())

        async with running(service.consume):
            await eventually(is_parked)
        with pytest.raises(Conflict, match="discard it"):
            async with service.database.begin(ORIGIN) as tx:
                await redrive_parked(
                    tx, source="intake", subject=f"ticket/{ticket}", actor="client:ops", reason="lost", over_gap=True
                )
        assert await count(service.database, "subject_cursor") == 0
