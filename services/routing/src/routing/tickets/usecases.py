"""What can be done with the projection: read it, and fold a batch of events into it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Transaction
from contracts.envelope import Event
from contracts.intake import TicketCreated
from contracts.registry import Body, decode_body
from routing.tickets import store
from routing.tickets.domain import Ticket, follow, open_ticket


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketChange:
    """One event about a known ticket: what it says, and the facts before (None where it opens one) and after it."""

    event: Event
    body: Body
    before: Ticket | None
    after: Ticket


async def follow_tickets(tx: Transaction, events: Sequence[Event]) -> list[TicketChange]:
    """Fold events, in their order per ticket, into the projection.

    An event about a ticket that is not known says nothing: a consumer that began after the ticket was opened has no
    facts to route it by.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    ids = {UUID(event.subject_id) for event in events}
    tickets = await store.list_tickets(tx.connection, sorted(ids))
    known = dict(tickets)
    changes: list[TicketChange] = []
    for event in events:
        body = decode_body(event)
        before = tickets.get(UUID(event.subject_id))
        if body is None:
            continue
        if isinstance(body, TicketCreated):
            after = open_ticket(body, at=event.time)
        elif before is not None:
            after = follow(before, body)
        else:
            continue
        tickets[after.ticket_id] = after
        changes.append(TicketChange(event=event, body=body, before=before, after=after))
    changed = [ticket for ticket_id, ticket in tickets.items() if known.get(ticket_id) != ticket]
    if changed:
        await store.save_tickets(tx.connection, changed)
    return changes


async def list_tickets(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """Those of the given tickets that are known."""
    return await store.list_tickets(connection, ids)
