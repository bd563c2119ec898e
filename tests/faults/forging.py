"""Records that no relay of ours would write, made by hand from those that it wrote, and what every consumer must do.

`FORGERIES` lists the kinds. Each is made from what the topic says of one subject, in order, up to its last event so
far; consumers must have applied that before the forged record is written, or else they judge by another last number.
Use a subject of its own for each kind that parks, and let one be parked before the next is written: of many at once a
consumer would rather believe that it is broken itself, and stop.
"""
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

_BATCH_BYTES = 1_000_000
"""Nearly what a broker takes by default."""
_OVERSIZE_BYTES = 900_000
"""Far more than the 64 KiB of an event."""

Headers = tuple[tuple[str, bytes | None], ...]


class ForeignName(str):
    """A header name that goes onto the wire as bytes that are not UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Never the text that it seems to be."""
        return b"\xff\xfe"


@dataclass(frozen=True, kw_only=True)
class RawRecord:
    """A record as it lies in a topic, whatever it holds."""

    partition: int
    key: bytes | None
    headers: Headers
    value: bytes | None


Told = Sequence[RawRecord]


@dataclass(frozen=True, kw_only=True)
class Forgery:
    """A kind of forged record.

    Attributes:
        name: in the words of a report.
        fate: "dropped" without a trace; "parked": its subject stops before it, and all that follows queues behind, but
            for what fills a gap; "poison": kept as a poison record, and no subject is stopped.
        reason: why its subject is parked; empty for the other fates.
        make: from the records of one subject and the topic's number of partitions.
        least: how many records of the subject it takes.
    """

    name: str
    fate: Literal["dropped", "parked", "poison"]
    reason: str = ""
    make: Callable[[Told, int], RawRecord]
    least: int = 1

    def forge(self, told: Told, *, partitions: int) -> RawRecord:
        """The record to write.

        Raises:
            ValueError: too little was told of the subject.
        """
        if len(told) < self.least:
            raise ValueError(f"{self.name} takes a subject with {self.least} events or more, this one has {len(told)}")
        return self.make(told, partitions)


async def write_raw_records(bootstrap: str, topic: str, records: Sequence[RawRecord]) -> list[tuple[int, int]]:
    """Write records in this order, each as a batch of its own; returns the (partition, offset) of each.

    Each stands there once, also where an answer is lost and it is sent again: of a second copy nobody would know that
    it is forged.
    """
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=_BATCH_BYTES, enable_idempotence=True)
    await producer.start()
    try:
        written: list[tuple[int, int]] = []
        for record in records:
            batch: Any = producer.create_batch()
            # The builder in C takes no name that is not UTF-8.
            batch._builder = builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, _BATCH_BYTES)
            batch._set_producer_state = builder.set_producer_state
            if not batch.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers)):
                raise ValueError(f"the record is larger than {_BATCH_BYTES} bytes")
            batch.close()
            sent = await (await producer.send_batch(batch, topic, partition=record.partition))
            written.append((sent.partition, sent.offset))
        return written
    finally:
        await producer.stop()


def changed(headers: Headers, **values: bytes | None) -> Headers:
    """Headers with other values for these; None leaves the name without a value."""
    return tuple((name, values.get(name, value)) for name, value in headers)


def _number(record: RawRecord) -> int:
    return int(dict(record.headers)["ce_subjectseq"] or 0)


def _following(told: Told, *, by: int = 1, **values: bytes | None) -> RawRecord:
    """Like the last, with a new id and a number behind it."""
    return _numbered_behind(told, told[-1], by=by, **values)


def _opening_again(told: Told) -> RawRecord:
    """Like the first, which every consumer of a topic handles, with a new id and a number behind the last."""
    return _numbered_behind(told, told[0], by=1)


def _numbered_behind(told: Told, record: RawRecord, *, by: int, **values: bytes | None) -> RawRecord:
    ids = {"ce_id": str(uuid4()).encode(), "ce_subjectseq": str(_number(told[-1]) + by).encode()}
    return replace(record, headers=changed(record.headers, **ids | values))


def _repeat(told: Told, _partitions: int) -> RawRecord:
    return told[-1]


def _old_repeat(told: Told, _partitions: int) -> RawRecord:
    return told[0]


def _old_number(told: Told, _partitions: int) -> RawRecord:
    return replace(told[0], headers=changed(told[0].headers, ce_id=str(uuid4()).encode()))


