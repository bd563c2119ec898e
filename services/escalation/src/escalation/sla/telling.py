"""What must be told of a clock, given what was told already: each start, pause, warning and verdict once.

The fold says what is so; what was told of it is kept beside it. The difference is what there is to tell now. A verdict
that no longer holds, because a late event changed the fold, is withdrawn aloud before anything else is said.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypedDict
from uuid import UUID

import msgspec
from msgspec.structs import replace

from contracts.escalation import (
    SlaBreached,
    SlaBreachWithdrawn,
    SlaClockCancelled,
    SlaClockPaused,
    SlaClockResumed,
    SlaClockStarted,
    SlaDeadlineChanged,
    SlaMet,
    SlaMetWithdrawn,
    SlaWarning,
)
from contracts.registry import Body
from escalation.sla.clocks import SECOND_US, consumed_us, judge, moment_of
from escalation.sla.domain import MET, MISSED, PAUSE, PAUSED, RUNNING, VOID, Book, Clock

_MOMENT = timedelta(microseconds=1)
_TOLD_REASONS = {"fresh": "policy"}


class Warned(NamedTuple):
    """A warning that was given, once for each of these."""

    percent: int
    policy_id: UUID
    policy_version: int


class Told(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was told of one clock.

    Attributes:
        state: the clock's state as told; empty where nothing was.
        since: when the stretch began that was told of last.
        due_at: when there will be something to tell by the passing of time alone; None for never.
    """

    state: str = ""
    since: datetime | None = None
    target_s: int = 0
    deadline: datetime | None = None
    breached: bool = False
    warned: tuple[Warned, ...] = ()
    due_at: datetime | None = None


UNTOLD = Told()


class Occasion(NamedTuple):
    """Why something is to be told: now, by which event if by one, and whether the fold was done again for it."""

    now: datetime
    event_id: UUID | None = None
    refolded: bool = False


def tell(clock: Clock, told: Told, book: Book, occasion: Occasion) -> tuple[Told, Sequence[Body]]:
    """Bring what was told up to date.

    Returns:
        What was told then, the same value where nothing was to tell; and the events, in their order.
    """
    clock = judge(clock, occasion.now, book)
    bodies: list[Body] = []
    if not told.state or told.state == VOID:
        told = _tell_start(clock, told, bodies)
    told = _withdraw(clock, told, bodies, occasion)
    if clock.is_open:
        told = _tell_target(clock, told, bodies)
        told = _tell_moves(clock, told, bodies, occasion)
    told = _tell_warnings(clock, told, bodies, book, occasion.now)
    told = _tell_breach(clock, told, bodies, occasion)
    if not clock.is_open:
        told = _tell_end(clock, told, bodies)
    due_at = _next_moment(clock, told, book)
    return (told if told.due_at == due_at else replace(told, due_at=due_at)), bodies


def take_away(told: Told, clock: Clock, occasion: Occasion) -> tuple[Told, Sequence[Body]]:
    """What is told of a clock that never ran, as a late event shows."""
    if not told.state or told.state == VOID:
        return told, ()
    name = _name(clock)
    bodies: list[Body] = []
    if told.breached:
        bodies.append(SlaBreachWithdrawn(**name, cause_event_id=occasion.event_id))
    if told.state == MET:
        bodies.append(SlaMetWithdrawn(**name, cause_event_id=occasion.event_id))
    bodies.append(SlaClockCancelled(**name, at=occasion.now, reason="refolded"))
    return Told(state=VOID, warned=told.warned), bodies


def _next_moment(clock: Clock, told: Told, book: Book) -> datetime | None:
    """See `Told.due_at`.

    A breach is due with the first open microsecond behind its deadline: until then no more than the target has run.
    """
    if clock.state != RUNNING or clock.breached_at is not None:
        return None
    assert clock.deadline is not None, "a running clock that is not breached has a deadline"
    missing = _missing(clock, told, book)
    if missing:
        return moment_of(clock, _threshold_us(clock, missing[0]), book)
    return book.hours(clock.calendar_id, clock.calendar_version).add(clock.deadline, _MOMENT)


def _missing(clock: Clock, told: Told, book: Book) -> Sequence[int]:
    """The percents of which was not warned, under the policy that holds now; lowest first."""
    percents = book.policy(clock.policy_id, clock.policy_version).warning_percents
    if not told.warned:
        return percents
    given = {
        warned.percent
        for warned in told.warned
        if warned.policy_version == clock.policy_version and warned.policy_id == clock.policy_id
    }
    return [percent for percent in percents if percent not in given] if given else percents


def _tell_start(clock: Clock, told: Told, bodies: list[Body]) -> Told:
    first = clock.ledger[0] if clock.ledger else None
    running = clock.state == RUNNING
    bodies.append(
        SlaClockStarted(
            **_name(clock),
            started_at=clock.started_at,
            target_s=clock.target_s,
            policy_id=clock.policy_id,
            policy_version=clock.policy_version,
            deadline=clock.deadline if running else None,
            cause_event_id=first.cause_event_id if first else None,
            handoff_id=clock.handoff_id,
        )
    )
    return Told(
        state=RUNNING,
        since=clock.ledger[-1].since if running else clock.started_at,
        target_s=clock.target_s,
        deadline=clock.deadline if running else None,
        warned=told.warned,
    )


