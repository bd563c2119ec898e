"""What routing keeps of a ticket's events."""

from datetime import UTC, datetime
from uuid import UUID

from contracts.intake import (
    MessageAdded,
    TicketClassified,
    TicketCreated,
    TicketPriorityChanged,
    TicketStatusChanged,
    TicketUpdated,
)
from contracts.words import Change, SkillNeed, Source
from routing.tickets.domain import Ticket, follow, open_ticket

TICKET = UUID(int=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def opened() -> Ticket:
    """A ticket with a hint of its skills."""
    body = TicketCreated(
        ticket_id=TICKET,
        number=7,
        source=Source(channel="web", system="shop"),
        requester_id=UUID(int=2),
        impact=2,
        urgency=2,
        priority="high",
        tags=("vip",),
        skills_hint=(SkillNeed(skill="net", level=2),),
    )
    return open_ticket(body, at=NOW)


def test_the_facts_are_those_that_a_rule_may_ask() -> None:
    facts = opened().facts()
    assert (facts["channel"], facts["system"], facts["tags"], facts["organisation_id"]) == (
        "web",
        "shop",
        ("vip",),
        None,
    )


def test_a_classification_replaces_the_hint_even_by_nothing() -> None:
    body = TicketClassified(
        ticket_id=TICKET, category="net", component="dns", skills_required=(), tier_required=2, by="agent"
    )
    ticket = follow(opened(), body)
    assert (ticket.skills, ticket.tier_required, ticket.category, ticket.component) == ((), 2, "net", "dns")


def test_plain_changes_take_the_fields_that_are_named() -> None:
    body = TicketUpdated(
        ticket_id=TICKET,
        changed=(Change(field="language", old="", new="de"), Change(field="impact", old=2, new=1)),
        language="de",
        product="not named, so not changed",
    )
    ticket = follow(opened(), body)
    assert (ticket.language, ticket.impact, ticket.product) == ("de", 1, "")


def test_status_and_priority_follow_and_messages_change_nothing() -> None:
    ticket = follow(opened(), TicketPriorityChanged(ticket_id=TICKET, old="high", new="low", reason="override"))
    ticket = follow(ticket, TicketStatusChanged(ticket_id=TICKET, old="new", new="on_hold"))
    assert (ticket.priority, ticket.is_paused, ticket.is_finished) == ("low", True, False)
    message = MessageAdded(
        ticket_id=TICKET,
        message_id=UUID(int=3),
        direction="inbound",
        author_type="requester",
        channel="web",
        counts_as_response=False,
        awaits_customer=False,
        ack_only=False,
    )
    assert follow(ticket, message) is ticket