def _misplaced(told: Told, partitions: int) -> RawRecord:
    """As a producer with another count of partitions would place it."""
    return replace(told[-1], partition=(told[-1].partition + 1) % partitions)


def _fork(told: Told, _partitions: int) -> RawRecord:
    return _following(told, by=0)


def _gap(told: Told, _partitions: int) -> RawRecord:
    """So far ahead that the subject itself never gets there: nobody could tell the record from a true one then."""
    return _following(told, by=1000)


def _corrupt_body(told: Told, _partitions: int) -> RawRecord:
    return replace(_opening_again(told), value=struct.pack(">IQ", 0xDEADBEEF, 0) + b"{")


def _invalid_body(told: Told, _partitions: int) -> RawRecord:
    return replace(_opening_again(told), value=json.dumps({"ticket_id": 5}).encode())


def _oversize_body(told: Told, _partitions: int) -> RawRecord:
    return replace(_opening_again(told), value=json.dumps({"text": "x" * _OVERSIZE_BYTES}).encode())


def _corrupt_time(told: Told, _partitions: int) -> RawRecord:
    return _following(told, ce_time=b"yesterday")


def _huge_number(told: Told, _partitions: int) -> RawRecord:
    return _following(told, ce_subjectseq=str(2**70).encode())


def _no_value_of_id(told: Told, _partitions: int) -> RawRecord:
    return _following(told, ce_id=None)


def _tombstone(told: Told, _partitions: int) -> RawRecord:
    return replace(_following(told), value=None)


def _bare_tombstone(told: Told, _partitions: int) -> RawRecord:
    return replace(told[-1], headers=(), value=None)


def _no_headers(told: Told, _partitions: int) -> RawRecord:
    return replace(told[-1], headers=())


def _no_value_of_subject(told: Told, _partitions: int) -> RawRecord:
    return _following(told, ce_subject=None)


def _unreadable_subject(told: Told, _partitions: int) -> RawRecord:
    return _following(told, ce_subject=b"\xff\xfe")


def _subject_out_of_place(told: Told, _partitions: int) -> RawRecord:
    return _following(told, ce_subject=b"ticket/../../admin")


def _foreign_source(told: Told, _partitions: int) -> RawRecord:
    return _following(told, ce_source=b"/elsewhere/stranger")


def _foreign_header_name(told: Told, _partitions: int) -> RawRecord:
    following = _following(told)
    return replace(following, headers=(*following.headers, (ForeignName("x"), b"1")))


FORGERIES = (
    Forgery(name="exact repeat", fate="dropped", make=_repeat),
    Forgery(name="repeat of an older event", fate="dropped", make=_old_repeat, least=2),
    Forgery(name="older number with another id", fate="dropped", make=_old_number, least=2),
    Forgery(name="repeat in another partition", fate="dropped", make=_misplaced),
    Forgery(name="fork", fate="parked", reason="fork", make=_fork),
    Forgery(name="gap", fate="parked", reason="gap", make=_gap),
    Forgery(name="corrupt body", fate="parked", reason="failed", make=_corrupt_body),
    Forgery(name="body against its schema", fate="parked", reason="failed", make=_invalid_body),
    Forgery(name="oversize body", fate="parked", reason="failed", make=_oversize_body),
    Forgery(name="time that is none", fate="parked", reason="undecodable", make=_corrupt_time),
    Forgery(name="number beyond any", fate="parked", reason="undecodable", make=_huge_number),
    Forgery(name="id without a value", fate="parked", reason="undecodable", make=_no_value_of_id),
    Forgery(name="tombstone", fate="parked", reason="undecodable", make=_tombstone),
    Forgery(name="tombstone without headers", fate="poison", make=_bare_tombstone),
    Forgery(name="no headers", fate="poison", make=_no_headers),
    Forgery(name="subject without a value", fate="poison", make=_no_value_of_subject),
    Forgery(name="unreadable subject", fate="poison", make=_unreadable_subject),
    Forgery(name="subject that no path can name", fate="poison", make=_subject_out_of_place),
    Forgery(name="source of another topic", fate="poison", make=_foreign_source),
    Forgery(name="header name that is not UTF-8", fate="poison", make=_foreign_header_name),
)
"""Bodies are read by who handles the type: a consumer that does not handle it applies a corrupt one like any other."""
