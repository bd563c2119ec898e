"""What the tests of clocks share: calendars, policies, and stories of tickets as their producers tell them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.envelope import Event
from contracts.escalation import HandoffRequested
from contracts.intake import MessageAdded, TicketCreated, TicketPriorityChanged, TicketStatusChanged
from contracts.registry import EVENT_TYPES, Body, encode_body
from contracts.words import Source
from escalation.calendars.domain import ALWAYS_ID, DAY_S, OFFICE_HOURS_ID, Calendar, OpenHours
from escalation.calendars.usecases import open_hours
from escalation.sla.domain import DEFAULT_POLICY_ID, Book, Clock, Policy, Revision
from escalation.sla.effects import EMPTY, Folded
from escalation.sla.fold import IsLate, extend, fold

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
TICKET = UUID(int=0x7E57)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TARGETS: Mapping[str, Mapping[str, int]] = {
    "first_response": {"urgent": 900, "high": 3_600, "normal": 3_600, "low": 14_400},
    "next_response": {"urgent": 900, "high": 3_600, "normal": 3_600, "low": 14_400},
    "resolution": {"urgent": 3_600, "high": 14_400, "normal": 28_800, "low": 57_600},
    "handoff_accept": {"urgent": 1_800, "high": 1_800, "normal": 1_800, "low": 1_800},
}
EVERY_DAY = (((0, DAY_S),),) * 7
OFFICE = (*((((9 * 3_600, 17 * 3_600),),) * 5), (), ())


def calendar(**given: Any) -> Calendar:
    """A calendar that is always open, but for what is given."""
    values: dict[str, Any] = {
        "calendar_id": ALWAYS_ID,
        "version": 1,
        "name": "Always",
        "zone": "UTC",
        "week": EVERY_DAY,
        "created_at": MONDAY,
    }
    return Calendar(**{**values, **given})


def office(zone: str = "UTC", **given: Any) -> OpenHours:
    """Monday to Friday from nine to five."""
    return open_hours(
        calendar(**{"calendar_id": OFFICE_HOURS_ID, "name": "Office hours", "zone": zone, "week": OFFICE, **given})
    )


def policy(**given: Any) -> Policy:
    """The default policy, but for what is given."""
    values: dict[str, Any] = {
        "policy_id": DEFAULT_POLICY_ID,
        "version": 1,
        "state": "active",
        "name": "Default",
        "targets_s": TARGETS,
        "calendar_id": ALWAYS_ID,
        "created_at": MONDAY,
    }
    return Policy(**{**values, **given})


def book(*policies: Policy, hours: Sequence[OpenHours] = ()) -> Book:
    """These policies in this order, in force for ever; the default one alone where none is given."""
    known = [open_hours(calendar()), office(), *hours]
    asked = policies or (policy(),)
    revision = Revision(
        number=1,
        effective_from=datetime(1970, 1, 1, tzinfo=UTC),
        policies=tuple((each.policy_id, each.version) for each in asked),
        calendars={each.calendar.calendar_id: each.calendar.version for each in known},
    )
    return Book(
        [revision],
        {(each.policy_id, each.version): each for each in asked},
        {(each.calendar.calendar_id, each.calendar.version): each for each in known},
    )


def created(**given: Any) -> TicketCreated:
    """A new ticket."""
    values: dict[str, Any] = {
        "ticket_id": TICKET,
        "number": 1,
        "source": Source(channel="web"),
        "requester_id": UUID(int=2),
        "impact": 3,
        "urgency": 3,
        "priority": "normal",
    }
    return TicketCreated(**{**values, **given})


def moved(new: str, old: str = "", **given: Any) -> TicketStatusChanged:
    """A status move."""
    return TicketStatusChanged(ticket_id=TICKET, old=old, new=new, **given)


def prioritised(new: str) -> TicketPriorityChanged:
    """Another priority."""
    return TicketPriorityChanged(ticket_id=TICKET, old="", new=new, reason="override")


def inbound(*, ack_only: bool = False) -> MessageAdded:
    """The customer's word."""
    return _message("inbound", "requester", ack_only=ack_only)


def outbound(*, asks: bool = False, author: str = "agent", counts: bool = True) -> MessageAdded:
    """Our word to the customer."""
    return _message("outbound", author, awaits_customer=asks, counts_as_response=counts)


def _message(direction: str, author: str, **given: Any) -> MessageAdded:
    values: dict[str, Any] = {"counts_as_response": False, "awaits_customer": False, "ack_only": False, **given}
    return MessageAdded(
        ticket_id=TICKET, message_id=UUID(int=3), direction=direction, author_type=author, channel="web", **values
    )


def handoff_requested(handoff_id: UUID) -> HandoffRequested:
    """A handoff that waits for somebody."""
    return HandoffRequested(
        ticket_id=TICKET,
        handoff_id=handoff_id,
        from_agent_id=UUID(int=4),
        tier_required=2,
        reason_code="other",
        completeness=1.0,
        emergency=False,
        deadline=MONDAY,
        expires_at=MONDAY,
    )


@dataclass(kw_only=True)
class Story:
    """Events about one ticket as its producers tell them, each source with its own numbers."""

    events: list[Event] = field(default_factory=list[Event])

    def tell(self, at: datetime, *bodies: Body) -> "Story":
        """One more event for each body."""
        for body in bodies:
            producer = EVENT_TYPES[body.event_type].producer
            seq = 1 + sum(1 for event in self.events if event.source.endswith(producer))
            self.events.append(
                Event(
                    id=UUID(int=(seq << 16) + len(producer)),
                    source=f"/frontline/test/{producer}",
                    type=body.event_type,
                    subject=f"ticket/{TICKET}",
                    seq=seq,
                    time=at,
                    data=encode_body(body),
                )
            )
        return self

    def fold(self, rules: Book | None = None) -> dict[str, list[Clock]]:
        """The clocks at the end, by kind, in the order of their cycles."""
        _, clocks = fold(self.events, rules or book())
        found: dict[str, list[Clock]] = {}
        for clock in sorted(clocks.values(), key=lambda each: each.cycle):
            found.setdefault(clock.kind, []).append(clock)
        return found


@dataclass(kw_only=True)
class Follower:
    """What the consumer keeps of one ticket: it extends where it can, and folds anew from the log where it must."""

    rules: Book
    folded: Folded = EMPTY
    clocks: dict[UUID, Clock] = field(default_factory=dict[UUID, Clock])
    log: list[Event] = field(default_factory=list[Event])
    folds_anew: int = 0

    def follow(self, event: Event) -> None:
        """One more event, perhaps a repeated one."""
        self.log.append(event)
        moving = {clock_id: clock for clock_id, clock in self.clocks.items() if clock.may_return}
        try:
            self.folded, changed = extend(self.folded, moving, event, self.rules)
        except IsLate:
            self.folds_anew += 1
            self.folded, anew = fold(self.log, self.rules)
            self.clocks = dict(anew)
        else:
            self.clocks.update((clock.clock_id, clock) for clock in changed)
