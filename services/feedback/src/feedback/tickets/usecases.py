"""What can be done with the projection: fold a batch of events into it, and read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Transaction
from contracts.envelope import Event
from contracts.intake import RequesterCreated, RequesterUpdated, TicketCreated
from contracts.registry import Body, decode_body
from contracts.routing import AgentRegistered
from feedback.tickets import store
from feedback.tickets.domain import Person, Ticket, follow, open_ticket, person_of

_TICKET = "ticket/"


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketChange:
    """One event about a known ticket: what it says, and the facts after it."""

    event: Event
    body: Body
    after: Ticket


async def follow_tickets(tx: Transaction, events: Sequence[Event]) -> list[TicketChange]:
    """Fold events about tickets, people and agents, in their order per subject, into the projections.

    An event about a ticket that is not known says nothing: nobody can be asked about it. The tickets of all events stay
    locked until the transaction ends, also of those that change nothing here: whoever looks at them afterwards, in the
    same transaction, decides on what stands.

    Returns:
        The events about known tickets, in their order.
    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    about_tickets = [event for event in events if event.subject.startswith(_TICKET)]
    await _note_others(tx, [event for event in events if not event.subject.startswith(_TICKET)])
    if not about_tickets:
        return []
    tickets = await store.lock_tickets(tx.connection, sorted({UUID(event.subject_id) for event in about_tickets}))
    known = dict(tickets)
    changes: list[TicketChange] = []
    for event in about_tickets:
        body = decode_body(event)
        before = tickets.get(UUID(event.subject_id))
        if isinstance(body, TicketCreated):
            after = open_ticket(body)
        elif body is not None and before is not None:
            after = follow(before, body, at=event.time)
        else:
            continue
        tickets[after.ticket_id] = after
        changes.append(TicketChange(event=event, body=body, after=after))
    changed = [ticket for ticket_id, ticket in tickets.items() if known.get(ticket_id) != ticket]
    if changed:
        await store.save_tickets(tx.connection, changed)
    return changes


async def _note_others(tx: Transaction, events: Sequence[Event]) -> None:
    people: dict[UUID, Person] = {}
    agents: set[UUID] = set()
    for event in events:
        match decode_body(event):
            case RequesterCreated() | RequesterUpdated() as body:
                people[body.requester_id] = person_of(body)
            case AgentRegistered() as body:
                agents.add(body.agent_id)
            case _:
                pass
    if people:
        await store.save_people(tx.connection, people.values())
    if agents:
        await store.add_agents(tx.connection, sorted(agents))


async def list_tickets(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """Those of the given tickets that are known."""
    return await store.list_tickets(connection, ids)


async def lock_tickets(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """Those of the given tickets that are known, locked until the transaction ends. Lock them before anything else."""
    return await store.lock_tickets(connection, ids)


async def list_people(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Person]:
    """Those of the given people of whom something is known."""
    return await store.list_people(connection, ids)


async def list_colleagues(connection: AsyncConnection, requester_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the given people who are agents."""
    return await store.list_colleagues(connection, requester_ids)
