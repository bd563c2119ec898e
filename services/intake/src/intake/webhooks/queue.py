"""All SQL of lines and what waits in them. Due times run by `common.clock`, leases by the database's clock, because
processes compare them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Transaction
from contracts.envelope import Event, decode_event, kafka_headers
from intake.webhooks.domain import Letter

_FEED_WINDOW = 50_000
"""Positions that one look at the archive passes over at most, so that a rare type cannot make it long."""

# Taken whether or not the line is there already: whoever settles the last delivery of a line deletes it, and must see
# what is added at that moment.
_LOCK_LINES = text(
    """
    insert into webhook_line (endpoint_id, subject, due_at)
    select distinct given.endpoint_id, given.subject, cast(:now as timestamptz)
    from unnest(cast(:endpoints as uuid[]), cast(:subjects as text[])) as given (endpoint_id, subject)
    order by 1, 2
    on conflict (endpoint_id, subject) do update set due_at = webhook_line.due_at
    """
)
_ADD = """
    insert into webhook_delivery
      (endpoint_id, event_id, source, subject, seq, type, body, state, attempts, error, created_at)
    select given.endpoint_id, given.event_id, given.source, given.subject, given.seq, given.type, given.body,
      'pending', 0, '', cast(:now as timestamptz)
    from unnest(
      cast(:endpoints as uuid[]), cast(:events as uuid[]), cast(:sources as text[]), cast(:subjects as text[]),
      cast(:seqs as bigint[]), cast(:types as text[]), cast(:bodies as bytea[])
    ) with ordinality as given (endpoint_id, event_id, source, subject, seq, type, body, place)
    order by given.place
    on conflict (endpoint_id, event_id) do {conflict}
