"""Reading the events that a parked subject lacks once more from their topic, and letting them wait with the others."""

from common.backbone.decoding import decode_record
from common.backbone.missing import MAX_EVENTS, Missing, add_missing, find_missing
from common.backbone.operations import Operation, finish_operation, hold_operation
from common.backbone.partitioner import partition_of
from common.backbone.protocols import Delivery, Place, Record, Stream
from common.backbone.reading import open_reading, read_range
from common.database import Database
from common.errors import Refused
from common.settings import KafkaSettings
from common.transaction import Origin


async def resync_subject(database: Database, kafka: KafkaSettings, operation: Operation) -> None:
    """Look for the missing events in the subject's partition, from its start or the offset given.

    Args:
        operation: its target is {source, subject, offset}; offset may be None.
    Raises:
        NotFound: the subject is not parked.
        Refused: the offset lies outside of what the topic keeps.
        Unavailable: the database or Kafka is away.
        OperationLost: another process carries it out.
    """
    stream: Stream = (operation.target["source"], operation.target["subject"])
    async with database.read() as connection:
        missing = await find_missing(connection, stream)
    place = Place(missing.topic, partition_of(stream[1].partition("/")[2], kafka.partitions))
    found: list[Record] = []
    if missing.numbers:
        found = await _find(database, kafka, operation, place, missing)
    async with database.begin(Origin(actor=operation.actor)) as tx:
        added, still = await add_missing(tx, stream, found, actor=operation.actor, reason=operation.reason)
        result = {"added": added, "missing": still.count, "detail": _tell(added, still)}
        await finish_operation(tx, operation, "done", result)


async def _find(
    database: Database,
    kafka: KafkaSettings,
    operation: Operation,
    place: Place,
    missing: Missing,
) -> list[Record]:
    stream: Stream = (operation.target["source"], operation.target["subject"])
    found: dict[int, Record] = {}
    async with open_reading(kafka, [place]) as log:
        first, end = (await log.find_bounds([place]))[place]
        start = operation.target.get("offset")
        if start is not None and not first <= start <= end:
            raise Refused(
                f"partition {place.partition} of {place.topic} holds the offsets {first} to {end}, not {start}"
            )
        async for records in read_range(log, {place: (first if start is None else start, end)}):
            async with database.begin(Origin(actor=operation.actor)) as tx:
                await hold_operation(tx, operation)
            for record in records:
                item = decode_record(record, {place.topic: stream[0]})
                if isinstance(item, Delivery) and item.stream == stream and missing.lacks(item.event.seq):
                    found.setdefault(item.event.seq, record)
            if len(found) >= min(missing.count, MAX_EVENTS):
                break
    return list(found.values())


def _tell(added: int, still: Missing) -> str:
    if not still.numbers:
        return f"{added} missing events were found in the topic; nothing is missing any more"
    first, last = still.numbers[0]
    return f"{added} missing events were found in the topic; {still.count} are missing still, {first} to {last} first"
