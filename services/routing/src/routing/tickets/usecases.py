"""What can be done with the projection: read it, and fold a batch of events into it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Transaction
from contracts.envelope import Event
from contracts.escalation import EscalationLevelChanged
from contracts.intake import TicketCreated
from contracts.registry import Body, decode_body
from routing.tickets import store
from routing.tickets.domain import MAX_TIER, Ticket, follow, open_ticket

_FLOOR_TYPES = frozenset({TicketCreated.event_type, EscalationLevelChanged.event_type})


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketChange:
    """One event about a known ticket: what it says, and the facts before (None where it opens one) and after it."""

    event: Event
    body: Body
    before: Ticket | None
    after: Ticket


async def raise_floors(tx: Transaction, events: Sequence[Event]) -> dict[UUID, int]:
    """Note the tiers that escalation asks for, whether the tickets are known yet or not.

    Comes before the locks of work. A new ticket leaves a row too, so that the news of it and of its escalation, which
    travel by different topics, wait for each other.

    Returns:
        The floor of each ticket that is new or was escalated.
    """
    wanted: dict[UUID, int] = {}
    for event in events:
        body = decode_body(event) if event.type in _FLOOR_TYPES else None
        if isinstance(body, TicketCreated):
            wanted.setdefault(body.ticket_id, 1)
        elif isinstance(body, EscalationLevelChanged):
            wanted[body.ticket_id] = max(wanted.get(body.ticket_id, 1), min(body.tier_required, MAX_TIER))
    return await store.raise_floors(tx.connection, wanted) if wanted else {}


async def follow_tickets(tx: Transaction, events: Sequence[Event], *, floors: Mapping[UUID, int]) -> list[TicketChange]:
    """Fold events, in their order per ticket, into the projection.

    An event about a ticket that is not known says nothing: a consumer that began after the ticket was opened has no
    facts to route it by. The works of the tickets are locked, so that what is read here stays true.

    Args:
        floors: what `raise_floors` answered for these events.
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
            after = open_ticket(body, at=event.time, tier_floor=floors[body.ticket_id])
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
