"""What operators see of records that no subject could be found for, and what they may do about them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.backbone.decoding import decode_record, pack_headers
from common.backbone.parking import ParkedEvent, note_action, record_of, retry_parked
from common.backbone.protocols import Delivery, Place, Record, Stream
from common.errors import Conflict, NotFound
from common.transaction import Transaction
from contracts.topics import find_producer

_LIST = text(
    """
    select topic, partition, position, key, headers, payload, error, seen_at from poison_record
    where cast(:seen_at as timestamptz) is null
      or (seen_at, position, topic || '/' || partition) < (:seen_at, :position, :place)
    order by seen_at desc, position desc, topic || '/' || partition desc limit :limit
    """
)
_FIND = text(
    """
    select topic, partition, position, key, headers, payload, error, seen_at from poison_record
    where topic = :topic and partition = :partition and position = :position
    """
)
_TAKE = text(
    """
    delete from poison_record where topic = :topic and partition = :partition and position = :position
    returning topic, partition, position, key, headers, payload, error, seen_at
    """
)
_HOLD = text("select 1 from consumer_offset where topic = :topic and partition = :partition for update")
_PARK = text(
    """
    insert into parked_subject (source, subject, reason, error, attempts, next_attempt_at, parked_at)
    values (:source, :subject, 'undecodable', :error, 0, :now, :now) on conflict do nothing
    """
)
_KEEP = text(
    """
    insert into parked_event (topic, partition, position, source, subject, seq, headers, payload, parked_at)
    values (:topic, :partition, :position, :source, :subject, :seq, :headers, :payload, :now) on conflict do nothing
    """
)


@dataclass(frozen=True, kw_only=True)
class PoisonRecord:
    """A record that no subject could be found for, exactly as it came."""

    record: Record
    error: str
    seen_at: datetime

    @property
    def sort_key(self) -> tuple[datetime, int, str]:
        """Where it stands in a list: (first seen, offset, "<topic>/<partition>")."""
        place = self.record.place
        return self.seen_at, self.record.offset, f"{place.topic}/{place.partition}"


async def list_poison(
    connection: AsyncConnection, *, after: tuple[datetime, int, str] | None = None, limit: int = 100
) -> list[PoisonRecord]:
    """Records that no subject could be found for, newest first.

    Args:
        after: the sort key of the last one seen.
    """
    seen_at, position, place = after or (None, 0, "")
    found = await connection.execute(_LIST, {"seen_at": seen_at, "position": position, "place": place, "limit": limit})
    return [_poison(row) for row in found]


async def get_poison(connection: AsyncConnection, *, place: Place, offset: int) -> PoisonRecord:
    """One of them.

    Raises:
        NotFound: there is no such record.
    """
    found = (await connection.execute(_FIND, {**place._asdict(), "position": offset})).one_or_none()
    if found is None:
        raise _absent(place, offset)
    return _poison(found)


async def discard_poison(tx: Transaction, *, place: Place, offset: int, actor: str, reason: str) -> None:
    """Be done with a poison record: it leaves the list and is kept with the reason, as subject "<partition>/<offset>".

    Raises:
        NotFound: there is no such record.
        Conflict: code "reason_required".
    """
    if not reason.strip():
        raise Conflict("say why this record is given up", code="reason_required")
    taken = await _take(tx, place, offset)
    await _note(tx, taken, "discard_poison", actor=actor, reason=reason)


async def retry_poison(tx: Transaction, *, place: Place, offset: int, actor: str, reason: str) -> Stream:
    """Read a poison record again, with today's code, and let it wait behind its subject, which is tried at once.

    Where that number was applied meanwhile, the redrive drops it as a repeat.

    Returns:
        whose event it is.
    Raises:
        NotFound: there is no such record.
        Conflict: code "no_subject": it still says nothing of whom it is about; discard it.
    """
    # First of all, as a consumer does: one that is applying a repeat of it now has not seen the subject parked.
    await tx.connection.execute(_HOLD, place._asdict())
    taken = await _take(tx, place, offset)
    record = taken.record
    producer = find_producer(place.topic)
    if producer is None:
        raise Conflict(f"{place.topic} is no topic of ours: discard the record", code="no_subject")
    item = decode_record(record, {place.topic: producer})
    if item.stream is None:
        error = "" if isinstance(item, Delivery) else item.error
        raise Conflict(f"it still cannot be told whom the record is about ({error}): discard it", code="no_subject")
    stream = {"source": item.stream[0], "subject": item.stream[1]}
    await tx.connection.execute(_PARK, {**stream, "error": f"was unreadable: {taken.error}", "now": tx.now})
    await tx.connection.execute(
        _KEEP,
        {
            **stream,
            **place._asdict(),
            "position": offset,
            "seq": item.event.seq if isinstance(item, Delivery) else item.seq,
            "headers": pack_headers(record.headers),
            "payload": record.value,
            "now": tx.now,
        },
    )
    await retry_parked(tx, stream)
    await _note(tx, taken, "retry_poison", actor=actor, reason=reason)
    return item.stream


async def _take(tx: Transaction, place: Place, offset: int) -> PoisonRecord:
    found = (await tx.connection.execute(_TAKE, {**place._asdict(), "position": offset})).one_or_none()
    if found is None:
        raise _absent(place, offset)
    return _poison(found)


async def _note(tx: Transaction, poison: PoisonRecord, action: str, *, actor: str, reason: str) -> None:
    record = poison.record
    stream = {"source": record.place.topic, "subject": f"{record.place.partition}/{record.offset}"}
    await note_action(tx, stream, action, actor=actor, reason=reason, event=ParkedEvent(seq=0, record=record))


def _poison(row: Row[Any]) -> PoisonRecord:
    return PoisonRecord(record=record_of(row, key=row.key), error=row.error, seen_at=row.seen_at)


def _absent(place: Place, offset: int) -> NotFound:
    return NotFound(f"there is no poison record at {offset} of partition {place.partition} of {place.topic}")
