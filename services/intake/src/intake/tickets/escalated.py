"""What escalation's events say of a ticket's clocks and of its handoff, folded in their order. A fold refuses nothing.

Shown are the latest cycle of each kind of clock and the latest handoff. What is told of an earlier cycle or of another
handoff changes nothing; what is told of one whose beginning was not seen is shown as far as it goes.
"""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from contracts.escalation import (
    ClockBody,
    HandoffAccepted,
    HandoffBody,
    HandoffCompleted,
    HandoffDeclined,
    HandoffExpired,
    HandoffRequested,
    HandoffReturned,
    HandoffWithdrawn,
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
from intake.tickets.domain import ClockState, HandoffState, ShownClock, ShownHandoff

Clocks = Mapping[str, ShownClock]

_ENDED: Mapping[type[HandoffBody], HandoffState] = {
    HandoffDeclined: HandoffState.DECLINED,
    HandoffExpired: HandoffState.EXPIRED,
    HandoffWithdrawn: HandoffState.WITHDRAWN,
    HandoffReturned: HandoffState.RETURNED,
    HandoffCompleted: HandoffState.COMPLETED,
}


def handoff_after(shown: ShownHandoff | None, body: HandoffBody, *, event_id: UUID) -> ShownHandoff | None:
    """The ticket's latest handoff after one event."""
    if isinstance(body, HandoffRequested):
        return ShownHandoff(
            id=body.handoff_id,
            state=HandoffState.REQUESTED,
            event_id=event_id,
            from_agent_id=body.from_agent_id,
            to_agent_id=body.to_agent_id,
            tier_required=body.tier_required,
            reason_code=body.reason_code,
            expires_at=body.expires_at,
        )
    if shown is not None and shown.id != body.handoff_id:
        return shown
    if isinstance(body, HandoffAccepted):
        accepted = shown or _unseen(body, HandoffState.ACCEPTED, event_id)
        return replace(accepted, state=HandoffState.ACCEPTED, agent_id=body.agent_id, event_id=event_id)
    state = _ENDED.get(type(body))
    if state is None:
        return shown
    return replace(shown or _unseen(body, state, event_id), state=state, event_id=event_id)


def clocks_after(shown: Clocks, body: ClockBody, *, event_id: UUID) -> Clocks:
    """The ticket's clocks by kind, after one event."""
    known = shown.get(body.kind)
    if known is not None and known.cycle > body.cycle:
        return shown
    if isinstance(body, SlaClockCancelled) and body.reason == "refolded":
        # It never ran: nothing is left to show of it.
        return {kind: clock for kind, clock in shown.items() if kind != body.kind}
    if known is None or known.cycle < body.cycle or isinstance(body, SlaClockStarted):
        known = ShownClock(
            clock_id=body.clock_id, kind=body.kind, cycle=body.cycle, state=ClockState.RUNNING, event_id=event_id
        )
    after = _clock_after(known, body)
    return shown if after is None else {**shown, body.kind: replace(after, event_id=event_id)}


def _clock_after(clock: ShownClock, body: ClockBody) -> ShownClock | None:
    """The clock that the event is about, after it; None where the event shows nothing."""
    match body:
        case SlaClockStarted():
            state = ClockState.PAUSED if body.deadline is None else ClockState.RUNNING
            return replace(clock, state=state, target_s=body.target_s, deadline=body.deadline)
        case SlaClockPaused():
            return replace(clock, state=_unless_breached(clock, ClockState.PAUSED), deadline=None)
        case SlaClockResumed():
            return replace(clock, state=_unless_breached(clock, ClockState.RUNNING), deadline=body.deadline)
        case SlaClockCancelled():
            return replace(clock, state=_unless_breached(clock, ClockState.CANCELLED), deadline=None)
        case SlaDeadlineChanged():
            # Each policy warns for itself, so what an earlier one warned of says nothing any more.
            warned = 0 if body.cause == "policy" else clock.warned_percent
            return replace(clock, deadline=body.new, target_s=body.target_s or clock.target_s, warned_percent=warned)
        case SlaWarning():
            return replace(
                clock,
                warned_percent=body.percent,
                target_s=body.target_s,
                deadline=body.deadline or clock.deadline,
            )
        case SlaBreached():
            return replace(clock, state=ClockState.BREACHED, breached_at=body.at, target_s=body.target_s)
        case SlaMet():
            return replace(clock, state=ClockState.MET, met_at=body.at, target_s=body.target_s, deadline=None)
        case SlaBreachWithdrawn():
            state = ClockState.MET if clock.met_at else ClockState.RUNNING
            return replace(clock, state=state, breached_at=None)
        case SlaMetWithdrawn():
            state = ClockState.BREACHED if clock.breached_at else ClockState.RUNNING
            return replace(clock, state=state, met_at=None)
        case _:
            return None


def _unless_breached(clock: ShownClock, state: ClockState) -> ClockState:
    return ClockState.BREACHED if clock.breached_at else state


def _unseen(body: HandoffBody, state: HandoffState, event_id: UUID) -> ShownHandoff:
    return ShownHandoff(id=body.handoff_id, state=state, event_id=event_id, from_agent_id=body.from_agent_id)
