"""The consumer's SQL (see `protocols.InboxStore`). Rows are locked in the order of their keys throughout."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime

from sqlalchemy import text

from common.answering import is_answering
from common.backbone.decoding import pack_headers
from common.backbone.parking import list_events, list_late_starters, remove_events
from common.backbone.protocols import Claim, Cursor, Due, Move, ParkedRecord, Parking, Place, Record, Stream
from common.clock import Clock
from common.database import Database, foreign_errors
from common.outbox import flush_events
from common.statement import Statement
from common.transaction import Origin, Transaction

_FIRST_RETRY = "30 seconds"
_LATELY = "1 minute"

_CLAIM = text(
    """
    insert into consumer_offset as c
      (topic, partition, next_offset, end_offset, epoch, owner, bootstrap, updated_at)
    select topic, partition, first, first, 1, :owner, :bootstrap, :now
    from unnest(cast(:topics as text[]), cast(:partitions as int[]), cast(:firsts as bigint[]))
      as given (topic, partition, first)
    order by topic, partition
    on conflict (topic, partition) do update
    set epoch = c.epoch + 1, owner = excluded.owner, updated_at = excluded.updated_at
    returning c.topic, c.partition, c.next_offset, c.epoch, c.bootstrap
    """
)
_RESET = text(
    """
    update consumer_offset set next_offset = :first, epoch = epoch + 1
    where topic = :topic and partition = :partition and epoch = :epoch
    """
)
_MOVE = Statement(
    """
    with given as (
      select * from unnest(
        cast(:topics as text[]), cast(:partitions as int[]), cast(:epochs as bigint[]), cast(:expected as bigint[]),
        cast(:next as bigint[]), cast(:ends as bigint[])
      ) as g (topic, partition, epoch, expected, next_offset, end_offset)
    ), ours as (
      select c.topic, c.partition from consumer_offset c
      join given g on g.topic = c.topic and g.partition = c.partition
        and g.epoch = c.epoch and g.expected = c.next_offset
      order by c.topic, c.partition for update of c
    )
    update consumer_offset c set next_offset = g.next_offset, end_offset = g.end_offset, updated_at = :now
    from given g join ours o on o.topic = g.topic and o.partition = g.partition
    where c.topic = g.topic and c.partition = g.partition and c.epoch = g.epoch and c.next_offset = g.expected
    returning 1
    """
)
_LOCK_PARKED = Statement(
    """
    select p.source, p.subject from parked_subject p
    join unnest(cast(:sources as text[]), cast(:subjects as text[])) as g (source, subject)
      on g.source = p.source and g.subject = p.subject
    order by p.source, p.subject for update of p
    """
)
_CURSORS = Statement(
    """
    select c.source, c.subject, c.last_seq, c.last_event_id
    from unnest(cast(:sources as text[]), cast(:subjects as text[])) as g (source, subject)
    join subject_cursor c on c.source = g.source and c.subject = g.subject
    """
)
_GIVEN_UP = text(
    """
    select distinct g.topic, g.partition, g.position from unnest(
      cast(:topics as text[]), cast(:partitions as int[]), cast(:positions as bigint[]), cast(:sources as text[]),
      cast(:subjects as text[]), cast(:headers as bytea[]), cast(:payloads as bytea[])
    ) as g (topic, partition, position, source, subject, headers, payload)
    join parking_action a on a.action in ('discard', 'discard_record') and a.source = g.source
      and a.subject = g.subject and a.headers = g.headers and a.payload is not distinct from g.payload
    """
)
_SAVE_CURSORS = Statement(
    """
    insert into subject_cursor (source, subject, last_seq, last_event_id)
    select * from unnest(
      cast(:sources as text[]), cast(:subjects as text[]), cast(:seqs as bigint[]), cast(:ids as uuid[])
    )
    on conflict (source, subject) do update
    set last_seq = excluded.last_seq, last_event_id = excluded.last_event_id
    """
)
_PARK = text(
    f"""
    insert into parked_subject (source, subject, reason, error, attempts, next_attempt_at, parked_at)
    select source, subject, reason, error, 0, cast(:now as timestamptz) + interval '{_FIRST_RETRY}', :now
    from unnest(
      cast(:sources as text[]), cast(:subjects as text[]), cast(:reasons as text[]), cast(:errors as text[])
    ) as g (source, subject, reason, error)
    order by source, subject
    on conflict do nothing
    """  # noqa: S608 - a constant of ours
)
# Where the topic was recreated, a record of the former one may still wait at the same place: ours then stands beside
# it, under a partition that there never is. The same record, read again, is no news.
_KEEP = text(
    """
    insert into parked_event (topic, partition, position, source, subject, seq, headers, payload, parked_at)
    select g.topic, case when p.topic is null then g.partition else -2 - g.partition end, g.position, g.source,
      g.subject, g.seq, g.headers, g.payload, :now
    from unnest(
      cast(:topics as text[]), cast(:partitions as int[]), cast(:positions as bigint[]), cast(:sources as text[]),
      cast(:subjects as text[]), cast(:seqs as bigint[]), cast(:headers as bytea[]), cast(:payloads as bytea[])
    ) as g (topic, partition, position, source, subject, seq, headers, payload)
    left join parked_event p on p.topic = g.topic and p.partition = g.partition and p.position = g.position
      and (p.headers, p.payload) is distinct from (g.headers, g.payload)
    on conflict do nothing
    """
)
_POISON = text(
    """
    insert into poison_record (topic, partition, position, key, headers, payload, error, seen_at)
    select g.*, :now from unnest(
      cast(:topics as text[]), cast(:partitions as int[]), cast(:positions as bigint[]), cast(:keys as bytea[]),
      cast(:headers as bytea[]), cast(:payloads as bytea[]), cast(:errors as text[])
    ) as g (topic, partition, position, key, headers, payload, error)
    where not exists (
      select 1 from parking_action a
      where a.action = 'discard_poison' and a.source = g.topic and a.subject = g.partition || '/' || g.position
        and a.headers = g.headers and a.payload is not distinct from g.payload
    )
    on conflict do nothing
    """
)
_LOCK_PARKING = text("select pg_advisory_xact_lock(hashtextextended('backbone.parking', 0))")
_LATELY_PARKED = text(
    f"""
    select count(*) from parked_subject
    where parked_at > cast(:now as timestamptz) - interval '{_LATELY}' and reason = any(:reasons)
    """  # noqa: S608 - a constant of ours
)
_DUE = text(
    """
    select source, subject, attempts from parked_subject where next_attempt_at <= :now
    order by next_attempt_at, source, subject limit 1 for update skip locked
    """
)
_SETTLE = text(
    """
    update parked_subject set attempts = :attempts, next_attempt_at = :next, reason = :reason, error = :error
    where source = :source and subject = :subject
    """
)
_RETRY_AT = text("update parked_subject set next_attempt_at = :at where source = :source and subject = :subject")
_RELEASE = text("delete from parked_subject where source = :source and subject = :subject")
_PARKED = text("select count(*) from parked_subject")
_CHECK_CONSTRAINTS = text("set constraints all immediate")


class PostgresInbox:
    """See `protocols.InboxStore`."""

    def __init__(self, database: Database, *, service: str) -> None:
        """Args: service: who consumes."""
        self._database = database
        self._origin = Origin(actor=f"service:{service}")

    @property
    def clock(self) -> Clock:
        """See `InboxStore.clock`."""
        return self._database.clock

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """See `InboxStore.begin`."""
        return self._database.begin(self._origin)

    @asynccontextmanager
    async def savepoint(self, tx: Transaction) -> AsyncGenerator[None]:
        """See `InboxStore.savepoint`."""
        with foreign_errors():
            async with tx.savepoint():
                yield
                await flush_events(tx, self._database.source)
                await tx.connection.execute(_CHECK_CONSTRAINTS)

    async def is_answering(self) -> bool:
        """See `InboxStore.is_answering`."""
        return await is_answering(self._database)

    async def claim(
        self, places: Mapping[Place, int], *, lost: Mapping[Place, int], owner: str, bootstrap: bool
    ) -> dict[Place, Claim]:
        """See `InboxStore.claim`."""
        async with self.begin() as tx:
            for place, epoch in sorted(lost.items()):
                await tx.connection.execute(_RESET, {**place._asdict(), "first": places[place], "epoch": epoch})
            rows = await tx.connection.execute(
                _CLAIM,
                {
                    "topics": [place.topic for place in places],
                    "partitions": [place.partition for place in places],
                    "firsts": list(places.values()),
                    "owner": owner,
                    "bootstrap": bootstrap,
                    "now": tx.now,
                },
            )
            return {
                Place(topic, partition): Claim(epoch=epoch, next_offset=next_offset, bootstrap=created_so)
                for topic, partition, next_offset, epoch, created_so in rows
            }

    async def move_offsets(self, tx: Transaction, moves: Sequence[Move]) -> bool:
        """See `InboxStore.move_offsets`."""
        moved = await _MOVE.fetch(
            tx.connection,
            {
                "topics": [move.place.topic for move in moves],
                "partitions": [move.place.partition for move in moves],
                "epochs": [move.epoch for move in moves],
                "expected": [move.expected for move in moves],
                "next": [move.next_offset for move in moves],
                "ends": [move.end_offset for move in moves],
                "now": tx.now,
            },
        )
        return len(moved) == len(moves)

    async def lock_parked(self, tx: Transaction, streams: Collection[Stream]) -> set[Stream]:
        """See `InboxStore.lock_parked`."""
        rows = await _LOCK_PARKED.fetch(tx.connection, _columns(streams))
        return {(source, subject) for source, subject in rows}

    async def list_cursors(self, tx: Transaction, streams: Collection[Stream]) -> dict[Stream, Cursor]:
        """See `InboxStore.list_cursors`."""
        rows = await _CURSORS.fetch(tx.connection, _columns(streams))
        return {(source, subject): Cursor(seq, event_id) for source, subject, seq, event_id in rows}

    async def find_given_up(self, tx: Transaction, records: Sequence[ParkedRecord]) -> set[tuple[Place, int]]:
        """See `InboxStore.find_given_up`. The same bytes are the same record, wherever they stand."""
        columns = {
            **_record_columns([kept.record for kept in records]),
            **_columns([kept.stream for kept in records]),
        }
        rows = await tx.connection.execute(_GIVEN_UP, columns)
        return {(Place(topic, partition), position) for topic, partition, position in rows}

    async def save_cursors(self, tx: Transaction, cursors: Mapping[Stream, Cursor]) -> None:
        """See `InboxStore.save_cursors`. In the order of the keys, for redrives and consumers meet here."""
        if cursors:
            streams = sorted(cursors)
            seqs = [cursors[stream].seq for stream in streams]
            ids = [cursors[stream].event_id for stream in streams]
            await _SAVE_CURSORS.fetch(tx.connection, {**_columns(streams), "seqs": seqs, "ids": ids})

    async def park(self, tx: Transaction, streams: Sequence[Parking], records: Sequence[ParkedRecord]) -> None:
        """See `InboxStore.park`."""
        if streams:
            columns = _columns([parking.stream for parking in streams])
            reasons = [parking.reason for parking in streams]
            errors = [_storable(parking.error) for parking in streams]
            await tx.connection.execute(_PARK, {**columns, "reasons": reasons, "errors": errors, "now": tx.now})
        if records:
            await tx.connection.execute(
                _KEEP,
                {
                    **_record_columns([kept.record for kept in records]),
                    **_columns([kept.stream for kept in records]),
                    "seqs": [kept.seq for kept in records],
                    "now": tx.now,
                },
            )

    async def add_poison(self, tx: Transaction, records: Sequence[tuple[Record, str]]) -> None:
        """See `InboxStore.add_poison`."""
        await tx.connection.execute(
            _POISON,
            {
                **_record_columns([record for record, _ in records]),
                "keys": [record.key for record, _ in records],
                "errors": [_storable(error) for _, error in records],
                "now": tx.now,
            },
        )

    async def count_lately_parked(self, tx: Transaction, reasons: Collection[str]) -> int:
        """See `InboxStore.count_lately_parked`."""
        # The count is a statement of its own: it must see what was committed while we waited for the lock.
        await tx.connection.execute(_LOCK_PARKING)
        values = {"now": tx.now, "reasons": list(reasons)}
        found: int = (await tx.connection.execute(_LATELY_PARKED, values)).scalar_one()
        return found

    async def claim_due(self, tx: Transaction) -> Due | None:
        """See `InboxStore.claim_due`."""
        due = (await tx.connection.execute(_DUE, {"now": tx.now})).one_or_none()
        return Due((due.source, due.subject), due.attempts) if due else None

    async def list_kept(self, tx: Transaction, stream: Stream, limit: int) -> list[ParkedRecord]:
        """See `InboxStore.list_kept`."""
        found = await list_events(tx.connection, source=stream[0], subject=stream[1], limit=limit)
        return [ParkedRecord(stream=stream, seq=event.seq, record=event.record) for event in found]

    async def remove_kept(self, tx: Transaction, records: Sequence[ParkedRecord]) -> None:
        """See `InboxStore.remove_kept`."""
        await remove_events(tx, [kept.record for kept in records])

    async def list_late_starters(self, tx: Transaction) -> set[Place]:
        """See `InboxStore.list_late_starters`."""
        return await list_late_starters(tx.connection)

    async def settle(
        self, tx: Transaction, failure: Parking, *, attempts: int, next_attempt_at: datetime | None
    ) -> None:
        """See `InboxStore.settle`."""
        why = {"reason": failure.reason, "error": _storable(failure.error)}
        values = {**_names(failure.stream), **why, "attempts": attempts, "next": next_attempt_at}
        await tx.connection.execute(_SETTLE, values)

    async def retry_at(self, tx: Transaction, stream: Stream, at: datetime) -> None:
        """See `InboxStore.retry_at`."""
        await tx.connection.execute(_RETRY_AT, {**_names(stream), "at": at})

    async def release(self, tx: Transaction, stream: Stream) -> None:
        """See `InboxStore.release`."""
        await tx.connection.execute(_RELEASE, _names(stream))

    async def count_parked(self) -> int:
        """See `InboxStore.count_parked`."""
        async with self._database.read() as connection:
            found: int = (await connection.execute(_PARKED)).scalar_one()
        return found


def _names(stream: Stream) -> dict[str, str]:
    return {"source": stream[0], "subject": stream[1]}


def _columns(streams: Collection[Stream]) -> dict[str, list[str]]:
    return {"sources": [source for source, _ in streams], "subjects": [subject for _, subject in streams]}


def _record_columns(records: Sequence[Record]) -> dict[str, object]:
    return {
        "topics": [record.place.topic for record in records],
        "partitions": [record.place.partition for record in records],
        "positions": [record.offset for record in records],
        "headers": [pack_headers(record.headers) for record in records],
        "payloads": [record.value for record in records],
    }


def _storable(error: str) -> str:
    """The error in words as text that PostgreSQL takes, and no longer than anybody reads."""
    return error.replace("\x00", "\\x00")[:2000]
