"""What feedback knows of a ticket and of the person who asked, folded from the events of intake and routing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from contracts.intake import (
    MessageAdded,
    RequesterCreated,
    RequesterUpdated,
    TicketClassified,
    TicketCreated,
    TicketPriorityChanged,
    TicketReopened,
    TicketResolved,
    TicketStatusChanged,
    TicketUpdated,
)
from contracts.registry import Body

_BEGINNINGS = frozenset({"new", "on_hold"})
"""A ticket of our own begins new, a proactive one may begin on hold; only an imported one begins elsewhere."""

_RESOLVED = frozenset({"resolved", "closed"})


class Reopening(StrEnum):
    """Whether a resolution can be taken back: it can, it was already, or it stands for good."""

    POSSIBLE = "possible"
    DONE = "done"
    TOO_LATE = "too_late"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """The facts of one ticket.

    Attributes:
        resolution_seq: of the last resolution; 0: it never was.
        resolved_at: of the resolution that stands; None where none does.
        reopen_until: how long it may be opened again; None where an earlier release of intake did not tell it.
    """

    ticket_id: UUID
    number: int
    requester_id: UUID
    channel: str
    system: str
    category: str
    priority: str
    language: str
    status: str
    imported: bool
    human_replied: bool = False
    resolution_seq: int = 0
    resolution_code: str = ""
    resolved_at: datetime | None = None
    reopen_until: datetime | None = None

    def facts(self) -> Mapping[str, object]:
        """What the match rules of survey policies may ask."""
        return {name: getattr(self, name) for name in ("category", "channel", "language", "priority", "system")}

    def is_at(self, resolution_seq: int) -> bool:
        """Whether this resolution is the one that stands; a merged or cancelled ticket has none."""
        return self.resolution_seq == resolution_seq and self.resolved_at is not None and self.status in _RESOLVED

    def reopening_of(self, resolution_seq: int, *, now: datetime) -> Reopening:
        """Whether the ticket can be opened again because of this resolution, as far as intake has told us."""
        if not self.is_at(resolution_seq):
            return Reopening.DONE
        over = self.reopen_until is not None and now > self.reopen_until
        return Reopening.TOO_LATE if over or self.status != "resolved" else Reopening.POSSIBLE


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A person who asks. Empty texts are not known; `timezone` is an IANA name, `agent_id` the agent that they are."""

    requester_id: UUID
    language: str
    timezone: str
    agent_id: UUID | None = None


def open_ticket(body: TicketCreated) -> Ticket:
    """The ticket as it was accepted."""
    return Ticket(
        ticket_id=body.ticket_id,
        number=body.number,
        requester_id=body.requester_id,
        channel=body.source.channel,
        system=body.source.system,
        category=body.category,
        priority=body.priority,
        language=body.language,
        status=body.status,
        imported=body.status not in _BEGINNINGS,
    )


def follow(ticket: Ticket, body: Body, *, at: datetime) -> Ticket:
    """The ticket after one more event; the same value where the event says nothing that feedback keeps."""
    match body:
        case TicketUpdated() if any(each.field == "language" for each in body.changed):
            return replace(ticket, language=body.language)
        case TicketClassified():
            return replace(ticket, category=body.category)
        case TicketPriorityChanged():
            return replace(ticket, priority=body.new)
        case TicketStatusChanged():
            return replace(ticket, status=body.new)
        case TicketResolved():
            return replace(
                ticket,
                resolution_seq=body.resolution_seq,
                resolution_code=body.resolution_code,
                resolved_at=at,
                reopen_until=body.reopen_until,
            )
        case TicketReopened():
            # Not left to the status: that is told as resolved again before the next resolution has its number.
            return replace(ticket, resolved_at=None, reopen_until=None)
        case MessageAdded(direction="outbound", author_type="agent"):
            return replace(ticket, human_replied=True)
        case _:
            return ticket


def person_of(body: RequesterCreated | RequesterUpdated) -> Person:
    """The person as the event has it: every one of them repeats all values."""
    return Person(
        requester_id=body.requester_id, language=body.language, timezone=body.timezone, agent_id=body.agent_id
    )
