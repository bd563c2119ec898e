"""Read-only questions over all slices: lists, single things, and the timeline. Imported by api rooms only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, literal_column, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import InvalidInput, NotFound
from common.web import decode_cursor, encode_cursor
from contracts.envelope import Event, decode_event, kafka_headers, subject_of
from intake.messages import store as messages
from intake.messages.domain import Message
from intake.requesters import store as requesters
from intake.requesters.domain import Organisation, Requester
from intake.requesters.schemas import ListRequestersQuery
from intake.tickets import store as tickets
from intake.tickets.domain import Ticket
from intake.tickets.schemas import ListTicketsQuery
from intake.tickets.tables import ticket
from intake.webhooks import log as webhook_log
from intake.webhooks import store as webhooks
from intake.webhooks.domain import Delivery, Endpoint
from intake.webhooks.keys import SigningKey
from intake.webhooks.schemas import ListDeliveriesQuery

_ORDERS = {
    "created_at": (ticket.c.created_at, False),
    "-created_at": (ticket.c.created_at, True),
    "updated_at": (ticket.c.updated_at, False),
    "-updated_at": (ticket.c.updated_at, True),
}

_OWN_EVENTS = text(
    """
    select seq, headers, payload from event
    where subject = :subject and seq > :after
    order by seq limit :limit
    """
)
# Per source, an event's effective time is the later of its own and its predecessor's: so sorting by time, across
# sources whose clocks differ, never breaks a source's own order.
_TIMELINE = text(
    """
    with told as (
      select cast(:own as text) as source, seq, occurred_at, headers, payload as data, null::uuid as event_id,
        null as type, null as actor, null as correlation_id, null as causation_id, null as traceparent
      from event where subject = :subject
      union all
      select source, seq, occurred_at, null, data, event_id, type, actor, correlation_id, causation_id, traceparent
      from kept_event where ticket_id = :ticket_id
    ),
    ordered as (
      select *, max(occurred_at) over (partition by source order by seq) as effective_at from told
    )
    select * from ordered
    where cast(:after_at as timestamptz) is null
      or (effective_at, source, seq) > (cast(:after_at as timestamptz), :after_source, :after_seq)
    order by effective_at, source, seq limit :limit
    """
)


async def get_ticket(connection: AsyncConnection, ticket_id: UUID) -> Ticket:
    """One ticket.

    Raises:
        NotFound: there is none of that id.
    """
    return await tickets.get_ticket(connection, ticket_id)


async def get_by_ref(connection: AsyncConnection, system: str, external_ref: str) -> Ticket:
    """The ticket under a natural reference.

    Raises:
        NotFound: there is none.
    """
    found = await tickets.find_by_ref(connection, system, external_ref)
    if found is None:
        raise NotFound(f"there is no ticket {external_ref} of {system}")
    return found


async def get_requester(connection: AsyncConnection, requester_id: UUID) -> Requester:
    """One person.

    Raises:
        NotFound: there is none of that id.
    """
    return await requesters.get_requester(connection, requester_id)


async def list_requesters(
    connection: AsyncConnection, query: ListRequestersQuery
) -> tuple[Sequence[Requester], str | None]:
    """A page of the persons that fit, and the cursor of the next page.

    Raises:
        InvalidInput: the cursor belongs to another list.
    """
    behind = decode_cursor(query.cursor, UUID)
    found = await requesters.list_requesters(
        connection,
        system=query.system,
        external_id=query.external_id,
        organisation_id=query.organisation,
        after=behind[0] if behind else None,
        limit=query.limit + 1,
    )
    page = found[: query.limit]
    return page, encode_cursor(page[-1].id) if len(found) > query.limit else None


async def get_organisation(connection: AsyncConnection, organisation_id: UUID) -> Organisation:
    """One organisation.

    Raises:
        NotFound: there is none of that id.
    """
    return await requesters.get_organisation(connection, organisation_id)


async def list_tickets(connection: AsyncConnection, query: ListTicketsQuery) -> tuple[Sequence[Ticket], str | None]:
    """A page of the tickets that fit, and the cursor of the next page.

    Tickets that stand when the first page is read are each on exactly one page, also while others are opened; one that
    moves in the order (by `updated_at`) while pages are read may be met again.

    Raises:
        InvalidInput: the cursor belongs to another list.
    """
    column, descending = _ORDERS[query.sort]
    wanted = select(ticket).where(*_conditions(query))
    behind = decode_cursor(query.cursor, str, datetime, UUID)
    if behind is not None:
        wanted = wanted.where(_behind(query.sort, column, behind, descending))
    keys = (column.desc(), ticket.c.id.desc()) if descending else (column, ticket.c.id)
    rows = (await connection.execute(wanted.order_by(*keys).limit(query.limit + 1))).mappings().all()
    page = [tickets.load(row) for row in rows[: query.limit]]
    if len(rows) <= query.limit:
        return page, None
    last = page[-1]
    reached = last.created_at if column is ticket.c.created_at else last.updated_at
    return page, encode_cursor(query.sort, reached, last.id)


async def list_messages(connection: AsyncConnection, ticket_id: UUID, *, after: int, limit: int) -> Sequence[Message]:
    """A ticket's messages behind a position, in order.

    Raises:
        NotFound: there is no such ticket.
    """
    found = await messages.list_messages(connection, ticket_id, after=after, limit=limit)
    if not found:
        await tickets.get_ticket(connection, ticket_id)
    return found


async def list_own_events(
    connection: AsyncConnection, ticket_id: UUID, *, after_sequence: int, limit: int
) -> Sequence[Event]:
    """Our own events about a ticket, behind a sequence number.

    Raises:
        NotFound: there is no such ticket.
    """
    given = {"subject": subject_of("ticket", ticket_id), "after": after_sequence, "limit": limit}
    rows = (await connection.execute(_OWN_EVENTS, given)).all()
    if not rows:
        await tickets.get_ticket(connection, ticket_id)
    return [decode_event(kafka_headers(row.headers, row.seq), row.payload) for row in rows]


async def list_timeline(
    connection: AsyncConnection, ticket_id: UUID, *, own_source: str, cursor: str | None, limit: int
) -> tuple[Sequence[tuple[datetime, Event]], str | None]:
    """What happened to a ticket, told by all services, in fold order: by effective time, then source, then sequence.

    Args:
        own_source: our own `ce_source`.
    Returns:
        (effective time, event) pairs, and the cursor of the next page.
    Raises:
        NotFound: there is no such ticket.
        InvalidInput: the cursor belongs to another list.
    """
    after = decode_cursor(cursor, datetime, str, int) or (None, "", 0)
    given = {
        "own": own_source,
        "subject": subject_of("ticket", ticket_id),
        "ticket_id": ticket_id,
        "after_at": after[0],
        "after_source": after[1],
        "after_seq": after[2],
        "limit": limit + 1,
    }
    rows = (await connection.execute(_TIMELINE, given)).all()
    if not rows:
        await tickets.get_ticket(connection, ticket_id)
    page = rows[:limit]
    more = encode_cursor(page[-1].effective_at, page[-1].source, page[-1].seq) if len(rows) > limit else None
    return [(row.effective_at, _event(row, ticket_id)) for row in page], more


async def list_webhooks(
    connection: AsyncConnection, *, client_id: str | None, now: datetime, cursor: str | None, limit: int
) -> tuple[Sequence[Endpoint], Sequence[SigningKey], str | None]:
    """A page of a client's endpoints, or of everybody's, all their keys that sign now, and the next page's cursor.

    Raises:
        InvalidInput: the cursor belongs to another list.
    """
    behind = decode_cursor(cursor, UUID)
    found = await webhooks.list_endpoints(
        connection, client_id=client_id, after=behind[0] if behind else None, limit=limit + 1
    )
    page = found[:limit]
    keys = await webhooks.list_keys(connection, [endpoint.endpoint_id for endpoint in page], now=now)
    return page, keys, encode_cursor(page[-1].endpoint_id) if len(found) > limit else None


async def get_webhook(
    connection: AsyncConnection, endpoint_id: UUID, *, client_id: str | None, now: datetime
) -> tuple[Endpoint, Sequence[SigningKey]]:
    """One endpoint and its keys that sign now.

    Raises:
        NotFound: there is none of that id, or it is another client's.
    """
    endpoint = await webhooks.get_endpoint(connection, endpoint_id, client_id=client_id)
    return endpoint, await webhooks.list_keys(connection, [endpoint_id], now=now)


async def list_deliveries(
    connection: AsyncConnection, endpoint_id: UUID, query: ListDeliveriesQuery, *, client_id: str | None
) -> tuple[Sequence[Delivery], str | None]:
    """A page of an endpoint's log, the newest first, and the next page's cursor.

    Raises:
        NotFound: there is none of that id, or it is another client's.
        InvalidInput: the cursor belongs to another list.
    """
    await webhooks.get_endpoint(connection, endpoint_id, client_id=client_id)
    behind = decode_cursor(query.cursor, int)
    found = await webhook_log.list_deliveries(
        connection,
        endpoint_id,
        state=query.state,
        subject=query.subject,
        before=behind[0] if behind else None,
        limit=query.limit + 1,
    )
    page = found[: query.limit]
    return page, encode_cursor(page[-1].position) if len(found) > query.limit else None


def _event(row: Any, ticket_id: UUID) -> Event:
    if row.headers is not None:
        return decode_event(kafka_headers(row.headers, row.seq), row.data)
    return Event(
        id=row.event_id,
        source=row.source,
        type=row.type,
        subject=subject_of("ticket", ticket_id),
        seq=row.seq,
        time=row.occurred_at,
        data=row.data,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
        actor=row.actor,
        traceparent=row.traceparent,
    )


def _behind(
    sort: str, column: ColumnElement[datetime], cursor: tuple[str, datetime, UUID], descending: bool
) -> ColumnElement[bool]:
    cursor_sort, reached, last_id = cursor
    if cursor_sort != sort:
        fault = ("query/cursor", "was made for another sort")
        raise InvalidInput("the cursor cannot be used", code="cursor_malformed", pointers=[fault])
    here, there = tuple_(column, ticket.c.id), tuple_(reached, last_id)
    return here < there if descending else here > there


def _conditions(query: ListTicketsQuery) -> list[ColumnElement[bool]]:
    columns = ticket.c
    known_words = (
        (columns.status, query.status),
        (columns.priority, query.priority),
        (columns.tier_required, query.tier),
        (columns.routing_state, query.routing_state),
        (columns.escalation_level, query.escalation_level),
        (columns.handoff_state, query.handoff_state),
        (columns.sla_state, query.sla_state),
    )
    alternatives = (
        (columns.owner_id, query.assignee),
        (columns.queue_id, query.queue),
        (columns.requester_id, query.requester),
        (columns.organisation_id, query.organisation),
        (columns.number, query.number),
    )
    conditions: list[ColumnElement[bool]] = [column.in_(values) for column, values in alternatives if values]
    # Written into the statement, so that its plan knows how rare each is and which partial index holds it.
    conditions += [
        column.in_(bindparam(None, sorted(set(words)), expanding=True, literal_execute=True))
        for column, words in known_words
        if words
    ]
    if query.tag:
        # The second condition lets the partial index serve the first.
        conditions += [columns.tags.contains(query.tag), columns.tags != literal_column("'{}'")]
    if query.created_after:
        conditions.append(columns.created_at > query.created_after)
    if query.created_before:
        conditions.append(columns.created_at < query.created_before)
    if query.updated_after:
        conditions.append(columns.updated_at > query.updated_after)
    if query.updated_before:
        conditions.append(columns.updated_at < query.updated_before)
    return conditions
