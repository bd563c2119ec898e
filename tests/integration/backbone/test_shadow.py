"""The shadow of a projection beside what its topics no longer hold, on a real database."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Uuid, text

from common.backbone.consumer import Handler
from common.backbone.decoding import decode_record, pack_headers
from common.backbone.parking import discard_parked, redrive_parked
from common.backbone.projections import Projection
from common.backbone.protocols import Delivery, Place, Record
from common.backbone.shadow import open_shadow
from common.database import Database
from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.intake import TicketClosed
from tests.support.backbone import ORIGIN, event_of, headers_of, migrated

PLACE = Place("support.intake.v1", 0)


async def count_each(tx: Transaction, events: Sequence[Event]) -> None:
    """One for each event of a ticket."""
    statement = text(
        "insert into tally values (:id, 1) on conflict (ticket_id) do update set events = tally.events + 1"
    )
    for event in events:
        await tx.connection.execute(statement, {"id": UUID(event.subject_id)})


TALLY = Projection(
    name="tally",
    handlers=[Handler(name="tally", types=frozenset({TicketClosed.event_type}), apply=count_each)],
    tables=[
        Table(
            "tally",
            MetaData(),
            Column("ticket_id", Uuid, primary_key=True),
            Column("events", BigInteger, nullable=False),
        )
    ],
    kind="ticket",
    key="ticket_id",
)


@dataclass(frozen=True, kw_only=True)
class Live:
    """A service that has applied 1 to 10 of one ticket, and has counted ten events."""

    database: Database
    ticket: UUID

    async def run(self, statement: str, **values: object) -> None:
        async with self.database.begin(ORIGIN) as tx:
            await tx.connection.execute(text(statement), {"subject": f"ticket/{self.ticket}", **values})

    async def rebuild(self, *seqs: int, behind: Mapping[int, Event] | None = None) -> tuple[int, int]:
        """From a topic that holds these numbers; returns what is counted then, and how many were left alone.

        Args:
            behind: events that stand in it right behind one of these numbers.
        """
        events: list[Event] = []
        for seq in seqs:
            events += [event_of(self.ticket, seq), *([behind[seq]] if behind and seq in behind else [])]
        records = [
            Record(
                place=PLACE,
                offset=offset,
                key=b"k",
                value=event.data,
                headers=headers_of(event),
                written_at_ms=0,
            )
            for offset, event in enumerate(events)
        ]
        items = [decode_record(record, {PLACE.topic: "intake"}) for record in records]
        async with (
            open_shadow(self.database, TALLY, service="routing") as shadow,
            shadow.hold_consumers(ORIGIN, [PLACE.topic]) as tx,
        ):
            await shadow.apply(tx, [item for item in items if isinstance(item, Delivery)])
            _, alone = await shadow.replace_live(tx, ["intake"])
        async with self.database.read() as connection:
            counted = (await connection.execute(text("select coalesce(sum(events), 0) from tally"))).scalar_one()
        return int(counted), alone


@asynccontextmanager
async def live(url: str) -> AsyncGenerator[Live]:
    async with migrated(url) as database:
        service = Live(database=database, ticket=new_id())
        await service.run("create table tally (ticket_id uuid primary key, events bigint not null)")
        await service.run("insert into tally values (:ticket, 10)", ticket=service.ticket)
        await service.run("insert into subject_cursor values ('intake', :subject, 10, gen_random_uuid())")
        yield service


async def go_over(service: Live, seq: int) -> None:
    """An operator lets this event follow whatever was applied last, and it is applied."""
    await service.run("insert into parked_subject values ('intake', :subject, 'gap', '', 0, now(), now())")
    await service.run(
        "insert into parked_event values ('support.intake.v1', 0, 0, 'intake', :subject, :seq, '\\x90', null, now())",
        seq=seq,
    )
    async with service.database.begin(ORIGIN) as tx:
        subject = f"ticket/{service.ticket}"
        await redrive_parked(tx, source="intake", subject=subject, actor="client:ops", reason="lost", over_gap=True)
    await service.run("delete from parked_event")
    await service.run("delete from parked_subject")


@pytest.mark.parametrize("number", [7, 999_999])
async def test_what_was_given_up_without_its_number_takes_no_event_of_that_number_away(
    empty_database: str, number: int
) -> None:
    """The other event of a fork, or a number far ahead: the service has applied 1 to 10, and so does the rebuild."""
    async with live(empty_database) as service:
        other = event_of(service.ticket, number)
        await service.run("insert into parked_subject values ('intake', :subject, 'fork', '', 0, now(), now())")
        await service.run(
            "insert into parked_event values"
            " ('support.intake.v1', 0, 50, 'intake', :subject, :seq, :headers, :payload, now())",
            seq=number,
            headers=pack_headers(headers_of(other)),
            payload=other.data,
        )
        async with service.database.begin(ORIGIN) as tx:
            await discard_parked(
                tx,
                source="intake",
                subject=other.subject,
                actor="client:ops",
                reason="a fork",
                first=(PLACE, 50),
            )
        assert await service.rebuild(*range(1, 11), behind={7: other}) == (10, 0)
        assert await service.rebuild(*range(1, 11), behind={6: other}) == (10, 0)


async def test_an_event_whose_number_was_given_up_with_another_is_left_alone(empty_database: str) -> None:
    """As an earlier release noted it of a fork: whether the service applied this one cannot be told."""
    async with live(empty_database) as service:
        given_up = event_of(service.ticket, 7)
        await service.run(
            "insert into parking_action (action, source, subject, seq, headers, payload, actor, reason, acted_at)"
            " values ('discard', 'intake', :subject, 7, :headers, :payload, 'client:ops', 'x', now())",
            headers=pack_headers(headers_of(given_up)),
            payload=given_up.data,
        )
        assert await service.rebuild(*range(1, 11)) == (10, 1)
        assert await service.rebuild(*range(1, 7), 8, 9, 10, behind={6: given_up}) == (9, 0)


@pytest.mark.parametrize("held", [(), (8, 9, 10), (5, 6, 7, 8, 9, 10)])
async def test_who_once_went_over_a_gap_is_left_alone_when_the_topic_has_lost_what_came_before(
    empty_database: str, held: Sequence[int]
) -> None:
    async with live(empty_database) as service:
        await go_over(service, 5)
        assert await service.rebuild(*held) == (10, 1)


async def test_who_once_gave_up_a_record_without_a_number_is_left_alone_too(empty_database: str) -> None:
    async with live(empty_database) as service:
        await service.run(
            "insert into parking_action (action, source, subject, seq, actor, reason, acted_at)"
            " values ('discard', 'intake', :subject, 0, 'client:ops', 'x', now())"
        )
        assert await service.rebuild(8, 9, 10) == (10, 1)


async def test_the_gap_that_was_gone_over_is_none_for_a_rebuild_and_another_is(empty_database: str) -> None:
    async with live(empty_database) as service:
        await go_over(service, 5)
        assert await service.rebuild(1, 2, 3, 6, 7, 8, 9, 10) == (10, 1)
        assert await service.rebuild(1, 2, 3, 5, 6, 7, 8, 9, 10) == (9, 0)
