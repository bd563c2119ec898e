"""What one event does to a ticket's clocks, and what must be remembered of a ticket to know it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from contracts.escalation import (
    HandoffAccepted,
    HandoffDeclined,
    HandoffExpired,
    HandoffRequested,
    HandoffWithdrawn,
)
from contracts.intake import (
    MessageAdded,
    TicketClassified,
    TicketCreated,
    TicketPriorityChanged,
    TicketStatusChanged,
    TicketUpdated,
)
from contracts.registry import Body
from escalation.sla import clocks as move
from escalation.sla.domain import (
    CANCELLED,
    FIRST_RESPONSE,
    HANDOFF_ACCEPT,
    NEXT_RESPONSE,
    OPEN_STATES,
    PAUSED,
    RESOLUTION,
    RUNNING,
    Book,
    Clock,
    Pinned,
    Policy,
)
from escalation.tickets.domain import FINISHED, Ticket, follow, open_ticket

_OVER = frozenset({"closed", "cancelled", "merged"})


class Reached(msgspec.Struct, frozen=True, gc=False):
    """How far a source has been folded: its last number, and the effective time of that event."""

    seq: int
    at: datetime


class Entry(NamedTuple):
    """An event in its place. Entries are folded in their order as tuples; no two have the first three alike."""

    at: datetime
    source: str
    seq: int
    event_id: UUID
    body: Body


class Folded(msgspec.Struct, frozen=True, kw_only=True):
    """What the fold remembers of a ticket, beside its clocks.

    Attributes:
        ticket: the facts so far; None before the ticket's creation.
        waiting: whether something was told that can only be folded when the creation has come.
        pinned: the policy; None where none matches. `pinned_by` says what made it so.
        answered: whether a response was ever given.
        asked: whether the customer was asked something since last heard.
        cycles: the last cycle of each clock kind that was ever started.
        reached: by source.
        last: the place of the last event.
    """

    ticket: Ticket | None = None
    waiting: bool = False
    pinned: Pinned | None = None
    pinned_by: str = ""
    answered: bool = False
    asked: bool = False
    cycles: Mapping[str, int] = {}
    reached: Mapping[str, Reached] = {}
    last: tuple[datetime, str, int] | None = None


Clocks = Mapping[UUID, Clock]
EMPTY = Folded()


def fold_one(folded: Folded, clocks: Clocks, entry: Entry, book: Book) -> tuple[Folded, Sequence[Clock]]:
    """One more event, which lies behind all that were folded; returns the clocks that it moved.

    Args:
        clocks: at least those of the ticket that `may_return`.
    """
    at, source, seq = entry.at, entry.source, entry.seq
    # Nothing comes before the creation, not even what has the same time.
    last = (at, source, seq) if folded.ticket is not None else (at, "", 0)
    folded = replace(folded, reached={**folded.reached, source: Reached(seq, at)}, last=last)
    step = _Step(folded, clocks, entry, book)
    step.apply()
    return step.folded, tuple(step.changed.values())


class _Step:
    """One event being applied: the fold so far, and the clocks that this event has moved."""

    __slots__ = ("at", "book", "changed", "clocks", "entry", "folded")

    def __init__(self, folded: Folded, clocks: Clocks, entry: Entry, book: Book) -> None:
        self.folded = folded
        self.clocks = dict(clocks)
        self.entry = entry
        self.book = book
        self.at = entry.at
        self.changed: dict[UUID, Clock] = {}
        for clock in clocks.values():
            judged = move.judge(clock, entry.at, book)
            if judged is not clock:
                self._put(judged)

    def apply(self) -> None:
        """Do what the event says."""
        body = self.entry.body
        if isinstance(body, TicketCreated):
            if self.folded.ticket is None:
                self._open(body)
            return
        if self.folded.ticket is None:
            return
        match body:
            case MessageAdded():
                self._hear(self.folded.ticket, body)
            case TicketStatusChanged():
                self._move(self.folded.ticket, body)
            case TicketPriorityChanged() | TicketClassified() | TicketUpdated():
                self._describe(self.folded.ticket, body)
            case HandoffRequested():
                self._start(HANDOFF_ACCEPT, cause="requested", handoff_id=body.handoff_id)
            case HandoffAccepted() | HandoffDeclined() | HandoffExpired() | HandoffWithdrawn():
                self._end_handoff(body)
            case _:
                pass

    def _open(self, body: TicketCreated) -> None:
        ticket = open_ticket(body, at=self.at)
        pinned = self.book.choose(ticket.facts(), self.at)
        self.folded = replace(self.folded, ticket=ticket, pinned=pinned, pinned_by="created")
        self._begin(ticket)

    def _begin(self, ticket: Ticket) -> None:
        """Start what runs from the beginning, as far as it was not started."""
        if ticket.status in FINISHED:
            return
        cycles = self.folded.cycles
        if FIRST_RESPONSE not in cycles and not self.folded.answered and not ticket.proactive:
            self._start(FIRST_RESPONSE, cause="created")
        if RESOLUTION not in cycles:
            self._start(RESOLUTION, cause="created")
            self._align(ticket)

    def _hear(self, ticket: Ticket, message: MessageAdded) -> None:
        if message.direction == "inbound":
            self.folded = replace(self.folded, asked=False)
            if not message.ack_only and ticket.status not in _OVER:
                self._wait_for_response(ticket)
        elif message.direction == "outbound":
            if message.awaits_customer and not self.folded.asked:
                self.folded = replace(self.folded, asked=True)
            if self._is_response(message):
                self._answer()

    def _wait_for_response(self, ticket: Ticket) -> None:
        """The customer waits: for the first response, or for the next one where that was given or given up."""
        if self._open_clock(FIRST_RESPONSE) or self._open_clock(NEXT_RESPONSE):
            return
        begun = self.folded.answered or FIRST_RESPONSE in self.folded.cycles
        if not begun and ticket.proactive:
            self._start(FIRST_RESPONSE, cause="message")
        elif begun:
            self._start(NEXT_RESPONSE, cause="message")
            self._align(ticket)

    def _is_response(self, message: MessageAdded) -> bool:
        policy = self._policy()
        human_only = policy is None or policy.human_reply_only
        return message.counts_as_response and (message.author_type == "agent" or not human_only)

    def _answer(self) -> None:
        if not self.folded.answered:
            self.folded = replace(self.folded, answered=True)
        for kind in (FIRST_RESPONSE, NEXT_RESPONSE):
            clock = self._open_clock(kind)
            if clock is not None:
                self._put(self._satisfied(clock, "message"))

    def _move(self, ticket: Ticket, body: TicketStatusChanged) -> None:
        was = ticket.status
        ticket = follow(ticket, body)
        self.folded = replace(self.folded, ticket=ticket)
        if ticket.status == "resolved":
            self._resolve()
        elif ticket.status in _OVER:
            reason = ticket.status if ticket.status != "closed" else "ended"
            for clock in self._open_clocks():
                self._put(self._cancelled(clock, reason))
        elif was == "resolved":
            self._reopen()
        elif was == CANCELLED:
            self._restore()
        self._align(ticket)

    def _resolve(self) -> None:
        for clock in self._open_clocks():
            if clock.kind == RESOLUTION:
                self._put(self._satisfied(clock, "resolved"))
            elif clock.kind in (FIRST_RESPONSE, NEXT_RESPONSE):
                self._put(self._cancelled(clock, "resolved"))

    def _reopen(self) -> None:
        policy = self._policy()
        newest = self._newest(RESOLUTION)
        if policy is None or newest is None or newest.is_open or policy.reopen == "ignore":
            return
        if policy.reopen == "restart":
            self._start(RESOLUTION, cause="reopened")
        else:
            self._put(self._revived(newest, "reopened"))
            self._renew_terms(self.clocks[newest.clock_id])

    def _restore(self) -> None:
        """Let the clocks run on that ended when the ticket was cancelled, but for those of handoffs: these are dead."""
        for clock in list(self.clocks.values()):
            if clock.state == CANCELLED and clock.end_reason == CANCELLED and clock.kind != HANDOFF_ACCEPT:
                self._put(self._revived(clock, "restored"))
                self._renew_terms(self.clocks[clock.clock_id])

    def _return_by_policy(self, ticket: Ticket, pinned: Pinned) -> None:
        """Let those run on that an earlier policy had no target for, as far as they are still waited for."""
        for clock in list(self.clocks.values()):
            waited_for = clock.kind == RESOLUTION or (clock.kind == FIRST_RESPONSE and not self.folded.answered)
            if clock.end_reason == "policy" and waited_for and self.book.terms(pinned, clock.kind, ticket.priority):
                self._put(self._revived(clock, "policy"))
                self._renew_terms(self.clocks[clock.clock_id])

    def _describe(self, ticket: Ticket, body: TicketPriorityChanged | TicketClassified | TicketUpdated) -> None:
        described = follow(ticket, body)
        if described == ticket:
            return
        pinned = self.book.choose(described.facts(), self.at)
        if pinned is not None and self.folded.pinned is not None and pinned[:2] == self.folded.pinned[:2]:
            # The same version stays as it was chosen, so that a new calendar alone moves no running clock.
            pinned = self.folded.pinned
        if pinned != self.folded.pinned:
            self.folded = replace(self.folded, pinned=pinned, pinned_by=_cause_of(body))
        self.folded = replace(self.folded, ticket=described)
        for clock in self._open_clocks():
            self._renew_terms(clock)
        if pinned is not None and described.status not in FINISHED:
            self._return_by_policy(described, pinned)
            self._begin(described)
        self._align(described)

    def _renew_terms(self, clock: Clock) -> None:
        """Bring an open clock in line with what the ticket's policy says now."""
        assert self.folded.ticket is not None, "clocks run for known tickets alone"
        pinned = self.folded.pinned
        terms = self.book.terms(pinned, clock.kind, self.folded.ticket.priority) if pinned else None
        if terms is None:
            self._put(self._cancelled(clock, "policy"))
        elif terms != clock.terms:
            if clock.kind in self.book.policy(terms.policy_id, terms.policy_version).fresh:
                self._put(self._cancelled(clock, "fresh"))
                self._start(clock.kind, cause="policy", handoff_id=clock.handoff_id)
            else:
                event_id = self.entry.event_id
                self._put(move.change_terms(clock, terms, self.book, at=self.at, event_id=event_id))

    def _end_handoff(self, body: HandoffAccepted | HandoffDeclined | HandoffExpired | HandoffWithdrawn) -> None:
        of_handoff = (each for each in self._open_clocks() if each.handoff_id == body.handoff_id)
        clock = min(of_handoff, key=_cycle, default=None)
        if clock is None:
            return
        if isinstance(body, HandoffAccepted):
            self._put(self._satisfied(clock, "accepted"))
        else:
            self._put(self._cancelled(clock, "withdrawn" if isinstance(body, HandoffWithdrawn) else "ended"))

    def _align(self, ticket: Ticket) -> None:
        """Let clocks stand still or run as the ticket's state asks."""
        policy = self._policy()
        if policy is None:
            return
        event_id = self.entry.event_id
        for clock in self._open_clocks():
            still = policy.pauses(clock.kind, ticket.status, ticket.hold_reason)
            if still and clock.state == RUNNING:
                cause = ticket.hold_reason if ticket.status == "on_hold" else ticket.status
                unearned = ticket.status == "pending_customer" and not self.folded.asked
                self._put(move.pause(clock, self.book, at=self.at, cause=cause, event_id=event_id, unearned=unearned))
            elif not still and clock.state == PAUSED:
                self._put(move.resume(clock, self.book, at=self.at, cause=ticket.status, event_id=event_id))

    def _start(self, kind: str, *, cause: str, handoff_id: UUID | None = None) -> None:
        ticket, pinned = self.folded.ticket, self.folded.pinned
        if ticket is None or pinned is None:
            return
        terms = self.book.terms(pinned, kind, ticket.priority)
        if terms is None:
            return
        cycle = self.folded.cycles.get(kind, 0) + 1
        self.folded = replace(self.folded, cycles={**self.folded.cycles, kind: cycle})
        self._put(
            move.start_clock(
                ticket.ticket_id,
                kind,
                cycle,
                terms,
                self.book,
                at=self.at,
                cause=cause,
                event_id=self.entry.event_id,
                handoff_id=handoff_id,
            )
        )

    def _satisfied(self, clock: Clock, reason: str) -> Clock:
        return move.satisfy(clock, self.book, at=self.at, reason=reason, event_id=self.entry.event_id)

    def _cancelled(self, clock: Clock, reason: str) -> Clock:
        return move.cancel(clock, self.book, at=self.at, reason=reason, event_id=self.entry.event_id)

    def _revived(self, clock: Clock, cause: str) -> Clock:
        return move.revive(clock, self.book, at=self.at, cause=cause, event_id=self.entry.event_id)

    def _policy(self) -> Policy | None:
        pinned = self.folded.pinned
        return self.book.policy(pinned.policy_id, pinned.version) if pinned else None

    def _put(self, clock: Clock) -> None:
        self.changed[clock.clock_id] = clock
        self.clocks[clock.clock_id] = clock

    def _open_clocks(self) -> list[Clock]:
        return [clock for clock in self.clocks.values() if clock.state in OPEN_STATES]

    def _open_clock(self, kind: str) -> Clock | None:
        """The one clock of this kind that is open; not for handoffs, of which several may be."""
        for clock in self.clocks.values():
            if clock.kind == kind and clock.state in OPEN_STATES:
                return clock
        return None

    def _newest(self, kind: str) -> Clock | None:
        return max((clock for clock in self.clocks.values() if clock.kind == kind), key=_cycle, default=None)


def _cycle(clock: Clock) -> int:
    return clock.cycle


def _cause_of(body: TicketPriorityChanged | TicketClassified | TicketUpdated) -> str:
    match body:
        case TicketPriorityChanged():
            return "priority"
        case TicketClassified():
            return "classified"
        case _:
            return "organisation" if any(each.field == "organisation_id" for each in body.changed) else "updated"
