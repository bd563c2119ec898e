"""What operators ask of the workers: missing events found again, a topic read again, each once and in order."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from common.backbone.decoding import pack_headers
from common.backbone.inbox_store import PostgresInbox
from common.backbone.missing import FROM_ARCHIVE, add_missing, find_missing
from common.backbone.operating import Operator, operate_next
from common.backbone.operations import Operation, add_operation, get_operation
from common.backbone.partitioner import partition_of
from common.backbone.poison import retry_poison
from common.backbone.protocols import Place, Record
from common.backbone.redrive import redrive_next
from common.clock import MovableClock
from common.errors import Conflict, NotFound
from common.ids import new_id
from common.transaction import Origin
from contracts.envelope import Event, as_json, from_json, headers_of
from tests.support.backbone import (
    PARTITIONS,
    Inbox,
    count,
    event_of,
    inbox,
    running,
    write_raw,
    write_records,
)
from tests.support.eventually import eventually
from tests.support.servers import Servers

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPS = Origin(actor="client:ops")


async def ask(service: Inbox, kind: str, **target: object) -> Operation:
    """Ask for an operation and have a worker do it."""
    async with service.database.begin(OPS) as tx:
        asked = await add_operation(tx, kind, target, reason="a test")
    operator = Operator(
        database=service.database, kafka=service.kafka, service="routing", sources=["intake"], projections=[]
    )
    assert await operate_next(operator)
    async with service.database.read() as connection:
        return await get_operation(connection, asked.id)


async def redrive(service: Inbox) -> bool:
    return await redrive_next(PostgresInbox(service.database, service="routing"), service.handlers)


async def has_effects(service: Inbox, expected: dict[str, list[int]]) -> bool:
    assert await service.effects() == expected
    return True


@asynccontextmanager
async def with_gap(servers: Servers, url: str, prefix: str, ticket: UUID) -> AsyncGenerator[Inbox]:
    """A service that read 1 to 6 of a ticket, of which its own fault lost 2, 3 and 5."""
    async with inbox(servers, url, prefix, clock=MovableClock(START)) as service:
        events = [event_of(ticket, seq) for seq in range(1, 7)]
        await write_records(service, events)

        async def lost() -> bool:
            return await service.parked() == {f"ticket/{ticket}": "gap"}

        await consume_apart(service, ticket, events)
        await eventually(lost)
        yield service


async def consume_apart(service: Inbox, ticket: UUID, events: Sequence[Event]) -> None:
    """Consume all, then make the database such as if 2, 3 and 5 had never come."""
    subject = f"ticket/{ticket}"
    async with running(service.consume):
        await eventually(lambda: has_effects(service, {subject: [1, 2, 3, 4, 5, 6]}))
    place = Place(service.topic, partition_of(str(ticket), PARTITIONS))
    async with service.database.begin(OPS) as tx:
        for statement in (
            "delete from effect where seq > 1",
            "update subject_cursor set last_seq = 1, last_event_id = (select event_id from effect)",
            "insert into parked_subject select source, subject, 'gap', 'lost', 4, null, now() from subject_cursor",
        ):
            await tx.connection.execute(text(statement))
    async with service.database.begin(OPS) as tx:
        for event in (events[3], events[5]):
            await tx.connection.execute(
                text(
                    "insert into parked_event values (:topic, :partition, :position, 'intake', :subject, :seq,"
                    " :headers, :payload, now())"
                ),
                {
                    **place._asdict(),
                    "position": event.seq - 1,
                    "subject": subject,
                    "seq": event.seq,
                    "headers": pack_headers(headers_of(event)),
                    "payload": event.data,
                },
            )


def packed(seq: int, ticket: UUID) -> bytes:
    """The headers of an event as a parked record keeps them."""
    return pack_headers(headers_of(event_of(ticket, seq)))


async def test_missing_events_are_found_in_the_topic_and_applied_in_order(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    ticket = new_id()
    subject = f"ticket/{ticket}"
    async with with_gap(servers, empty_database, topic_prefix, ticket) as service:
        async with service.database.read() as connection:
            assert (await find_missing(connection, ("intake", subject))).numbers == [(2, 3), (5, 5)]
        done = await ask(service, "resync", source="intake", subject=subject, offset=None)
        assert (done.outcome, done.result["added"], done.result["missing"]) == ("done", 3, 0), done.result
        assert await redrive(service)
        assert await service.effects() == {subject: [1, 2, 3, 4, 5, 6]}
        assert await service.parked() == {}
        where = "parking_action where action = 'resync' and actor = 'client:ops' and payload is not null"
        assert await count(service.database, where) == 3


async def test_what_the_topic_does_not_hold_is_said_and_the_archive_fills_it(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    ticket, other = new_id(), new_id()
    subject = f"ticket/{ticket}"
    events = [event_of(ticket, seq) for seq in (1, 2, 3, 4)]
    async with inbox(servers, empty_database, topic_prefix, clock=MovableClock(START)) as service:
        await write_records(service, [events[0], events[3]])
        async with running(service.consume):
            await eventually(lambda: has_effects(service, {subject: [1]}))
            await eventually(lambda: is_parked(service, subject))
        done = await ask(service, "resync", source="intake", subject=subject, offset=None)
        assert (done.outcome, done.result["added"], done.result["missing"]) == ("done", 0, 2), done.result
        assert "2 are missing still, 2 to 3 first" in done.result["detail"]
        records = [archived(service, event, position) for position, event in enumerate(events, start=40)]
        async with service.database.begin(OPS) as tx:
            with pytest.raises(Conflict, match=f"about ticket/{other}"):
                await add_missing(
                    tx, ("intake", subject), [archived(service, event_of(other, 2), 9)], actor="client:ops", reason="x"
                )
        async with service.database.begin(OPS) as tx:
            added, still = await add_missing(tx, ("intake", subject), records, actor="client:ops", reason="lost")
        assert (added, still.count) == (2, 0)
        assert await redrive(service)
        assert await service.effects() == {subject: [1, 2, 3, 4]}


async def is_parked(service: Inbox, subject: str) -> bool:
    return subject in await service.parked()


def archived(service: Inbox, event: object, position: int) -> Record:
    """An event as it comes back from the feed of its producer."""
    from contracts.envelope import Event

    assert isinstance(event, Event)
    again = from_json(as_json(event))
    assert again == event
    return Record(
        place=Place(service.topic, FROM_ARCHIVE),
        offset=position,
        key=None,
        value=again.data,
        headers=headers_of(again),
        written_at_ms=0,
    )


async def test_a_replay_is_fenced_in_heals_a_gap_and_repeats_nothing(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    """While the consumer runs and waits for news: nothing but the epoch tells it."""
    ticket, other = new_id(), new_id()
    async with with_gap(servers, empty_database, topic_prefix, ticket) as service:
        await write_records(service, [event_of(other, 1)])
        expected = {f"ticket/{ticket}": [1], f"ticket/{other}": [1]}
        async with running(service.consume):
            await eventually(lambda: has_effects(service, expected))
            outgoing = await count(service.database, "event")
            done = await ask(
                service, "replay", source="intake", partition=None, offset=None, time="2020-01-01T00:00:00Z"
            )
            assert done.outcome == "done", done.result
            assert sum(each["from"] - each["to"] for each in done.result["partitions"]) == 7
            clock = service.database.clock
            assert isinstance(clock, MovableClock)
            clock.move(timedelta(seconds=10))

            async def healed() -> bool:
                assert await count(service.database, "parked_event") == 5
                return True

            await eventually(healed, within=30)
        await redrive_at_once(service)
        assert await service.effects() == {f"ticket/{ticket}": [1, 2, 3, 4, 5, 6], f"ticket/{other}": [1]}
        assert await count(service.database, "event") == outgoing + 5
        assert await count(service.database, "parking_action where action = 'replay'") >= 1


async def redrive_at_once(service: Inbox) -> None:
    async with service.database.begin(OPS) as tx:
        await tx.connection.execute(text("update parked_subject set next_attempt_at = :now"), {"now": tx.now})
    assert await redrive(service)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ({"partition": 0, "offset": 10_000, "time": None}, "holds the offsets 0 to"),
        ({"partition": 99, "offset": 0, "time": None}, "nothing was read here"),
    ],
)
async def test_a_replay_outside_of_the_log_is_refused(
    servers: Servers, empty_database: str, topic_prefix: str, target: dict[str, object], says: str
) -> None:
    async with inbox(servers, empty_database, topic_prefix) as service:
        await write_records(service, [event_of(new_id(), 1)])

        async def read() -> bool:
            return await count(service.database, "effect") == 1

        async with running(service.consume):
            await eventually(read)
        before = await count(service.database, "consumer_offset where epoch > 1")
        refused = await ask(service, "replay", source="intake", **target)
        assert (refused.outcome, says in str(refused.result["detail"])) == ("refused", True), refused.result
        assert await count(service.database, "consumer_offset where epoch > 1") == before


async def test_a_replay_skips_nothing(servers: Servers, empty_database: str, topic_prefix: str) -> None:
    ticket = new_id()
    async with inbox(servers, empty_database, topic_prefix) as service:
        await write_records(service, [event_of(ticket, 1)])
        async with running(service.consume):
            await eventually(lambda: has_effects(service, {f"ticket/{ticket}": [1]}))
        await write_records(service, [event_of(ticket, 2), event_of(ticket, 3)])
        partition = partition_of(str(ticket), PARTITIONS)
        refused = await ask(service, "replay", source="intake", partition=partition, offset=3, time=None)
        assert (refused.outcome, refused.result["detail"].partition(": ")[2]) == (
            "refused",
            "from 3 on, records would be skipped",
        )


async def test_an_operation_whose_processes_die_is_begun_anew_and_given_up_in_the_end(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    clock = MovableClock(START)
    async with inbox(servers, empty_database, topic_prefix, clock=clock) as service:
        async with service.database.begin(OPS) as tx:
            asked = await add_operation(tx, "replay", {"source": "intake"}, reason="x")
            await tx.connection.execute(text("update operation set attempts = 3, lease_until = :now"), {"now": tx.now})
        operator = Operator(
            database=service.database, kafka=service.kafka, service="routing", sources=["intake"], projections=[]
        )
        assert not await operate_next(operator), "its lease runs"
        clock.move(timedelta(seconds=1))
        assert await operate_next(operator)
        async with service.database.read() as connection:
            found = await get_operation(connection, asked.id)
        assert (found.outcome, found.result["detail"]) == ("failed", "given up: 3 processes did not come to its end")


async def test_a_poison_record_that_can_be_read_after_a_mend_is_applied(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    """Kept as poison by a release that could not read it; the one that never says its subject stays."""
    ticket = new_id()
    subject = f"ticket/{ticket}"
    event = event_of(ticket, 1)
    async with inbox(servers, empty_database, topic_prefix, clock=MovableClock(START)) as service:
        await write_raw(service, [(b"k", [], b"{}"), (b"k", headers_of(event), event.data)])

        async def consumed() -> bool:
            return await count(service.database, "poison_record") == 1

        async with running(service.consume):
            await eventually(consumed)
            await eventually(lambda: has_effects(service, {subject: [1]}))
        places = await poison_places(service)
        async with service.database.begin(OPS) as tx:
            with pytest.raises(Conflict, match="discard it"):
                await retry_poison(tx, place=places[0][0], offset=places[0][1], actor="client:ops", reason="mended")
        later = event_of(ticket, 2)
        await keep_as_poison(service, later.seq, ticket)
        async with service.database.begin(OPS) as tx:
            stream = await retry_poison(
                tx, place=Place(service.topic, 0), offset=777, actor="client:ops", reason="mended"
            )
        assert stream == ("intake", subject)
        assert await redrive(service)
        assert await service.effects() == {subject: [1, 2]}
        assert await count(service.database, "parking_action where action = 'retry_poison'") == 1
        with pytest.raises(NotFound):
            async with service.database.begin(OPS) as tx:
                await retry_poison(tx, place=Place(service.topic, 0), offset=777, actor="client:ops", reason="x")


async def poison_places(service: Inbox) -> Sequence[tuple[Place, int]]:
    async with service.database.read() as connection:
        rows = await connection.execute(text("select topic, partition, position from poison_record"))
        return [(Place(row.topic, row.partition), row.position) for row in rows]


async def keep_as_poison(service: Inbox, seq: int, ticket: UUID) -> None:
    async with service.database.begin(OPS) as tx:
        await tx.connection.execute(
            text("insert into poison_record values (:topic, 0, 777, null, :headers, :payload, 'unreadable', now())"),
            {"topic": service.topic, "headers": packed(seq, ticket), "payload": event_of(ticket, seq).data},
        )
