"""What a ticket's events do to its clocks: a pure fold.

Events of all topics are folded in the order of (effective time, source, number). An event's effective time is its own
or its predecessor's of the same source, whichever is later, so that this order never contradicts a source's own; and
nothing comes before the ticket's creation, whatever the clock of its producer said. `extend` folds one more event into
what was folded, `fold` all of them from the beginning; both give the same.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from contracts.envelope import Event
from contracts.intake import TicketCreated
from contracts.registry import decode_body
from escalation.sla.domain import Book, Clock
from escalation.sla.effects import EMPTY, Clocks, Entry, Folded, fold_one
from escalation.tickets.domain import LOGGED_TYPES


class IsLate(Exception):
    """The event belongs before one that was folded already: fold all of them anew."""


def fold(events: Iterable[Event], book: Book) -> tuple[Folded, Clocks]:
    """All that is known of a ticket, from the beginning. Repeated events count once, whatever their order."""
    by_source: dict[str, dict[int, Event]] = {}
    for event in events:
        if event.type in LOGGED_TYPES:
            by_source.setdefault(event.source, {})[event.seq] = event
    entries: list[Entry] = []
    for numbered in by_source.values():
        at: datetime | None = None
        for seq in sorted(numbered):
            event = numbered[seq]
            at = event.time if at is None or event.time > at else at
            entries.append(_entry(event, at=at))
    entries.sort(key=_place)
    opening = next((entry for entry in entries if isinstance(entry.body, TicketCreated)), None)
    if opening is None:
        return (Folded(waiting=True) if entries else EMPTY), {}
    behind = (entry._replace(at=max(entry.at, opening.at)) for entry in entries if entry is not opening)
    folded, ended = EMPTY, dict[UUID, Clock]()
    moving: dict[UUID, Clock] = {}
    for entry in (opening, *sorted(behind, key=_place)):
        folded, changed = fold_one(folded, moving, entry, book)
        for clock in changed:
            if clock.may_return:
                moving[clock.clock_id] = clock
            else:
                moving.pop(clock.clock_id, None)
                ended[clock.clock_id] = clock
    return folded, ended | moving


def extend(folded: Folded, clocks: Clocks, event: Event, book: Book) -> tuple[Folded, Sequence[Clock]]:
    """One more event; returns the clocks that it moved. A repeated one moves nothing.

    Args:
        clocks: at least those of the ticket that `may_return`.
    Raises:
        IsLate: its place is not behind all others.
    """
    reached = folded.reached.get(event.source)
    if event.type not in LOGGED_TYPES or (reached is not None and event.seq <= reached.seq):
        return folded, ()
    at = reached.at if reached is not None and reached.at > event.time else event.time
    if folded.ticket is None:
        if event.type != TicketCreated.event_type:
            return (folded if folded.waiting else replace(folded, waiting=True)), ()
        if folded.waiting:
            raise IsLate
    elif at < folded.ticket.created_at:
        at = folded.ticket.created_at
    if folded.last is not None and (at, event.source, event.seq) < folded.last:
        raise IsLate
    return fold_one(folded, clocks, _entry(event, at=at), book)


def _place(entry: Entry) -> tuple[datetime, str, int]:
    return entry[:3]


def _entry(event: Event, *, at: datetime) -> Entry:
    body = decode_body(event)
    assert body is not None, "only events of known types are folded"
    return Entry(at, event.source, event.seq, event.id, body)
