"""A clock's arithmetic on paper: every number that leads to its deadline or verdict, to be checked with a pencil."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from escalation.calendars.domain import OpenHours
from escalation.sla.clocks import SECOND_US, consumed_us, judge
from escalation.sla.domain import CANCELLED, MET, MISSED, PAUSED, RUN, RUNNING, Book, Clock, Terms

_MICROSECOND = timedelta(microseconds=1)
_MOST_STRETCHES = 60
"""A run over more open stretches than this is shown as its sum alone."""


class Open(NamedTuple):
    """An open stretch of a calendar, in UTC."""

    since: datetime
    until: datetime

    @property
    def us(self) -> int:
        """Its length in microseconds."""
        return (self.until - self.since) // _MICROSECOND


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the ledger: `total_us` is what had run by its end; `opened` the calendar's open time within a run."""

    kind: str
    since: datetime
    until: datetime
    lasts: bool
    consumed_us: int
    total_us: int
    terms: Terms
    calendar: str
    cause: str
    cause_event_id: UUID | None
    unearned: bool
    opened: tuple[Open, ...]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A clock with its ledger as of a moment; `ahead` is the open time from then to the deadline."""

    clock: Clock
    policy: str
    calendar: str
    zone: str
    at: datetime
    steps: tuple[Step, ...]
    consumed_us: int
    remaining_us: int
    ahead: tuple[Open, ...]
    verdict: str


def prove(clock: Clock, book: Book, *, at: datetime) -> Proof:
    """The clock's arithmetic as of a moment that is not before its last event."""
    clock = judge(clock, at, book)
    consumed = consumed_us(clock, at, book)
    hours = book.hours(clock.calendar_id, clock.calendar_version)
    running = clock.state == RUNNING and clock.deadline is not None
    return Proof(
        clock=clock,
        policy=book.policy(clock.policy_id, clock.policy_version).name,
        calendar=f"{hours.calendar.name} v{clock.calendar_version}",
        zone=hours.calendar.zone,
        at=at,
        steps=tuple(_steps(clock, book, at)),
        consumed_us=consumed,
        remaining_us=clock.target_s * SECOND_US - consumed,
        ahead=_opened(hours, at, clock.deadline) if running and clock.deadline and clock.deadline > at else (),
        verdict=_verdict(clock, consumed),
    )


def print_proof(proof: Proof) -> str:
    """The proof as text, of lines no wider than a page."""
    clock = proof.clock
    lines = [
        f"{clock.kind} clock, cycle {clock.cycle}, of ticket {clock.ticket_id}",
        f"clock    {clock.clock_id}",
        f"policy   {proof.policy} v{clock.policy_version}, calendar {proof.calendar} in zone {proof.zone}",
        f"target   {clock.target_s} s",
        f"as of    {_time(proof.at)}",
        "",
    ]
    for number, step in enumerate(proof.steps, start=1):
        lines += _print_step(number, step)
    summands = [_seconds(step.consumed_us) for step in proof.steps if step.kind == RUN]
    sign = ">" if proof.remaining_us < 0 else "<=" if clock.state == MET else ""
    lines += ["", f"consumed = {' + '.join(summands) or '0'} = {_seconds(proof.consumed_us)} s"]
    if sign:
        lines.append(f"           {_seconds(proof.consumed_us)} s {sign} target {clock.target_s} s")
    if proof.ahead:
        left = _seconds(proof.remaining_us)
        lines.append(f"left     = {clock.target_s} - {_seconds(proof.consumed_us)} = {left} s")
        lines.append(f"deadline = {_time(proof.at)} + {left} s of open time = {_time(proof.ahead[-1].until)}")
        lines += _print_open(proof.ahead)
    lines.append(f"verdict  = {proof.verdict}")
    return "\n".join(lines) + "\n"


def _steps(clock: Clock, book: Book, at: datetime) -> Iterator[Step]:
    total = 0
    for stretch in clock.ledger:
        hours = book.hours(stretch.terms.calendar_id, stretch.terms.calendar_version)
        until = stretch.until or max(at, stretch.since)
        opened = _opened(hours, stretch.since, until) if stretch.kind == RUN else ()
        consumed = hours.between(stretch.since, until) // _MICROSECOND if stretch.kind == RUN else 0
        assert stretch.until is None or consumed == stretch.consumed_us, "a ledger's numbers follow from its moments"
        total += consumed
        yield Step(
            kind=stretch.kind,
            since=stretch.since,
            until=until,
            lasts=stretch.until is None,
            consumed_us=consumed,
            total_us=total,
            terms=stretch.terms,
            calendar=f"{hours.calendar.name} v{stretch.terms.calendar_version}",
            cause=stretch.cause,
            cause_event_id=stretch.cause_event_id,
            unearned=stretch.unearned,
            opened=opened,
        )


def _opened(hours: OpenHours, since: datetime, until: datetime) -> tuple[Open, ...]:
    return tuple(Open(*each) for each in hours.stretches(since, until))


def _print_step(number: int, step: Step) -> list[str]:
    until = "now" if step.lasts else _time(step.until)
    terms = f"target {step.terms.target_s} s, {step.calendar}"
    note = ", nothing had been asked" if step.unearned else ""
    lines = [f"{number:>2}  {step.kind:<5}  {_time(step.since)} to {until}  ({step.cause}{note}; {terms})"]
    if step.kind == RUN:
        opened = step.opened
        if opened != (Open(step.since, step.until),):
            lines += _print_open(opened)
        lines.append(f"           + {_seconds(step.consumed_us)} s, in all {_seconds(step.total_us)} s")
    return lines


def _print_open(opened: Sequence[Open]) -> list[str]:
    if not opened:
        return ["           not open at all"]
    if len(opened) > _MOST_STRETCHES:
        return [f"           open {len(opened)} times from {_time(opened[0].since)} to {_time(opened[-1].until)}"]
    return [f"           open {_time(each.since)} to {_time(each.until)}: {_seconds(each.us)} s" for each in opened]


def _verdict(clock: Clock, consumed: int) -> str:
    breach = ""
    if clock.breached_at is not None:
        why = ": the new target had passed already" if clock.breach_cause == "policy_change" else ""
        breach = f"breached at {_time(clock.breached_at)}{why}"
    if clock.state == MET and clock.ended_at is not None:
        return f"met at {_time(clock.ended_at)} ({clock.end_reason})"
    if clock.state == MISSED and clock.ended_at is not None:
        return f"{breach}, satisfied too late at {_time(clock.ended_at)} ({clock.end_reason})"
    if clock.state == CANCELLED and clock.ended_at is not None:
        return f"{breach + ', ' if breach else ''}ended at {_time(clock.ended_at)} without one ({clock.end_reason})"
    if breach:
        return breach
    return f"none yet; it stands still after {_seconds(consumed)} s" if clock.state == PAUSED else "none yet; it runs"


def _time(moment: datetime) -> str:
    """RFC 3339 in UTC, with a fraction only where there is one."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _seconds(microseconds: int) -> str:
    """Seconds in decimals, exactly: "5400" or "5400.25"."""
    whole, fraction = divmod(abs(microseconds), SECOND_US)
    text = f"{whole}.{fraction:06}".rstrip("0").rstrip(".")
    return f"-{text}" if microseconds < 0 else text