"""
_ADD_NEW = text(_ADD.format(conflict="nothing"))
# What is put into its line anew goes to the end, so that what is replayed comes in its order.
_ADD_AGAIN = text(
    _ADD.format(
        conflict="""update set position = excluded.position, state = 'pending', attempts = 0, error = '',
          created_at = excluded.created_at, last_status = null, last_attempt_at = null, next_attempt_at = null,
          delivered_at = null"""
    )
)
_FED = text(
    """
    select f.endpoint_id, f.position, e.types from webhook_feed f join webhook_endpoint e using (endpoint_id)
    where f.position < :horizon and e.disabled_at is null order by f.endpoint_id
    """
)
_ANY_FED = text("select 1 from webhook_endpoint where disabled_at is null limit 1")
_LOCK_FEED = text("select position from webhook_feed where endpoint_id = :endpoint_id for update skip locked")
# What is told of another client's endpoint is not for this one's.
_ARCHIVE = text(
    """
    select id, seq, headers, payload from event
    where id > :after and id <= :until and (cast(:types as text[]) = '{}' or type = any(cast(:types as text[])))
      and (not starts_with(subject, 'endpoint/') or exists (
        select from webhook_endpoint fed join webhook_endpoint told using (client_id)
        where fed.endpoint_id = :endpoint_id and 'endpoint/' || told.endpoint_id = event.subject
      ))
    order by id limit :limit
    """
)
_MOVE_FEED = text("update webhook_feed set position = :position where endpoint_id = :endpoint_id")
_COUNT_PENDING = text(
    """
    select count(*) from (
      select 1 from webhook_delivery where endpoint_id = :endpoint_id and state = 'pending' limit :limit
    ) as pending
    """
)
_DUE_ENDPOINTS = text(
    """
    select e.endpoint_id, e.failing_since is not null as failing from webhook_endpoint e
    where e.disabled_at is null and (e.resume_at is null or e.resume_at <= :now) and exists (
      select from webhook_line l where l.endpoint_id = e.endpoint_id and l.due_at <= :now
        and (l.lease_until is null or l.lease_until < clock_timestamp())
    )
    """
)
_CLAIM = text(
    """
    update webhook_line as line set lease_until = clock_timestamp() + :lease, lease_holder = :holder
    from unnest(cast(:endpoints as uuid[]), cast(:rooms as int[])) as wanted (endpoint_id, room)
    cross join lateral (
      select subject from webhook_line
      where endpoint_id = wanted.endpoint_id and due_at <= :now
        and (lease_until is null or lease_until < clock_timestamp())
      order by due_at limit wanted.room for update skip locked
    ) as due
    where line.endpoint_id = wanted.endpoint_id and line.subject = due.subject
    returning line.endpoint_id, line.subject
    """
)
# A statement of its own, after the claim: that one's snapshot may be older than the locks that it took.
_HEADS = text(
    """
    select line.endpoint_id, line.subject, e.url, e.failing_since is not null as failing, head.event_id, head.position,
      head.type, head.body, head.attempts
    from unnest(cast(:endpoints as uuid[]), cast(:subjects as text[])) as line (endpoint_id, subject)
    join webhook_endpoint e using (endpoint_id)
    left join lateral (
      select * from webhook_delivery d
      where d.endpoint_id = line.endpoint_id and d.subject = line.subject and d.state = 'pending'
      order by d.position limit 1
    ) as head on true
    """
)
_LOCK_CLAIMED = text(
    """
    select 1 from webhook_line where endpoint_id = :endpoint_id and subject = :subject and lease_holder = :holder
    for update
    """
)
_DELIVERED = text(
    """
    update webhook_delivery set state = 'delivered', attempts = :attempts, last_status = :status, error = '',
      last_attempt_at = :now, next_attempt_at = null, delivered_at = :now
    where endpoint_id = :endpoint_id and event_id = :event_id and position = :position
    """
)
_FAILED = text(
    """
    update webhook_delivery set attempts = :attempts, last_status = :status, error = :error,
      last_attempt_at = :now, next_attempt_at = :due_at
    where endpoint_id = :endpoint_id and event_id = :event_id and position = :position
    """
)
_WAIT_UNTIL = text(
    """
    update webhook_line set due_at = :due_at, lease_until = null, lease_holder = null
    where endpoint_id = :endpoint_id and subject = :subject
    """
)
_LEAVE_IF_EMPTY = text(
    """
    delete from webhook_line l where endpoint_id = :endpoint_id and subject = :subject and not exists (
      select from webhook_delivery d
      where d.endpoint_id = l.endpoint_id and d.subject = l.subject and d.state = 'pending'
    )
    """
)
_HASTEN = text(
    """
    update webhook_line set due_at = :now where (endpoint_id, subject) in (
      select endpoint_id, subject from webhook_line where endpoint_id = :endpoint_id order by subject for update
    )
    """
)
_FORGET_ATTEMPTS = text(
    """
    update webhook_delivery set attempts = 0, next_attempt_at = null
    where endpoint_id = :endpoint_id and state = 'pending' and attempts > 0
    """
)
_PUT_BACK = text(
    """
    update webhook_delivery set state = 'pending', attempts = 0, next_attempt_at = null, delivered_at = null
    where endpoint_id = :endpoint_id and event_id = :event_id
    """
)
_DUE_NOW = text("update webhook_line set due_at = :now where endpoint_id = :endpoint_id and subject = :subject")
_SUBJECT_OF = text("select subject from webhook_delivery where endpoint_id = :endpoint_id and event_id = :event_id")
_LOCK_ALL_LINES = text("select 1 from webhook_line where endpoint_id = :endpoint_id order by subject for update")
_TAKE_OUT = text(
    """
    delete from webhook_delivery d using event e
    where d.endpoint_id = :endpoint_id and d.state = 'pending' and d.source = :own
      and e.subject = d.subject and e.seq = d.seq and e.id > :behind
    """
)
_DELETE_LINES = text(
    """
    delete from webhook_line where (endpoint_id, subject) in (
      select endpoint_id, subject from webhook_line where endpoint_id = :endpoint_id order by subject for update
    )
    """
)
_DELETE_DELIVERIES = text("delete from webhook_delivery where endpoint_id = :endpoint_id")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fed:
    """An endpoint that has something to be fed: what is of these types (empty: all) behind a position."""

    endpoint_id: UUID
    position: int
    types: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """The first delivery of a line that is ours until its lease ends: `holder` proves it.

    `asked` is when, by the monotonic clock of this process, the lease had not yet begun; `was_failing` says whether the
    endpoint's last attempt had failed.
    """

    endpoint_id: UUID
    subject: str
    url: str
    was_failing: bool
    event_id: UUID
    position: int
    type: str
    body: bytes
    attempts: int
    holder: UUID
    asked: float

    @property
    def lane(self) -> str:
        """All share the places of a process; `sending` deals them out."""
        return "webhooks"


async def add_letters(tx: Transaction, letters: Sequence[tuple[UUID, Letter]], *, again: bool = False) -> None:
    """Put events at the ends of their lines, in the order given.

    Args:
        letters: (endpoint, event) pairs.
        again: an event that the endpoint has in its log is put there anew; else it is left as it is.
    """
    if not letters:
        return
    lines = {"endpoints": [to for to, _ in letters], "subjects": [letter.subject for _, letter in letters]}
    await tx.connection.execute(_LOCK_LINES, lines | {"now": tx.now})
    values = {
        "events": [letter.event_id for _, letter in letters],
        "sources": [letter.source for _, letter in letters],
        "seqs": [letter.seq for _, letter in letters],
        "types": [letter.type for _, letter in letters],
        "bodies": [letter.body for _, letter in letters],
        "now": tx.now,
    }
    await tx.connection.execute(_ADD_AGAIN if again else _ADD_NEW, lines | values)


async def is_anybody_fed(connection: AsyncConnection) -> bool:
    """Whether there is an enabled endpoint at all."""
    return (await connection.execute(_ANY_FED)).first() is not None


async def list_fed(connection: AsyncConnection, *, horizon: int) -> list[Fed]:
    """The enabled endpoints that were not yet fed up to there."""
    rows = await connection.execute(_FED, {"horizon": horizon})
    return [Fed(endpoint_id=row.endpoint_id, position=row.position, types=tuple(row.types)) for row in rows]


async def lock_feed(connection: AsyncConnection, endpoint_id: UUID) -> int | None:
    """How far an endpoint was fed, locked; None where somebody else is at it, or it was deleted."""
    return await connection.scalar(_LOCK_FEED, {"endpoint_id": endpoint_id})


async def list_archived(
    connection: AsyncConnection, fed: Fed, *, after: int, horizon: int, limit: int
) -> tuple[list[Event], int]:
    """Our own events for an endpoint behind a position, and the position up to which that is all there is."""
    until = min(horizon, after + _FEED_WINDOW)
    page = {"after": after, "until": until, "limit": limit}
    values = page | {"endpoint_id": fed.endpoint_id, "types": list(fed.types)}
    rows = (await connection.execute(_ARCHIVE, values)).all()
    events = [decode_event(kafka_headers(row.headers, row.seq), row.payload) for row in rows]
    return events, rows[-1].id if len(rows) == limit else until


async def move_feed(connection: AsyncConnection, endpoint_id: UUID, *, position: int) -> None:
    """Note how far a locked feed has come."""
    await connection.execute(_MOVE_FEED, {"endpoint_id": endpoint_id, "position": position})


async def count_pending(connection: AsyncConnection, endpoint_id: UUID, *, limit: int) -> int:
    """How many deliveries an endpoint waits for, counted no further than `limit`."""
    return (await connection.execute(_COUNT_PENDING, {"endpoint_id": endpoint_id, "limit": limit})).scalar_one()


async def list_due_endpoints(connection: AsyncConnection, *, now: datetime) -> list[tuple[UUID, bool]]:
    """The endpoints that have a line that is due and nobody is at, each with whether its last attempt failed."""
    return [(row.endpoint_id, row.failing) for row in await connection.execute(_DUE_ENDPOINTS, {"now": now})]


async def claim_heads(
    tx: Transaction, *, rooms: Mapping[UUID, int], holder: UUID, lease: timedelta, asked: float
) -> list[Claimed]:
    """Take lines that are due and nobody is at, first due first, with the first delivery of each.

    Args:
        rooms: how many lines at most, by endpoint.
        holder: a new id for each claim.
        asked: see `Claimed`.
    """
    wanted = {"endpoints": list(rooms), "rooms": list(rooms.values()), "now": tx.now, "holder": holder, "lease": lease}
    lines = (await tx.connection.execute(_CLAIM, wanted)).all()
    if not lines:
        return []
    named = {"endpoints": [line.endpoint_id for line in lines], "subjects": [line.subject for line in lines]}
    heads = (await tx.connection.execute(_HEADS, named)).all()
    for head in heads:
        if head.event_id is None:
            # Its last delivery was deleted by age.
            await _leave(tx, head)
    return [_claimed(head, holder, asked) for head in heads if head.event_id is not None]


async def lock_claimed(tx: Transaction, claimed: Claimed) -> bool:
    """Lock the line; False where the lease ended and somebody else took it, or it was deleted."""
    values = {"endpoint_id": claimed.endpoint_id, "subject": claimed.subject, "holder": claimed.holder}
    return (await tx.connection.execute(_LOCK_CLAIMED, values)).one_or_none() is not None


async def save_delivered(tx: Transaction, claimed: Claimed, *, status: int | None) -> None:
    """End the delivery of a locked line and let the next one be due, if there is one."""
    await tx.connection.execute(_DELIVERED, _settled(tx, claimed) | {"status": status})
    line = {"endpoint_id": claimed.endpoint_id, "subject": claimed.subject}
    if (await tx.connection.execute(_LEAVE_IF_EMPTY, line)).rowcount == 0:
        await tx.connection.execute(_WAIT_UNTIL, line | {"due_at": tx.now})


async def save_failed(
    tx: Transaction, claimed: Claimed, *, status: int | None, error: str, due_at: datetime | None
) -> None:
    """Keep the failure of a locked line's delivery.

    Args:
        due_at: of the next attempt; None where the endpoint is disabled.
    """
    failure = {"status": status, "error": error, "due_at": due_at}
    await tx.connection.execute(_FAILED, _settled(tx, claimed) | failure)
    line = {"endpoint_id": claimed.endpoint_id, "subject": claimed.subject}
    await tx.connection.execute(_WAIT_UNTIL, line | {"due_at": due_at or tx.now})


async def begin_anew(tx: Transaction, endpoint_id: UUID) -> None:
    """Let every line of a locked endpoint be due, with all attempts before it."""
    await tx.connection.execute(_HASTEN, {"endpoint_id": endpoint_id, "now": tx.now})
    await tx.connection.execute(_FORGET_ATTEMPTS, {"endpoint_id": endpoint_id})


async def put_back(tx: Transaction, endpoint_id: UUID, event_id: UUID) -> bool:
    """Let a delivery be made again and its line be due; False where the log has none."""
    named = {"endpoint_id": endpoint_id, "event_id": event_id}
    subject = await tx.connection.scalar(_SUBJECT_OF, named)
    if subject is None:
        return False
    line = {"endpoints": [endpoint_id], "subjects": [subject], "now": tx.now}
    await tx.connection.execute(_LOCK_LINES, line)
    await tx.connection.execute(_PUT_BACK, named)
    # A lease stays: what is under way goes first, whatever it is.
    await tx.connection.execute(_DUE_NOW, {"endpoint_id": endpoint_id, "subject": subject, "now": tx.now})
    return True


async def take_out(tx: Transaction, endpoint_id: UUID, *, own_source: str, behind: int) -> None:
    """Take out of the lines of a locked endpoint what waits of our own events and lies behind a position."""
    await tx.connection.execute(_LOCK_ALL_LINES, {"endpoint_id": endpoint_id})
    await tx.connection.execute(_TAKE_OUT, {"endpoint_id": endpoint_id, "own": own_source, "behind": behind})


async def delete_lines(tx: Transaction, endpoint_id: UUID) -> None:
    """Delete everything that waits for an endpoint that is locked or gone, and its log."""
    await tx.connection.execute(_DELETE_LINES, {"endpoint_id": endpoint_id})
    await tx.connection.execute(_DELETE_DELIVERIES, {"endpoint_id": endpoint_id})


async def _leave(tx: Transaction, line: Row[tuple[object, ...]]) -> None:
    await tx.connection.execute(_LEAVE_IF_EMPTY, {"endpoint_id": line.endpoint_id, "subject": line.subject})


def _settled(tx: Transaction, claimed: Claimed) -> dict[str, object]:
    return {
        "endpoint_id": claimed.endpoint_id,
        "event_id": claimed.event_id,
        "position": claimed.position,
        "attempts": claimed.attempts + 1,
        "now": tx.now,
    }


def _claimed(head: Row[tuple[object, ...]], holder: UUID, asked: float) -> Claimed:
    return Claimed(
        endpoint_id=head.endpoint_id,
        subject=head.subject,
        url=head.url,
        was_failing=head.failing,
        event_id=head.event_id,
        position=head.position,
        type=head.type,
        body=head.body,
        attempts=head.attempts,
        holder=holder,
        asked=asked,
    )
