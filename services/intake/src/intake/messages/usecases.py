"""What the service can do with messages."""

from datetime import timedelta
from uuid import UUID

import msgspec

from common.errors import Conflict
from common.ids import new_id
from common.transaction import Transaction
from intake.messages import store
from intake.messages.domain import (
    Author,
    AuthorType,
    Direction,
    Message,
    NewMessage,
    author_of,
    check_flags,
    counts_as_response,
)
from intake.tickets import usecases as tickets
from intake.tickets.domain import FINAL, Heard, Status, Ticket, takes_contact


async def add_message(tx: Transaction, ticket_id: UUID, wanted: NewMessage, *, reopen_window: timedelta) -> Message:
    """Say something on a ticket, with what it does to the ticket's status.

    A requester who writes after the end (on a final ticket, or on one resolved longer ago than the reopen window)
    is heard on a follow-up ticket of their own: the newest one that is still alive, else a new one. An automation is
    heard on a closed ticket too, as long as it answers nothing: a survey asks about a resolution that was confirmed.

    Returns:
        The message; its `ticket_id` is another than the given one where it went to a follow-up ticket.
    Raises:
        NotFound: there is no such ticket.
        InvalidInput: author, direction and flags do not fit.
        Conflict: ticket_final for our own words on a final ticket; transition_not_allowed where awaits_customer is
            set and the ticket's status cannot wait.
    """
    ticket = await tickets.lock(tx, ticket_id)
    author = author_of(wanted, requester_id=ticket.requester_id, agent_id=tx.origin.agent_id)
    check_flags(wanted, author)
    contact = wanted.direction is Direction.INBOUND and not wanted.ack_only
    if contact and not takes_contact(ticket, now=tx.now, reopen_window=reopen_window):
        ticket = await tickets.follow_up(tx, ticket, channel=wanted.channel, reopen_window=reopen_window)
    if (
        ticket.status in FINAL
        and wanted.direction is not Direction.INBOUND
        and not _is_afterword(ticket, wanted, author)
    ):
        raise Conflict(f"the ticket is {ticket.status}: nothing is added to it any more", code="ticket_final")
    return await _say(tx, ticket, wanted, author)


async def _say(tx: Transaction, ticket: Ticket, wanted: NewMessage, author: Author) -> Message:
    message = Message(
        id=new_id(),
        ticket_id=ticket.id,
        position=ticket.message_count + 1,
        requester_id=ticket.requester_id,
        direction=wanted.direction,
        author_type=author.type,
        author_id=author.id,
        channel=wanted.channel or ticket.source_channel,
        body=wanted.body,
        counts_as_response=counts_as_response(wanted, author),
        awaits_customer=wanted.awaits_customer,
        ack_only=wanted.ack_only,
        created_at=tx.now,
    )
    # In the events, an agent who speaks is also the one who acts.
    speaks = author.type is AuthorType.AGENT
    origin = msgspec.structs.replace(tx.origin, actor=f"agent:{author.id}") if speaks else tx.origin
    await store.add_message(tx.connection, message)
    tx.add_events(ticket.event_subject, [message.told()], origin=origin)
    await tickets.hear(tx, ticket, _heard(message), origin=origin)
    return message


def _is_afterword(ticket: Ticket, wanted: NewMessage, author: Author) -> bool:
    by_automation = author.type in (AuthorType.AUTOMATION, AuthorType.SYSTEM)
    to_customer = wanted.direction is Direction.OUTBOUND and not counts_as_response(wanted, author)
    return ticket.status is Status.CLOSED and by_automation and to_customer


def _heard(message: Message) -> Heard:
    """What the ticket needs to know of the message."""
    return Heard(
        position=message.position,
        by_customer=message.direction is Direction.INBOUND and not message.ack_only,
        by_agent=message.direction is Direction.OUTBOUND and message.author_type is AuthorType.AGENT,
        counts_as_response=message.counts_as_response,
        awaits_customer=message.awaits_customer,
    )