def _withdraw(clock: Clock, told: Told, bodies: list[Body], occasion: Occasion) -> Told:
    if told.breached and clock.breached_at is None:
        bodies.append(SlaBreachWithdrawn(**_name(clock), cause_event_id=occasion.event_id))
        told = replace(told, breached=False)
    if told.state == MET and clock.state != MET:
        bodies.append(SlaMetWithdrawn(**_name(clock), cause_event_id=occasion.event_id))
    return told  # `state` still says met: what follows is told as a correction of that


def _tell_target(clock: Clock, told: Told, bodies: list[Body]) -> Told:
    if told.target_s == clock.target_s:
        return told
    new = clock.deadline if clock.state == RUNNING else None
    bodies.append(
        SlaDeadlineChanged(**_name(clock), cause="policy", old=told.deadline, new=new, target_s=clock.target_s)
    )
    return replace(told, target_s=clock.target_s, deadline=new)


def _tell_moves(clock: Clock, told: Told, bodies: list[Body], occasion: Occasion) -> Told:
    last = clock.ledger[-1]
    name = _name(clock)
    if clock.state == PAUSED:
        if told.state == PAUSED:
            return told
        consumed_s = _seconds(clock.consumed_us)
        bodies.append(SlaClockPaused(**name, at=last.since, consumed_s=consumed_s, cause_event_id=last.cause_event_id))
    elif told.state != RUNNING or (told.deadline != clock.deadline and told.since != last.since and _resumes(clock)):
        # It may have stood still and run again since the last telling: then only the latter is told.
        bodies.append(
            SlaClockResumed(
                **name,
                at=last.since,
                consumed_s=_seconds(clock.consumed_us),
                deadline=clock.deadline,
                cause_event_id=last.cause_event_id,
            )
        )
    elif told.deadline != clock.deadline and not told.breached:
        cause = "late_event" if occasion.refolded else "policy"
        bodies.append(
            SlaDeadlineChanged(**name, cause=cause, old=told.deadline, new=clock.deadline, target_s=clock.target_s)
        )
    elif told.since == last.since:
        return told
    return replace(told, state=clock.state, since=last.since, deadline=clock.deadline)


def _resumes(clock: Clock) -> bool:
    """Whether a running clock stood still before, rather than changed its terms or just began."""
    return len(clock.ledger) > 1 and clock.ledger[-2].kind == PAUSE


def _tell_warnings(clock: Clock, told: Told, bodies: list[Body], book: Book, now: datetime) -> Told:
    """Warn of what has run, as long as the clock runs: of one that has ended or stands still it is too late."""
    if clock.state != RUNNING or told.breached:
        return told
    missing = _missing(clock, told, book)
    if not missing:
        return told
    consumed = consumed_us(clock, now, book)
    due = [percent for percent in missing if consumed >= _threshold_us(clock, percent)]
    if not due:
        return told
    bodies.extend(
        SlaWarning(
            **_name(clock),
            percent=percent,
            consumed_s=_seconds(consumed),
            target_s=clock.target_s,
            policy_id=clock.policy_id,
            policy_version=clock.policy_version,
            deadline=clock.deadline,
        )
        for percent in due
    )
    given = tuple(Warned(percent, clock.policy_id, clock.policy_version) for percent in due)
    return replace(told, warned=told.warned + given)


def _tell_breach(clock: Clock, told: Told, bodies: list[Body], occasion: Occasion) -> Told:
    if clock.breached_at is None or told.breached:
        return told
    by_time = clock.breach_cause == "time"
    bodies.append(
        SlaBreached(
            **_name(clock),
            at=clock.breached_at,
            consumed_s=clock.target_s if by_time else _seconds(clock.consumed_us),
            target_s=clock.target_s,
            policy_id=clock.policy_id,
            policy_version=clock.policy_version,
            # A clock that had been told as ended breaches only because of what came late.
            cause="late_event" if by_time and occasion.refolded and told.state == MET else clock.breach_cause,
        )
    )
    return replace(told, breached=True)


def _tell_end(clock: Clock, told: Told, bodies: list[Body]) -> Told:
    if clock.is_open or told.state == clock.state:
        return told
    assert clock.ended_at is not None, "a clock that is not open has ended"
    if clock.state == MET:
        bodies.append(
            SlaMet(
                **_name(clock),
                at=clock.ended_at,
                consumed_s=_seconds(clock.consumed_us),
                target_s=clock.target_s,
                policy_id=clock.policy_id,
                policy_version=clock.policy_version,
                cause_event_id=clock.end_event_id,
            )
        )
    else:
        # Satisfied too late is no new verdict: the breach stands, and the clock stops.
        reason = "ended" if clock.state == MISSED else _TOLD_REASONS.get(clock.end_reason, clock.end_reason)
        bodies.append(SlaClockCancelled(**_name(clock), at=clock.ended_at, reason=reason))
    return replace(told, state=clock.state, since=clock.ended_at, deadline=None)


class _Name(TypedDict):
    """The fields that every event of a clock has."""

    ticket_id: UUID
    clock_id: UUID
    kind: str
    cycle: int


def _name(clock: Clock) -> _Name:
    return {"ticket_id": clock.ticket_id, "clock_id": clock.clock_id, "kind": clock.kind, "cycle": clock.cycle}


def _threshold_us(clock: Clock, percent: int) -> int:
    return clock.target_s * SECOND_US * percent // 100


def _seconds(microseconds: int) -> int:
    return microseconds // SECOND_US
