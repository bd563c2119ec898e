"""Reading part of a topic once more: the offset in the database is the truth, so it is set there.

What was applied stays applied: cursors do not move, and repeats are dropped by their numbers. So a replay heals what
was lost on its way here, and changes nothing else.
"""

from datetime import datetime

from sqlalchemy import text

from common.backbone.operations import Operation, finish_operation
from common.backbone.parking import note_action
from common.backbone.protocols import Place
from common.backbone.reading import open_reading
from common.database import Database
from common.errors import Refused
from common.settings import KafkaSettings
from common.transaction import Origin, Transaction
from contracts.topics import topic_name

_STANDS = text(
    """
    select topic, partition, next_offset from consumer_offset
    where topic = :topic and (cast(:partition as int) is null or partition = :partition) order by partition
    """
)
_SET = text(
    """
    update consumer_offset set next_offset = :offset, epoch = epoch + 1, updated_at = :now
    where topic = :topic and partition = :partition and next_offset >= :offset returning 1
    """
)


async def replay_topic(database: Database, kafka: KafkaSettings, operation: Operation) -> None:
    """Set partitions back. Their consumers are fenced by the raised epoch, and go on from there.

    Args:
        operation: its target is {source, partition, offset, time}; partition may be None for all of them, and of
            offset and time (RFC 3339) one is given.
    Raises:
        Refused: the topic is not read here, the offset lies outside of the log, or records would be skipped.
        Unavailable: the database or Kafka is away.
        OperationLost: another process carries it out.
    """
    topic = topic_name(operation.target["source"], kafka.topic_prefix)
    async with database.read() as connection:
        values = {"topic": topic, "partition": operation.target["partition"]}
        rows = await connection.execute(_STANDS, values)
        stands = {Place(row.topic, row.partition): int(row.next_offset) for row in rows}
    if not stands:
        raise Refused(f"nothing was read here of {topic}, or not of that partition")
    wanted = await _find_offsets(kafka, operation, stands)
    changed = {place: offset for place, offset in wanted.items() if offset < stands[place]}
    async with database.begin(Origin(actor=operation.actor)) as tx:
        for place, offset in sorted(changed.items()):
            await _set(tx, operation, place, offset)
        records = sum(stands[place] - offset for place, offset in changed.items())
        detail = f"{len(changed)} partitions are set back by {records} records in all"
        partitions = [
            {"partition": place.partition, "from": stands[place], "to": offset} for place, offset in changed.items()
        ]
        await finish_operation(tx, operation, "done", {"detail": detail, "partitions": partitions})


async def _find_offsets(kafka: KafkaSettings, operation: Operation, stands: dict[Place, int]) -> dict[Place, int]:
    given: int | None = operation.target["offset"]
    async with open_reading(kafka, stands) as log:
        bounds = await log.find_bounds(stands)
        if given is None:
            at = datetime.fromisoformat(operation.target["time"])
            found = await log.find_offsets(stands, at)
            # Nothing is younger in a partition without such an offset; and what was not read yet is not skipped.
            return {place: min(found.get(place, stands[place]), stands[place]) for place in stands}
    for place, next_offset in stands.items():
        first, end = bounds[place]
        where = f"partition {place.partition} of {place.topic}"
        if not first <= given <= end:
            raise Refused(f"{where} holds the offsets {first} to {end}, not {given}")
        if given > next_offset:
            raise Refused(f"{where} is read up to {next_offset}: from {given} on, records would be skipped")
    return dict.fromkeys(stands, given)


async def _set(tx: Transaction, operation: Operation, place: Place, offset: int) -> None:
    values = {**place._asdict(), "offset": offset, "now": tx.now}
    if (await tx.connection.execute(_SET, values)).one_or_none() is None:
        raise Refused(f"partition {place.partition} of {place.topic} was set back further meanwhile")
    names = {"source": place.topic, "subject": f"{place.partition}/{offset}"}
    await note_action(tx, names, "replay", actor=operation.actor, reason=operation.reason)
