"""From a record to an event of a stream, or to a statement of what is wrong with it.

Whatever stands in a record, the consumer must be able to store it and go on; so what PostgreSQL would refuse (a NUL
byte, a number beyond 64 bits, a key too long for an index) is found here, and so is a subject that operators could not
name in a path if it were parked.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from common.backbone.protocols import Broken, Delivery, Record, RecordHeader
from contracts.envelope import UndecodableRecord, decode_event

_SUBJECT = re.compile(r"[a-z_]{1,32}/[A-Za-z0-9-]{1,64}")
"""What the paths under `/v1/admin/parked/` take."""
_MAX_SEQ = 2**63 - 1
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[RecordHeader]).decode


def decode_record(record: Record, producers: Mapping[str, str]) -> Delivery | Broken:
    """Read a record.

    Args:
        producers: producing service by topic.
    """
    if record.fault:
        return Broken(record=record, stream=None, seq=0, error=record.fault)
    producer = producers[record.place.topic]
    try:
        event = decode_event(record.headers, record.value)
    except UndecodableRecord as error:
        subject = _find_subject(record.headers)
        stream = (producer, subject) if subject else None
        return Broken(record=record, stream=stream, seq=_find_seq(record.headers), error=str(error))
    if event.source.rpartition("/")[2] != producer:
        # Its numbers belong to another stream; nothing here can say which.
        return Broken(record=record, stream=None, seq=0, error=f"source {event.source!r} does not write to this topic")
    if not _SUBJECT.fullmatch(event.subject):
        return Broken(
            record=record, stream=None, seq=0, error=f"ce_subject {event.subject[:100]!r} names nothing of ours"
        )
    if event.seq > _MAX_SEQ:
        return Broken(record=record, stream=(producer, event.subject), seq=0, error="ce_subjectseq is too large")
    return Delivery(record=record, stream=(producer, event.subject), event=event)


async def decode_records(
    records: Iterable[Record], producers: Mapping[str, str], *, at_once: int
) -> list[Delivery | Broken]:
    """Read many records.

    Args:
        producers: producing service by topic.
        at_once: after how many others may go on: what the database answers is taken in, and it gets its next statement.
    """
    items: list[Delivery | Broken] = []
    for record in records:
        items.append(decode_record(record, producers))
        if len(items) % at_once == 0:
            await asyncio.sleep(0)
    return items


def find_event_id(headers: Sequence[RecordHeader]) -> UUID | None:
    """The id of a record that may be broken elsewhere; None where it cannot be read."""
    try:
        return UUID(_find(headers, "ce_id").decode())
    except ValueError:
        return None


def pack_headers(headers: Sequence[RecordHeader]) -> bytes:
    """Headers as they are kept with a parked record."""
    return _pack(headers)


def unpack_headers(packed: bytes) -> list[RecordHeader]:
    """The reverse of `pack_headers`: exactly as they came, so that a record can be told by its bytes."""
    return _unpack(packed)


def _find_subject(headers: Sequence[RecordHeader]) -> str:
    try:
        subject = _find(headers, "ce_subject").decode()
    except UnicodeDecodeError:
        return ""
    return subject if _SUBJECT.fullmatch(subject) else ""


def _find(headers: Sequence[RecordHeader], name: str) -> bytes:
    """The last one of this name, as `decode_event` takes it; empty where it is absent or has no value."""
    return {name: value for name, value in headers if value is not None}.get(name, b"")


def _find_seq(headers: Sequence[RecordHeader]) -> int:
    try:
        seq = int(_find(headers, "ce_subjectseq"))
    except ValueError:
        return 0
    return seq if 0 < seq <= _MAX_SEQ else 0
