"""What can be done with the projection: read it, lock it, and fold a batch of events into it."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.intake import TicketCreated
from contracts.registry import decode_body
from escalation.tickets import store
from escalation.tickets.domain import EARLY_TYPES, FACT_TYPES, LOGGED_TYPES, Ticket, TicketChange, follow, open_ticket


async def follow_tickets(tx: Transaction, events: Sequence[Event]) -> list[TicketChange]:
    """Lock the tickets of a batch, fold its events, in their order per ticket, into the facts, and keep those that
    clocks count by.

    The topics overtake each other: what is told of a ticket before its creation is kept, and followed when that comes.

    Args:
        events: all of the batch that are about tickets, also those that move no facts: whatever a later handler locks
            belongs to these tickets, and is locked behind them.

    Returns:
        A change for each event that could be followed now; what had waited for a creation comes right behind it.
    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    tickets = await _lock_batch(tx, {UUID(event.subject_id) for event in events})
    kept = [event for event in events if event.type in LOGGED_TYPES]
    if kept:
        await store.add_log(tx.connection, kept)
    moving = [event for event in events if event.type in FACT_TYPES]
    opened = {UUID(event.subject_id) for event in moving if event.type == TicketCreated.event_type}
    new = sorted(opened - tickets.keys())
    waiting = await store.list_log(tx.connection, new, types=EARLY_TYPES) if new else {}
    known = dict(tickets)
    early: list[Event] = []
    changes: list[TicketChange] = []
    for event in moving:
        ticket_id = UUID(event.subject_id)
        if ticket_id not in tickets and event.type != TicketCreated.event_type:
            early.append(event)
            continue
        behind = waiting.pop(ticket_id, [])
        if event.type == TicketCreated.event_type:
            behind += [each for each in early if each.subject == event.subject]
            early = [each for each in early if each.subject != event.subject]
        for each in (event, *behind):
            change = _follow(tickets.get(ticket_id), each)
            if change is not None:
                tickets[ticket_id] = change.after
                changes.append(change)
    if early:
        await store.add_log(tx.connection, early)
    changed = [ticket for ticket_id, ticket in tickets.items() if known.get(ticket_id) != ticket]
    if changed:
        await store.save_tickets(tx.connection, changed)
    return changes


async def _lock_batch(tx: Transaction, ids: AbstractSet[UUID]) -> dict[UUID, Ticket]:
    """The known ones of these tickets, locked; no other one of them becomes known until the transaction ends.

    Two processes may hold the creation and what overtook it: without a lock on what is absent neither would see the
    other's. These locks come before those of rows, each kind in the order of ids.
    """
    absent = ids - await store.list_known(tx.connection, sorted(ids))
    if absent:
        await store.lock_absent(tx.connection, sorted(absent))
    return await store.list_tickets(tx.connection, sorted(ids), lock=True)


def _follow(before: Ticket | None, event: Event) -> TicketChange | None:
    body = decode_body(event)
    if isinstance(body, TicketCreated):
        after = open_ticket(body, at=event.time)
    elif body is not None and before is not None:
        after = follow(before, body)
    else:
        return None
    return TicketChange(event=event, body=body, before=before, after=after)


async def apply_tickets(tx: Transaction, events: Sequence[Event]) -> None:
    """As `follow_tickets`, for a handler."""
    await follow_tickets(tx, events)


async def list_tickets(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """Those of the given tickets that are known."""
    return await store.list_tickets(connection, ids)


async def lock_tickets(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """The same, locked in the order of their ids until the transaction ends."""
    return await store.list_tickets(tx.connection, sorted(set(ids)), lock=True)


async def find_ticket(connection: AsyncConnection, ticket_id: UUID) -> Ticket | None:
    """One ticket's facts; None where it is not known here (yet)."""
    return (await store.list_tickets(connection, [ticket_id])).get(ticket_id)


async def get_ticket(connection: AsyncConnection, ticket_id: UUID) -> Ticket:
    """One ticket's facts.

    Raises:
        NotFound: it is not known here (yet).
    """
    ticket = await find_ticket(connection, ticket_id)
    if ticket is None:
        raise NotFound("there is no such ticket")
    return ticket


async def lock_ticket(tx: Transaction, ticket_id: UUID) -> Ticket:
    """One ticket's facts, locked until the transaction ends.

    Raises:
        NotFound: it is not known here (yet).
    """
    ticket = (await store.list_tickets(tx.connection, [ticket_id], lock=True)).get(ticket_id)
    if ticket is None:
        raise NotFound("there is no such ticket")
    return ticket


async def list_log(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[Event]]:
    """What was told of these tickets of `LOGGED_TYPES`, each source's in its own order; without conversations."""
    return await store.list_log(connection, ids, types=LOGGED_TYPES)


async def list_early(connection: AsyncConnection, ids: Sequence[UUID], *, type_: str) -> dict[UUID, list[Event]]:
    """What was told of these tickets before their creation, of one of `EARLY_TYPES`; without conversations."""
    return await store.list_log(connection, ids, types=[type_])
