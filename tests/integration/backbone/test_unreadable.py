"""Records that aiokafka itself cannot read: they are kept as poison, and everything around them is applied."""
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false

from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from sqlalchemy import text

from common.ids import new_id
from tests.faults.forging import ForeignName
from tests.support.backbone import PARTITIONS, Inbox, event_of, headers_of, inbox, running
from tests.support.eventually import eventually
from tests.support.servers import Servers

_BATCH_BYTES = 512 * 1024


BAD = (b"key", b"value", [(ForeignName("x"), b"1")])
Raw = tuple[bytes, bytes, list[Any]]


def good(ticket: Any, seq: int) -> Raw:
    event = event_of(ticket, seq)
    return event.subject_id.encode(), event.data, headers_of(event)


async def write_batches(inbox: Inbox, batches: list[tuple[int, list[Raw]]]) -> None:
    """Write (partition, records), each as one batch."""
    producer = AIOKafkaProducer(bootstrap_servers=inbox.kafka.bootstrap, max_batch_size=_BATCH_BYTES)
    await producer.start()
    try:
        for partition, records in batches:
            batch = producer.create_batch()
            # The one in C takes no such names.
            batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, _BATCH_BYTES)
            for key, value, headers in records:
                assert batch.append(timestamp=None, key=key, value=value, headers=headers)
            batch.close()
            await (await producer.send_batch(batch, inbox.topic, partition=partition))
    finally:
        await producer.stop()


async def list_poison(service: Inbox) -> list[tuple[int, int]]:
    async with service.database.read() as connection:
        rows = await connection.execute(
            text(
                "select partition, position from poison_record"
                " where key is null and payload is null and error like '%not UTF-8%' order by 1, 2"
            )
        )
        return [(partition, position) for partition, position in rows]


async def test_unreadable_records_become_poison_and_those_around_them_are_applied(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    """Before and behind, in the same and in other partitions, while others come in, and after two in a row."""
    tickets = [[new_id() for _ in range(40)] for _ in range(PARTITIONS)]
    async with inbox(servers, empty_database, topic_prefix) as service:
        for seq in (1, 2, 3):
            await write_batches(
                service, [(place, [good(ticket, seq) for ticket in some]) for place, some in enumerate(tickets)]
            )
            await write_batches(service, [(0, [BAD]), (2, [BAD]), (2, [BAD])])
        subjects = {f"ticket/{ticket}" for some in tickets for ticket in some}

        async def are_applied(last: int) -> bool:
            assert await service.effects() == {subject: list(range(1, last + 1)) for subject in subjects}
            return True

        async with running(service.consume):
            await eventually(lambda: are_applied(3))
            await write_batches(service, [(1, [BAD])])
            await write_batches(
                service, [(place, [good(ticket, 4) for ticket in some]) for place, some in enumerate(tickets)]
            )
            await eventually(lambda: are_applied(4))
        assert await service.parked() == {}
        in_first = [(0, 40), (0, 81), (0, 122)]
        in_last = [(2, at + more) for at in (40, 82, 124) for more in (0, 1)]
        assert await list_poison(service) == [*in_first, (1, 120), *in_last]


async def test_behind_an_unreadable_record_only_the_rest_of_its_own_batch_is_poison(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    """aiokafka reads a batch from its beginning. Ours never hold such a record, so such a batch is a stranger's."""
    before, behind, after = new_id(), new_id(), new_id()
    async with inbox(servers, empty_database, topic_prefix) as service:
        mixed = [good(before, 1), BAD, good(behind, 1)]
        await write_batches(service, [(0, mixed), (0, [good(after, 1)])])

        async def are_applied() -> bool:
            assert await service.effects() == {f"ticket/{before}": [1], f"ticket/{after}": [1]}
            return True

        async with running(service.consume):
            await eventually(are_applied)
        assert await list_poison(service) == [(0, 1), (0, 2)]
