"""What operators see of parked subjects, and what they may do about them. Every action is kept with who and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.backbone.decoding import find_event_id, pack_headers, unpack_headers
from common.backbone.protocols import NOBODY, Place, Record
from common.backbone.walk import comes_next
from common.errors import Conflict, NotFound
from common.transaction import Transaction

_SUMMARY = text(
    """
    select p.source, p.subject, p.reason, p.error, p.attempts, p.next_attempt_at, p.parked_at,
      (select count(*) from parked_event e where e.source = p.source and e.subject = p.subject) as events
    from parked_subject p
    where (p.source, p.subject) > (:after_source, :after_subject)
      and (:reason = '' or p.reason = :reason)
      and (:subject = '' or (p.source = :source and p.subject = :subject))
    order by p.source, p.subject limit :limit
    """
)
_EVENTS = text(
    """
    select topic, partition, position, seq, headers, payload from parked_event
    where source = :source and subject = :subject order by seq, position limit :limit
    """
)
_LOCK = text("select 1 from parked_subject where source = :source and subject = :subject for update")
_RETRY = text(
    """
    update parked_subject set next_attempt_at = :now, attempts = 0
    where source = :source and subject = :subject
    """
)
_RELEASE = text("delete from parked_subject where source = :source and subject = :subject")
_REMOVE = text(
    """
    delete from parked_event e
    using unnest(cast(:topics as text[]), cast(:partitions as int[]), cast(:positions as bigint[]))
      as gone (topic, partition, position)
    where e.topic = gone.topic and e.partition = gone.partition and e.position = gone.position
    """
)
_NOTE = text(
    """
    insert into parking_action (action, source, subject, seq, headers, payload, actor, reason, acted_at)
    values (:action, :source, :subject, :seq, :headers, :payload, :actor, :reason, :now)
    """
)
_NOTE_EVENTS = text(
    """
    insert into parking_action (action, source, subject, seq, headers, payload, actor, reason, acted_at)
    select :action, :source, :subject, g.seq, g.headers, g.payload, :actor, :reason, :now
    from unnest(cast(:seqs as bigint[]), cast(:headers as bytea[]), cast(:payloads as bytea[]))
      with ordinality as g (seq, headers, payload, number)
    order by g.number
    """
)
_LAST = text("select last_seq from subject_cursor where source = :source and subject = :subject")
_LATE_STARTERS = text("select topic, partition from consumer_offset where bootstrap")
_MOVE_CURSOR = text(
    """
    insert into subject_cursor as c (source, subject, last_seq, last_event_id) values (:source, :subject, :seq, :id)
    on conflict (source, subject) do update
    set last_seq = excluded.last_seq, last_event_id = excluded.last_event_id where c.last_seq < excluded.last_seq
    """
)


@dataclass(frozen=True, kw_only=True)
class ParkedSubject:
    """One parked stream.

    Attributes:
        source: the producing service.
        reason: "failed", "gap", "fork" or "undecodable".
        attempts: redrives that failed.
        next_attempt_at: None where it is held until somebody acts.
        events: how many wait.
    """

    source: str
    subject: str
    reason: str
    error: str
    attempts: int
    next_attempt_at: datetime | None
    parked_at: datetime
    events: int


@dataclass(frozen=True, kw_only=True)
class ParkedEvent:
    """One record behind a parked subject, exactly as it came; `seq` is 0 where it could not be read."""

    seq: int
    record: Record


async def list_parked(
    connection: AsyncConnection, *, after: tuple[str, str] = ("", ""), reason: str = "", limit: int = 100
) -> list[ParkedSubject]:
    """Parked subjects in the order of (source, subject).

    Args:
        after: (source, subject) of the last one seen.
        reason: only those parked for it; empty for all.
    """
    return await _list_summaries(connection, after=after, reason=reason, limit=limit)


async def get_parked(
    connection: AsyncConnection, *, source: str, subject: str, limit: int = 200
) -> tuple[ParkedSubject, list[ParkedEvent]]:
    """One parked subject and what waits behind it, in the order in which it will be applied.

    Args:
        limit: how many events at most; the subject says how many there are.
    Raises:
        NotFound: it is not parked.
    """
    found = await _list_summaries(connection, only=(source, subject))
    if not found:
        raise NotFound(f"{subject} of {source} is not parked")
    return found[0], await list_events(connection, source=source, subject=subject, limit=limit)


async def list_events(
    connection: AsyncConnection, *, source: str, subject: str, limit: int | None = None
) -> list[ParkedEvent]:
    """What waits behind a parked subject, in the order in which it will be applied; all of it without a limit."""
    found = await connection.execute(_EVENTS, {"source": source, "subject": subject, "limit": limit})
    return [ParkedEvent(seq=row.seq, record=record_of(row, key=None)) for row in found]


async def redrive_parked(
    tx: Transaction, *, source: str, subject: str, actor: str, reason: str, over_gap: bool = False
) -> None:
    """Have a parked subject tried again at once, with its back-off begun anew.

    Args:
        actor: who asks, for instance "client:ops".
        over_gap: the missing events are lost: let the first parked one follow whatever was applied last.
    Raises:
        NotFound: it is not parked.
        Conflict: code "number_unknown": nothing can follow a record that does not say its number; discard it.
    """
    stream = {"source": source, "subject": subject}
    await lock_parked(tx, stream)
    first = await list_events(tx.connection, **stream, limit=1) if over_gap else []
    for event in first:
        if not event.seq:
            raise Conflict("the first record does not say its number: discard it", code="number_unknown")
        await tx.connection.execute(_MOVE_CURSOR, {**stream, "seq": event.seq - 1, "id": NOBODY})
    await retry_parked(tx, stream)
    action = "redrive_over_gap" if over_gap else "redrive"
    await note_action(tx, stream, action, actor=actor, reason=reason, event=first[0] if first else None)


async def discard_parked(
    tx: Transaction,
    *,
    source: str,
    subject: str,
    actor: str,
    reason: str,
    first: tuple[Place, int] | None = None,
    first_seq: int | None = None,
    count: int = 1,
) -> int:
    """Give up the first records behind a parked subject; they are kept with the reason. The rest is tried at once.

    With a record whose number comes next, the number is given up too: the event after it may follow. With any other, a
    repeat or one beyond a gap, nothing but the record is: to go over a gap is a deed of its own.

    Args:
        first: partition and offset of the first of them as whoever acts saw it, so that no other is given up in its
            place when a redrive or another operator was faster.
        first_seq: the same by its number, which several records may share.
        count: how many; all that wait if there are fewer.
    Returns:
        how many were discarded.
    Raises:
        NotFound: it is not parked.
        Conflict: code "reason_required", or "changed_meanwhile": another event is the first now.
    """
    if not reason.strip():
        raise Conflict("say why these events are given up", code="reason_required")
    stream = {"source": source, "subject": subject}
    await lock_parked(tx, stream)
    events = await list_events(tx.connection, **stream, limit=count)
    _check_first(subject, events[0] if events else None, first=first, first_seq=first_seq)
    following, others = await _part_following(tx.connection, stream, events)
    if following:
        await note_events(tx, stream, "discard", following, actor=actor, reason=reason)
        last = following[-1]
        cursor = {"seq": last.seq, "id": find_event_id(last.record.headers) or NOBODY}
        await tx.connection.execute(_MOVE_CURSOR, {**stream, **cursor})
    if others:
        await note_events(tx, stream, "discard_record", others, actor=actor, reason=reason)
    await remove_events(tx, [event.record for event in events])
    if await list_events(tx.connection, **stream, limit=1):
        await retry_parked(tx, stream)
    else:
        await tx.connection.execute(_RELEASE, stream)
    return len(events)


async def list_late_starters(connection: AsyncConnection) -> set[Place]:
    """Partitions read in bootstrap mode, see `protocols.Claim`."""
    return {Place(topic, partition) for topic, partition in await connection.execute(_LATE_STARTERS)}


async def _part_following(
    connection: AsyncConnection, stream: dict[str, str], events: Sequence[ParkedEvent]
) -> tuple[list[ParkedEvent], list[ParkedEvent]]:
    """Those whose numbers follow each other and what was applied last, and the others. The subject must be held."""
    last: int | None = (await connection.execute(_LAST, stream)).scalar_one_or_none()
    late_starters = await list_late_starters(connection)
    following: list[ParkedEvent] = []
    others: list[ParkedEvent] = []
    for event in events:
        if comes_next(event.seq, event.record.place, last, late_starters):
            following.append(event)
            last = event.seq
        else:
            others.append(event)
    return following, others


def _check_first(
    subject: str, found: ParkedEvent | None, *, first: tuple[Place, int] | None, first_seq: int | None
) -> None:
    if first is not None and (found is None or (found.record.place, found.record.offset) != first):
        now = _name(found.record.place, found.record.offset) if found else "none"
        what = f"its first record is {now} now, not {_name(*first)}"
    elif first_seq is not None and found is not None and found.seq != first_seq:
        what = f"its first event is {found.seq} now, not {first_seq}"
    else:
        return
    raise Conflict(f"{subject} changed meanwhile: {what}", code="changed_meanwhile")


def _name(place: Place, offset: int) -> str:
    return f"{place.topic}/{place.partition}/{offset}"


async def remove_events(tx: Transaction, records: Sequence[Record]) -> None:
    """Take records away from behind their parked subject."""
    await tx.connection.execute(
        _REMOVE,
        {
            "topics": [record.place.topic for record in records],
            "partitions": [record.place.partition for record in records],
            "positions": [record.offset for record in records],
        },
    )


async def retry_parked(tx: Transaction, stream: dict[str, str]) -> None:
    """Make a parked subject due at once, with its back-off begun anew."""
    await tx.connection.execute(_RETRY, {**stream, "now": tx.now})


async def lock_parked(tx: Transaction, stream: dict[str, str]) -> None:
    """Hold a parked subject until the transaction ends.

    Raises:
        NotFound: it is not parked.
    """
    if (await tx.connection.execute(_LOCK, stream)).one_or_none() is None:
        raise NotFound(f"{stream['subject']} of {stream['source']} is not parked")


async def note_action(
    tx: Transaction, stream: dict[str, str], action: str, *, actor: str, reason: str, event: ParkedEvent | None = None
) -> None:
    """Keep that somebody acted, why, and with which record where one is concerned.

    Args:
        stream: `source` and `subject`.
    """
    await tx.connection.execute(
        _NOTE,
        {
            **stream,
            "action": action,
            "seq": event.seq if event else None,
            "headers": pack_headers(event.record.headers) if event else None,
            "payload": event.record.value if event else None,
            "actor": actor,
            "reason": reason,
            "now": tx.now,
        },
    )


async def note_events(
    tx: Transaction, stream: Mapping[str, str], action: str, events: Sequence[ParkedEvent], *, actor: str, reason: str
) -> None:
    """The same with each of several records, in one statement: the subject is held meanwhile, and a consumer waits."""
    await tx.connection.execute(
        _NOTE_EVENTS,
        {
            **stream,
            "action": action,
            "seqs": [event.seq for event in events],
            "headers": [pack_headers(event.record.headers) for event in events],
            "payloads": [event.record.value for event in events],
            "actor": actor,
            "reason": reason,
            "now": tx.now,
        },
    )


async def _list_summaries(
    connection: AsyncConnection,
    *,
    after: tuple[str, str] = ("", ""),
    reason: str = "",
    only: tuple[str, str] = ("", ""),
    limit: int = 1,
) -> list[ParkedSubject]:
    found = await connection.execute(
        _SUMMARY,
        {
            "after_source": after[0],
            "after_subject": after[1],
            "reason": reason,
            "source": only[0],
            "subject": only[1],
            "limit": limit,
        },
    )
    return [ParkedSubject(**row) for row in found.mappings()]


def record_of(row: Row[Any], *, key: bytes | None) -> Record:
    """The record in a row of `parked_event` or `poison_record`."""
    return Record(
        place=Place(row.topic, row.partition),
        offset=row.position,
        key=key,
        value=row.payload,
        headers=unpack_headers(row.headers),
        written_at_ms=0,
    )
