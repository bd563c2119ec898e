"""What a real consumer makes of every kind of forged record, among honest events before and behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import text

from common.backbone.partitioner import partition_of
from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.registry import decode_body
from tests.faults.forging import FORGERIES, Forgery, RawRecord, write_raw_records
from tests.support.backbone import PARTITIONS, Inbox, event_of, headers_of, inbox, running
from tests.support.eventually import eventually
from tests.support.servers import Servers


@dataclass(frozen=True, kw_only=True)
class Reader(Inbox):
    """A service that reads the bodies of what it applies."""

    async def apply(self, tx: Transaction, events: Sequence[Event]) -> None:
        """The same effects, of events whose bodies can be read."""
        for event in events:
            assert decode_body(event) is not None
        await super().apply(tx, events)


def record_of(ticket: UUID, seq: int) -> RawRecord:
    """An honest record, where the relay would put it."""
    event = event_of(ticket, seq)
    return RawRecord(
        partition=partition_of(str(ticket), PARTITIONS),
        key=str(ticket).encode(),
        headers=tuple(headers_of(event)),
        value=event.data,
    )


async def list_poison(service: Inbox) -> list[tuple[int, int]]:
    async with service.database.read() as connection:
        rows = await connection.execute(text("select partition, position from poison_record order by 1, 2"))
        return [(partition, position) for partition, position in rows]


async def has_kept(service: Inbox, ticket: UUID) -> bool:
    """Whether the forged record and the honest one behind it are both kept, and no more."""
    async with service.database.read() as connection:
        rows = await connection.execute(
            text("select seq from parked_event where subject = :subject order by partition, position"),
            {"subject": f"ticket/{ticket}"},
        )
        kept = [seq for (seq,) in rows]
    assert len(kept) == 2
    assert kept[-1] == 3
    return True


async def test_every_forged_record_meets_its_fate_and_stops_no_other_subject(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    tickets = {forgery.name: new_id() for forgery in FORGERIES}
    bystanders = [new_id() for _ in range(100)]
    everybody = [*tickets.values(), *bystanders]
    async with inbox(servers, empty_database, topic_prefix) as plain:
        service = Reader(database=plain.database, kafka=plain.kafka, topic=plain.topic)

        async def write(records: Sequence[RawRecord]) -> list[tuple[int, int]]:
            return await write_raw_records(service.kafka.bootstrap, service.topic, records)

        async def have_applied(numbers: dict[UUID, int]) -> bool:
            expected = {f"ticket/{ticket}": list(range(1, last + 1)) for ticket, last in numbers.items()}
            assert await service.effects() == expected
            return True

        async with running(service.consume):
            told = {ticket: [record_of(ticket, 1), record_of(ticket, 2)] for ticket in everybody}
            await write([record for records in told.values() for record in records])
            await eventually(lambda: have_applied(dict.fromkeys(everybody, 2)), within=30)

            numbers = dict.fromkeys(everybody, 2)
            places: dict[str, tuple[int, int]] = {}
            for forgery in FORGERIES:
                # One after the other: many subjects parked by one batch would stop the consumer.
                ticket = tickets[forgery.name]
                forged = forgery.forge(told[ticket], partitions=PARTITIONS)
                places[forgery.name], _ = await write([forged, record_of(ticket, 3)])
                if forgery.fate == "parked":
                    await eventually(lambda ticket=ticket: has_kept(service, ticket))
                else:
                    numbers[ticket] = 3
                    await eventually(lambda: have_applied(numbers))
            await write([record_of(ticket, 3) for ticket in bystanders])
            await eventually(lambda: have_applied(numbers | dict.fromkeys(bystanders, 3)))

        assert await service.parked() == {
            f"ticket/{tickets[one.name]}": one.reason for one in FORGERIES if one.fate == "parked"
        }
        assert await list_poison(service) == sorted(places[one.name] for one in FORGERIES if one.fate == "poison")


@pytest.mark.parametrize("forgery", [one for one in FORGERIES if one.least > 1], ids=lambda one: one.name)
def test_a_forgery_says_how_much_it_takes(forgery: Forgery) -> None:
    with pytest.raises(ValueError, match="takes a subject with 2 events or more, this one has 1"):
        forgery.forge([record_of(new_id(), 1)], partitions=PARTITIONS)
