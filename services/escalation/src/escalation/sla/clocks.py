"""What can happen to one clock. Every move says at which moment; moments never go back."""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from escalation.sla.domain import (
    CANCELLED,
    MET,
    MISSED,
    PAUSE,
    PAUSED,
    RUN,
    RUNNING,
    Book,
    Clock,
    Stretch,
    Terms,
    clock_id_of,
)

SECOND_US = 1_000_000
_MICROSECOND = timedelta(microseconds=1)


def start_clock(
    ticket_id: UUID,
    kind: str,
    cycle: int,
    terms: Terms,
    book: Book,
    *,
    at: datetime,
    cause: str,
    event_id: UUID,
    handoff_id: UUID | None = None,
) -> Clock:
    """A clock that begins to run."""
    hours = book.hours(terms.calendar_id, terms.calendar_version)
    return Clock(
        clock_id=clock_id_of(ticket_id, kind, cycle),
        ticket_id=ticket_id,
        kind=kind,
        cycle=cycle,
        handoff_id=handoff_id,
        state=RUNNING,
        started_at=at,
        target_s=terms.target_s,
        policy_id=terms.policy_id,
        policy_version=terms.policy_version,
        calendar_id=terms.calendar_id,
        calendar_version=terms.calendar_version,
        deadline=hours.add(at, timedelta(seconds=terms.target_s)),
        ledger=(Stretch(kind=RUN, since=at, cause=cause, cause_event_id=event_id, terms=terms),),
    )


def judge(clock: Clock, at: datetime, book: Book) -> Clock:
    """The clock with the breach that it has come to by this moment, if it has: more than its target has run.

    Behind a deadline at closing time nothing runs before the calendar opens again.
    """
    if clock.deadline is None or clock.breached_at is not None or at <= clock.deadline or clock.state != RUNNING:
        return clock
    if not book.hours(clock.calendar_id, clock.calendar_version).between(clock.deadline, at):
        return clock
    return replace(clock, breached_at=clock.deadline, breach_cause="time")


def consumed_us(clock: Clock, at: datetime, book: Book) -> int:
    """How much open time the clock has run by this moment; what it had at its last event, if that is later."""
    if clock.state != RUNNING:
        return clock.consumed_us
    since = clock.ledger[-1].since
    if at <= since:
        return clock.consumed_us
    return clock.consumed_us + book.hours(clock.calendar_id, clock.calendar_version).between(since, at) // _MICROSECOND


def moment_of(clock: Clock, wanted_us: int, book: Book) -> datetime:
    """When a running clock will have consumed so much, which is at least what it had when it began to run last."""
    hours = book.hours(clock.calendar_id, clock.calendar_version)
    return hours.add(clock.ledger[-1].since, timedelta(microseconds=wanted_us - clock.consumed_us))


def pause(clock: Clock, book: Book, *, at: datetime, cause: str, event_id: UUID, unearned: bool = False) -> Clock:
    """A running clock that stands still from now on."""
    consumed = consumed_us(clock, at, book)
    stretch = Stretch(kind=PAUSE, since=at, cause=cause, cause_event_id=event_id, terms=clock.terms, unearned=unearned)
    ledger = (*_close(clock, at, consumed), stretch)
    return replace(clock, state=PAUSED, consumed_us=consumed, deadline=None, ledger=ledger)


def resume(clock: Clock, book: Book, *, at: datetime, cause: str, event_id: UUID) -> Clock:
    """A clock that stood still and runs again."""
    stretch = Stretch(kind=RUN, since=at, cause=cause, cause_event_id=event_id, terms=clock.terms)
    ledger = (*_close(clock, at, clock.consumed_us), stretch)
    return replace(
        clock, state=RUNNING, deadline=_deadline(clock, clock.consumed_us, clock.terms, book, at), ledger=ledger
    )


def revive(clock: Clock, book: Book, *, at: datetime, cause: str, event_id: UUID) -> Clock:
    """A clock that had ended and runs again; the time between counts as a pause."""
    assert clock.ended_at is not None, "only an ended clock is revived"
    between = Stretch(
        kind=PAUSE,
        since=clock.ended_at,
        cause=clock.end_reason or clock.state,
        cause_event_id=clock.end_event_id,
        terms=clock.terms,
    )
    paused = replace(
        clock, state=PAUSED, ended_at=None, end_reason="", end_event_id=None, ledger=(*clock.ledger, between)
    )
    return resume(paused, book, at=at, cause=cause, event_id=event_id)


def change_terms(clock: Clock, terms: Terms, book: Book, *, at: datetime, event_id: UUID) -> Clock:
    """The same clock under other terms: what it has consumed and where it stands carries over.

    What had run by more than the new target is a breach of that moment, caused by the change.
    """
    consumed = consumed_us(clock, at, book)
    last = clock.ledger[-1]
    if clock.state == RUNNING:
        follows = Stretch(kind=RUN, since=at, cause="policy", cause_event_id=event_id, terms=terms)
    else:
        follows = replace(last, since=at, terms=terms)
    changed = replace(
        clock,
        target_s=terms.target_s,
        policy_id=terms.policy_id,
        policy_version=terms.policy_version,
        calendar_id=terms.calendar_id,
        calendar_version=terms.calendar_version,
        consumed_us=consumed,
        ledger=(*_close(clock, at, consumed), follows),
    )
    if clock.breached_at is None and consumed > terms.target_s * SECOND_US:
        changed = replace(changed, breached_at=at, breach_cause="policy_change")
    if clock.state != RUNNING:
        return changed
    return replace(changed, deadline=_deadline(changed, consumed, terms, book, at))


def satisfy(clock: Clock, book: Book, *, at: datetime, reason: str, event_id: UUID) -> Clock:
    """The clock with its verdict: met where no more than the target had run, and no breach had come before."""
    return _end(clock, book, MISSED if clock.breached_at else MET, at=at, reason=reason, event_id=event_id)


def cancel(clock: Clock, book: Book, *, at: datetime, reason: str, event_id: UUID) -> Clock:
    """The clock without a verdict; a breach that came before stays."""
    return _end(clock, book, CANCELLED, at=at, reason=reason, event_id=event_id)


def _end(clock: Clock, book: Book, state: str, *, at: datetime, reason: str, event_id: UUID) -> Clock:
    consumed = consumed_us(clock, at, book)
    return replace(
        clock,
        state=state,
        consumed_us=consumed,
        deadline=None,
        ended_at=at,
        end_reason=reason,
        end_event_id=event_id,
        ledger=_close(clock, at, consumed),
    )


def _deadline(clock: Clock, consumed: int, terms: Terms, book: Book, at: datetime) -> datetime | None:
    if clock.breached_at is not None:
        return None
    left = timedelta(microseconds=terms.target_s * SECOND_US - consumed)
    return book.hours(terms.calendar_id, terms.calendar_version).add(at, left)


def _close(clock: Clock, at: datetime, consumed: int) -> tuple[Stretch, ...]:
    """The ledger with its last stretch ended; one that ends as it begins leaves no trace."""
    *before, last = clock.ledger
    if last.since == at:
        return tuple(before)
    return (*before, replace(last, until=at, consumed_us=consumed - clock.consumed_us))
