"""The public feed: a service's own events from its archive, page by page, without ever skipping a late commit.

Ids are drawn before a transaction commits, so a lower id can appear after a higher one. A page therefore ends at an
id below which nothing can still commit. Whoever writes events holds a lock on their table from before it draws an id
until its rows are visible; so the sequence is read first, then the writers of that moment, and when those have ended
everything up to that number is settled. (The relay's rule spends a transaction id for the same knowledge, and waits
for every writer of the whole server; a page that somebody waits for should do neither.)
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.envelope import Event, decode_event, kafka_headers

_WRITERS_LIMIT = timedelta(seconds=1)
_WRITERS_PAUSE = timedelta(milliseconds=3)

_LAST_DRAWN = text("select coalesce(pg_sequence_last_value(pg_get_serial_sequence('event', 'id')::regclass), 0)")
_WRITERS = text(
    """
    select virtualtransaction from pg_locks
    where locktype = 'relation' and relation = 'event'::regclass and mode = 'RowExclusiveLock' and granted
      and database = (select oid from pg_database where datname = current_database()) and pid <> pg_backend_pid()
    """
)
_PAGE = """
    select id, seq, headers, payload from event
    where id > :after and id <= :horizon {conditions}
    order by id limit :limit
"""


class FeedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the feed.

    Attributes:
        events: (position, event), ascending; positions have holes.
        next: where the following page starts: pass it as `after`. Equal to `after` where nothing new is settled.
    """

    events: tuple[tuple[int, Event], ...]
    next: int


async def list_feed(
    connection: AsyncConnection,
    after: int,
    *,
    types: Sequence[str] = (),
    subject: str = "",
    limit: int = 100,
) -> FeedPage:
    """The events behind a position. A caller that waits for more calls again, with a new transaction.

    Args:
        connection: READ COMMITTED, since each statement must see what was committed when it began.
        after: position of the last event seen; 0 starts at the beginning.
        types: only these names on the wire; empty for all.
        subject: only this "<kind>/<id>"; empty for all.
        limit: at most so many events.
    """
    horizon = await find_horizon(connection, after)
    if horizon is None:
        return FeedPage(events=(), next=after)
    conditions = ("and type = any(:types)" if types else "") + (" and subject = :subject" if subject else "")
    values: dict[str, object] = {"after": after, "horizon": horizon, "limit": limit}
    if types:
        values["types"] = list(types)
    if subject:
        values["subject"] = subject
    rows = (await connection.execute(text(_PAGE.format(conditions=conditions)), values)).all()
    events = tuple((row.id, decode_event(kafka_headers(row.headers, row.seq), row.payload)) for row in rows)
    return FeedPage(events=events, next=events[-1][0] if len(events) == limit else horizon)


async def find_horizon(connection: AsyncConnection, after: int) -> int | None:
    """The highest id that is settled now: nothing can be committed at or below it any more.

    Args:
        connection: READ COMMITTED, see `list_feed`.
    Returns:
        None where nothing behind `after` is settled, or its writers take too long.
    """
    drawn: int = (await connection.execute(_LAST_DRAWN)).scalar_one()
    if drawn <= after:
        return None
    try:
        async with asyncio.timeout(_WRITERS_LIMIT.total_seconds()):
            await _wait_for_writers(connection)
    except TimeoutError:
        return None
    return drawn


async def _wait_for_writers(connection: AsyncConnection) -> None:
    waiting = set((await connection.scalars(_WRITERS)).all())
    while waiting:
        await asyncio.sleep(_WRITERS_PAUSE.total_seconds())
        waiting &= set((await connection.scalars(_WRITERS)).all())
