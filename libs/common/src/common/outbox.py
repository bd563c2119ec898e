"""Writing events: the one place that numbers, archives and queues them, inside the transaction that caused them.

One statement does it all. It locks the counters of its subjects in their order, so that two transactions cannot wait
for each other, and draws the ids of the archive rows after the locks, so that per subject id order is commit order.
"""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID
from zlib import crc32

from common.errors import InvalidInput
from common.transaction import PendingEvent, PublishedEvent, Transaction
from contracts.envelope import MAX_BODY_BYTES, encode_headers
from contracts.registry import encode_body

SHARDS = 8
"""Never changed while rows wait in an outbox: rows of one subject must stay in one shard."""

# The join with `numbered` makes the inserts depend on the locks; without it PostgreSQL may draw ids first.
# `behind` is how many later events about the same subject this transaction adds.
_WRITE = """
with numbered as (
  insert into subject as s (subject, seq)
  select g.subject, g.added from unnest(cast($1 as text[]), cast($2 as bigint[])) as g (subject, added)
  order by g.subject
  on conflict (subject) do update set seq = s.seq + excluded.seq
  returning s.subject, s.seq
), archived as (
  insert into event (event_id, subject, seq, key, type, headers, payload, occurred_at)
  select g.event_id, g.subject, n.seq - g.behind, g.key, g.type, g.headers, g.payload, g.occurred_at
  from unnest(
    cast($3 as uuid[]), cast($4 as text[]), cast($5 as int[]), cast($6 as text[]), cast($7 as text[]),
    cast($8 as bytea[]), cast($9 as bytea[]), cast($10 as timestamptz[])
  ) as g (event_id, subject, behind, key, type, headers, payload, occurred_at)
  join numbered n on n.subject = g.subject
  order by g.subject, g.behind desc
  returning id, event_id, seq
), queued as (
  insert into outbox (shard, id)
  select g.shard, a.id
  from archived a join unnest(cast($3 as uuid[]), cast($11 as smallint[])) as g (event_id, shard) using (event_id)
)
select event_id, seq from archived
"""


def shard_of(subject: str) -> int:
    """The shard whose relay publishes this subject: CRC-32 of its text modulo `SHARDS`."""
    return crc32(subject.encode()) % SHARDS


async def flush_events(tx: Transaction, source: str) -> None:
    """Write the transaction's pending events: archive, outbox and subject counters, in one statement.

    Call it after the last row lock of the transaction: it locks subject counters, and nothing may wait behind those.
    Fills `tx.published` in the order in which the events were added and empties `tx.pending`.

    Args:
        source: the `ce_source` of these events.
    Raises:
        InvalidInput: a body is larger than 64 KiB as JSON.
    """
    if not tx.pending:
        return
    pending, payloads = tx.pending, [_encode(event) for event in tx.pending]
    subjects = [event.subject for event in pending]
    added = Counter(subjects)
    rows = await tx.fetch(
        _WRITE,
        list(added),
        list(added.values()),
        [event.id for event in pending],
        subjects,
        _count_behind(subjects),
        [subject.partition("/")[2] for subject in subjects],
        [event.body.event_type for event in pending],
        [_encode_headers(event, source) for event in pending],
        payloads,
        [event.occurred_at for event in pending],
        [shard_of(subject) for subject in subjects],
    )
    numbers: dict[UUID, int] = {row["event_id"]: row["seq"] for row in rows}
    tx.published.extend(PublishedEvent(id=event.id, subject=event.subject, seq=numbers[event.id]) for event in pending)
    tx.pending = []


def _encode(event: PendingEvent) -> bytes:
    payload = encode_body(event.body)
    if len(payload) > MAX_BODY_BYTES:
        raise InvalidInput(
            f"{event.body.event_type} about {event.subject} has {len(payload)} bytes, the limit is {MAX_BODY_BYTES}",
            code="event_too_large",
        )
    return payload


def _encode_headers(event: PendingEvent, source: str) -> bytes:
    return encode_headers(
        event_id=event.id,
        source=source,
        event_type=event.body.event_type,
        subject=event.subject,
        time=event.occurred_at,
        correlation_id=event.origin.correlation_id,
        causation_id=event.origin.causation_id,
        actor=event.origin.actor,
        traceparent=event.origin.traceparent,
    )


def _count_behind(subjects: Sequence[str]) -> list[int]:
    later: dict[str, int] = {}
    behind: list[int] = []
    for subject in reversed(subjects):
        behind.append(later.get(subject, 0))
        later[subject] = behind[-1] + 1
    behind.reverse()
    return behind
