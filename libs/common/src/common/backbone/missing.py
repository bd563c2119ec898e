"""The numbers that a parked subject lacks, and filling them with the events themselves, wherever they were found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.backbone.decoding import decode_record, pack_headers
from common.backbone.parking import ParkedEvent, lock_parked, note_events, retry_parked
from common.backbone.protocols import Delivery, Record, Stream
from common.errors import Conflict, NotFound
from common.transaction import Transaction

FROM_ARCHIVE = -1
"""Stands as the partition of a record that came from its producer's archive; its offset is the archive's position."""
MAX_EVENTS = 10_000
"""Missing events that one resync fills in."""

_PARKED = text(
    """
    select (select min(topic) from parked_event where source = :source and subject = :subject) as topic,
      coalesce((select last_seq from subject_cursor where source = :source and subject = :subject), 0) as last_seq
    from parked_subject where source = :source and subject = :subject
    """
)
_NUMBERS = text(
    """
    select last + 1 as first, seq - 1 as last from (
      select seq, lag(seq, 1, cast(:last_seq as bigint)) over (order by seq) as last from (
        select distinct seq from parked_event where source = :source and subject = :subject and seq > :last_seq
      ) as numbers
    ) as steps
    where seq > last + 1 order by seq
    """
)
_KEEP = text(
    """
    insert into parked_event (topic, partition, position, source, subject, seq, headers, payload, parked_at)
    select g.topic, g.partition, g.position, :source, :subject, g.seq, g.headers, g.payload, :now
    from unnest(
      cast(:topics as text[]), cast(:partitions as int[]), cast(:positions as bigint[]), cast(:seqs as bigint[]),
      cast(:headers as bytea[]), cast(:payloads as bytea[])
    ) as g (topic, partition, position, seq, headers, payload)
    on conflict do nothing
    """
)


@dataclass(frozen=True, kw_only=True)
class Missing:
    """What a parked subject lacks below the last event that waits.

    Attributes:
        topic: where its events come from.
        numbers: runs of missing numbers, each as (first, last), ascending; empty where nothing is missing.
    """

    topic: str
    numbers: Sequence[tuple[int, int]]

    def lacks(self, seq: int) -> bool:
        """Whether this number is missing."""
        return any(first <= seq <= last for first, last in self.numbers)

    @property
    def count(self) -> int:
        """How many are missing."""
        return sum(last - first + 1 for first, last in self.numbers)


async def find_missing(connection: AsyncConnection, stream: Stream) -> Missing:
    """What a parked subject lacks.

    Raises:
        NotFound: it is not parked.
        Conflict: code "nothing_waits": no event waits behind it.
    """
    names = {"source": stream[0], "subject": stream[1]}
    parked = (await connection.execute(_PARKED, names)).one_or_none()
    if parked is None:
        raise NotFound(f"{stream[1]} of {stream[0]} is not parked")
    if parked.topic is None:
        raise Conflict(f"no event of {stream[1]} waits: redrive it", code="nothing_waits")
    rows = await connection.execute(_NUMBERS, {**names, "last_seq": parked.last_seq})
    return Missing(topic=parked.topic, numbers=[(row.first, row.last) for row in rows])


async def add_missing(
    tx: Transaction, stream: Stream, records: Iterable[Record], *, actor: str, reason: str
) -> tuple[int, Missing]:
    """Let missing events wait behind their parked subject, which is tried at once if that filled something.

    Every added event is kept among the actions. Those that are not missing are passed over: repeating it is harmless.

    Returns:
        how many were added, and what is missing still.
    Raises:
        NotFound: it is not parked.
        Conflict: code "foreign_event": a record is no event of this subject; nothing was added.
    """
    names = {"source": stream[0], "subject": stream[1]}
    await lock_parked(tx, names)
    missing = await find_missing(tx.connection, stream)
    wanted: dict[int, Record] = {}
    for record in records:
        seq = _number_of(record, stream)
        if missing.lacks(seq):
            wanted.setdefault(seq, record)
    if wanted:
        await _keep(tx, names, wanted)
        events = [ParkedEvent(seq=seq, record=record) for seq, record in sorted(wanted.items())]
        await note_events(tx, names, "resync", events, actor=actor, reason=reason)
        await retry_parked(tx, names)
    return len(wanted), await find_missing(tx.connection, stream)


async def _keep(tx: Transaction, names: Mapping[str, str], records: Mapping[int, Record]) -> None:
    kept = sorted(records.items())
    await tx.connection.execute(
        _KEEP,
        {
            **names,
            "topics": [record.place.topic for _, record in kept],
            "partitions": [record.place.partition for _, record in kept],
            "positions": [record.offset for _, record in kept],
            "seqs": [seq for seq, _ in kept],
            "headers": [pack_headers(record.headers) for _, record in kept],
            "payloads": [record.value for _, record in kept],
            "now": tx.now,
        },
    )


def _number_of(record: Record, stream: Stream) -> int:
    item = decode_record(record, {record.place.topic: stream[0]})
    if not isinstance(item, Delivery):
        raise Conflict(f"a record is no event of {stream[1]}: {item.error}", code="foreign_event")
    if item.stream != stream:
        raise Conflict(f"an event is about {item.stream[1]}, not about {stream[1]}", code="foreign_event")
    return item.event.seq
