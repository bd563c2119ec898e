"""How a ticket comes into being, as far as it needs no database: what a caller says, and what is told of it."""

from dataclasses import dataclass
from uuid import UUID

from contracts.envelope import subject_of
from contracts.intake import MessageAdded, RequesterCreated, RequesterUpdated, TicketCreated
from contracts.registry import Body
from contracts.words import SkillNeed, Source
from intake.requesters.domain import GivenRequester
from intake.tickets.domain import CustomValue, FirstMessage, Priority, Ticket


@dataclass(frozen=True, kw_only=True, slots=True)
class NewTicket:
    """What a caller says of a ticket to be opened. `requester` is given inline, or by the id of somebody known."""

    subject: str
    requester: GivenRequester | UUID
    channel: str
    system: str = ""
    external_ref: str = ""
    description: str = ""
    organisation_id: UUID | None = None
    category: str = ""
    component: str = ""
    product: str = ""
    impact: int = 3
    urgency: int = 3
    priority: Priority | None = None
    priority_reason: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()
    custom: dict[str, CustomValue] | None = None
    skills: tuple[SkillNeed, ...] = ()
    tier_required: int = 1
    proactive: bool = False
    follow_up_of: UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """A ticket to be opened; its number is not yet known.

    `requester` is the person to find or note, with the id they get if they are new; None where the ticket's
    `requester_id` is that of somebody known. `ticket.requester_id` is the new id until then.
    """

    ticket: Ticket
    requester: GivenRequester | None
    requester_organisation_id: UUID | None
    message: FirstMessage | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """What became of one opening. Without a number, another ticket stands under the natural key."""

    number: int | None
    requester_id: UUID | None
    organisation_id: UUID | None
    requester_organisation_id: UUID | None
    requester_is_new: bool
    requester_changed: tuple[str, ...]
    requester_language: str
    requester_timezone: str
    requester_agent_id: UUID | None


def first_message(wanted: NewTicket, *, message_id: UUID, requester_id: UUID, agent_id: UUID | None) -> FirstMessage:
    """The requester's words; on a proactive ticket, which we open ourselves, our own note."""
    by_us = wanted.proactive
    return FirstMessage(
        id=message_id,
        direction="internal" if by_us else "inbound",
        author_type="requester" if not by_us else "agent" if agent_id else "automation",
        author_id=agent_id if by_us else requester_id,
        body=wanted.description,
    )


def told_of_requester(opening: Opening, opened: Opened) -> tuple[str, Body] | None:
    """The event about the person, with its subject; None where nothing about them is new."""
    person = opening.requester
    if person is None:
        return None
    if opened.requester_is_new:
        requester_id = opening.ticket.requester_id
        return subject_of("requester", requester_id), RequesterCreated(
            requester_id=requester_id,
            organisation_id=opening.requester_organisation_id,
            language=person.language,
            timezone=person.timezone,
            agent_id=person.agent_id,
        )
    if opened.requester_changed and opened.requester_id is not None:
        return subject_of("requester", opened.requester_id), RequesterUpdated(
            requester_id=opened.requester_id,
            fields=opened.requester_changed,
            organisation_id=opened.requester_organisation_id,
            language=opened.requester_language,
            timezone=opened.requester_timezone,
            agent_id=opened.requester_agent_id,
        )
    return None


def told_of_ticket(ticket: Ticket, message: FirstMessage | None) -> tuple[Body, ...]:
    """The events about a ticket that was just opened."""
    created = TicketCreated(
        ticket_id=ticket.id,
        number=ticket.number,
        source=Source(channel=ticket.source_channel, system=ticket.source_system, external_ref=ticket.external_ref),
        requester_id=ticket.requester_id,
        impact=ticket.impact,
        urgency=ticket.urgency,
        priority=ticket.priority,
        organisation_id=ticket.organisation_id,
        category=ticket.category,
        component=ticket.component,
        product=ticket.product,
        language=ticket.language,
        tags=ticket.tags,
        skills_hint=ticket.skills,
        tier_required=ticket.tier_required,
        proactive=ticket.proactive,
        follow_up_of=ticket.follow_up_of,
    )
    if message is None:
        return (created,)
    added = MessageAdded(
        ticket_id=ticket.id,
        message_id=message.id,
        direction=message.direction,
        author_type=message.author_type,
        channel=ticket.source_channel,
        counts_as_response=False,
        awaits_customer=False,
        ack_only=False,
        author_id=ticket.requester_id if message.author_type == "requester" else message.author_id,
    )
    return created, added
