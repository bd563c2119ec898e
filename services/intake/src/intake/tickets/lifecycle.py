"""The status of a ticket: one decision per command or fact, over the table of moves.

A command that the table does not allow is refused; a repeat of the last move, with the same particulars, changes
nothing; a fact (a message, an assignment, a due time) that the table does not know moves nothing.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from common.errors import Conflict, InvalidInput
from contracts.intake import (
    TicketCancelled,
    TicketClosed,
    TicketReopened,
    TicketResolved,
    TicketRestored,
    TicketStatusChanged,
)
from intake.tickets.domain import (
    MAX_HOLD,
    RESTORE_WINDOW,
    TIMED_HOLDS,
    UNTOUCHED_CODES,
    CancelReason,
    Decision,
    HandoffState,
    Heard,
    HoldReason,
    ResolutionCode,
    Status,
    Ticket,
    can_reopen,
)
from intake.tickets.transitions import ALLOWED, FACTS, Trigger


def wait_for_customer(ticket: Ticket) -> Decision:
    """We asked something and wait for the requester.

    Raises:
        Conflict: transition_not_allowed; nothing_asked where no public agent message follows the last inbound one.
    """
    if _is_repeat(ticket, Trigger.WAIT_FOR_CUSTOMER):
        return Decision(ticket=ticket)
    to = _target(ticket, Trigger.WAIT_FOR_CUSTOMER)
    if not ticket.agent_spoke_last:
        raise Conflict("no public agent message follows the requester's last one: ask first", code="nothing_asked")
    return _move(ticket, to, Trigger.WAIT_FOR_CUSTOMER)


def hold(ticket: Ticket, *, reason: HoldReason, resume_at: datetime | None, now: datetime) -> Decision:
    """We wait for something other than the requester; `resume_at` is when the ticket opens by itself.

    Raises:
        InvalidInput: resume_at is absent for a timed reason, not in the future, or more than 90 days ahead.
        Conflict: transition_not_allowed; not_proactive where nobody has taken a ticket that is no proactive one.
    """
    if _is_repeat(ticket, Trigger.HOLD) and (ticket.hold_reason, ticket.resume_at) == (reason, resume_at):
        return Decision(ticket=ticket)
    to = _target(ticket, Trigger.HOLD)
    if ticket.status is Status.NEW and not (ticket.proactive and reason in TIMED_HOLDS):
        raise Conflict(
            "a ticket that nobody has taken can only be held if it is proactive, as scheduled or maintenance",
            code="not_proactive",
        )
    _check_resume_at(reason, resume_at, now)
    held = replace(ticket, hold_reason=reason, resume_at=resume_at, hold_generation=ticket.hold_generation + 1)
    return _move(held, to, Trigger.HOLD, reason_code=reason)


def resume(ticket: Ticket) -> Decision:
    """The agent takes work up again.

    Raises:
        Conflict: transition_not_allowed.
    """
    if _is_repeat(ticket, Trigger.RESUME):
        return Decision(ticket=ticket)
    return _move(ticket, _target(ticket, Trigger.RESUME), Trigger.RESUME)


def resume_due(ticket: Ticket, *, generation: int) -> Decision:
    """The hold of this generation is over; a timer of an earlier hold, or of one that ended, moves nothing."""
    if ticket.hold_generation != generation:
        return Decision(ticket=ticket)
    return _fact(ticket, Trigger.RESUME_DUE)


def resolve(
    ticket: Ticket,
    *,
    code: ResolutionCode,
    summary: str,
    skip_reason: str,
    now: datetime,
    reopen_window: timedelta,
) -> Decision:
    """The solution was delivered.

    Args:
        summary: what solved it, for people; it stays in intake.
        skip_reason: why no solution was evaluated; it stays in intake, too. Until case work exists, every solution by a
            person needs it.
    Raises:
        Conflict: transition_not_allowed; handoff_open while somebody is asked to take the ticket over;
            assignee_required; solution_not_evaluated; resolution_code_not_allowed.
    """
    known = (ticket.resolution_code, ticket.resolution_summary, ticket.skip_reason)
    if _is_repeat(ticket, Trigger.RESOLVE) and known == (code, summary, skip_reason):
        return Decision(ticket=ticket)
    to = _target(ticket, Trigger.RESOLVE)
    if ticket.handoff is not None and ticket.handoff.state is HandoffState.REQUESTED:
        raise Conflict("a handoff is under way: withdraw it, or wait for its end", code="handoff_open")
    _check_resolution(ticket, code, skip_reason)
    resolved = replace(
        ticket,
        resolution_seq=ticket.resolution_seq + 1,
        resolution_code=code,
        resolution_summary=summary,
        skip_reason=skip_reason,
        resolved_at=now,
    )
    told = TicketResolved(
        ticket_id=ticket.id,
        resolution_seq=resolved.resolution_seq,
        resolution_code=code,
        owner_id=ticket.owner_id,
        skip_reason="given" if skip_reason else "",
        reopen_until=now + reopen_window,
    )
    return _move(resolved, to, Trigger.RESOLVE, told, reason_code=code)


def confirm(ticket: Ticket, *, now: datetime) -> Decision:
    """The requester says that it is solved.

    Raises:
        Conflict: transition_not_allowed.
    """
    if _is_repeat(ticket, Trigger.CONFIRM):
        return Decision(ticket=ticket)
    closed = replace(ticket, closed_at=now)
    told = TicketClosed(ticket_id=ticket.id, closure="confirmed")
    return _move(closed, _target(ticket, Trigger.CONFIRM), Trigger.CONFIRM, told)


def close(ticket: Ticket, *, now: datetime, reopen_window: timedelta) -> Decision:
    """Nobody came back within the reopen window.

    Raises:
        Conflict: transition_not_allowed; reopen_window_open while the requester may still come back.
    """
    if _is_repeat(ticket, Trigger.CLOSE):
        return Decision(ticket=ticket)
    to = _target(ticket, Trigger.CLOSE)
    if can_reopen(ticket, now=now, reopen_window=reopen_window):
        raise Conflict(
            "the requester may still reopen it; it can be closed once the window is over, or confirmed at once",
            code="reopen_window_open",
        )
    return _move(replace(ticket, closed_at=now), to, Trigger.CLOSE, TicketClosed(ticket_id=ticket.id, closure="auto"))


def close_due(ticket: Ticket, *, resolution_seq: int, now: datetime) -> Decision:
    """Nobody came back in all the time since this resolution; one that is over moves nothing."""
    if ticket.status is not Status.RESOLVED or ticket.resolution_seq != resolution_seq:
        return Decision(ticket=ticket)
    told = TicketClosed(ticket_id=ticket.id, closure="auto")
    to = ALLOWED[ticket.status, Trigger.CLOSE_DUE]
    return _move(replace(ticket, closed_at=now), to, Trigger.CLOSE_DUE, told)


def reopen_by_survey(ticket: Ticket, *, resolution_seq: int, now: datetime, reopen_window: timedelta) -> Decision:
    """The requester answered that this resolution solved nothing, and agreed to go on; too late, it moves nothing."""
    is_meant = ticket.resolution_seq == resolution_seq
    if not is_meant or not can_reopen(ticket, now=now, reopen_window=reopen_window):
        return Decision(ticket=ticket)
    to = ALLOWED[ticket.status, Trigger.SURVEY_REOPENED]
    return _reopened(ticket, to, Trigger.SURVEY_REOPENED, told_trigger="survey", now=now)


def reopen(ticket: Ticket, *, trigger: str, now: datetime, reopen_window: timedelta) -> Decision:
    """It was not solved. `trigger` is "requester" or "agent".

    Raises:
        Conflict: transition_not_allowed; reopen_window_over, after which only a follow-up ticket helps.
    """
    if _is_repeat(ticket, Trigger.REOPEN):
        return Decision(ticket=ticket)
    to = _target(ticket, Trigger.REOPEN)
    if not can_reopen(ticket, now=now, reopen_window=reopen_window):
        raise Conflict(
            "it was resolved too long ago: open a new ticket with follow_up_of naming this one",
            code="reopen_window_over",
        )
    return _reopened(ticket, to, Trigger.REOPEN, told_trigger=trigger, now=now)


def cancel(ticket: Ticket, *, reason: CancelReason, now: datetime) -> Decision:
    """It ends without a resolution.

    Raises:
        Conflict: transition_not_allowed.
    """
    if _is_repeat(ticket, Trigger.CANCEL) and ticket.cancel_reason is reason:
        return Decision(ticket=ticket)
    cancelled = replace(ticket, cancel_reason=reason, cancelled_at=now)
    told = TicketCancelled(ticket_id=ticket.id, reason=reason)
    return _move(cancelled, _target(ticket, Trigger.CANCEL), Trigger.CANCEL, told, reason_code=reason)


def restore(ticket: Ticket, *, by: str, now: datetime) -> Decision:
    """A supervisor takes a cancellation back. `by` is the actor, "agent:<id>" or "client:<id>".

    Raises:
        Conflict: transition_not_allowed; restore_window_over after 7 days.
    """
    if _is_repeat(ticket, Trigger.RESTORE):
        return Decision(ticket=ticket)
    to = _target(ticket, Trigger.RESTORE)
    if ticket.cancelled_at is None or now > ticket.cancelled_at + RESTORE_WINDOW:
        raise Conflict("it was cancelled more than 7 days ago", code="restore_window_over")
    restored = replace(ticket, cancel_reason=None, cancelled_at=None)
    return _move(restored, to, Trigger.RESTORE, TicketRestored(ticket_id=ticket.id, by=by))


def heard(ticket: Ticket, message: Heard, *, now: datetime) -> Decision:
    """A message stands on the ticket: an agent's takes a new one up, the requester's makes the work ours again.

    The first one that counts as a response is noted, whoever of ours it is by. The caller has
    checked that a resolved ticket's window is open (`takes_contact`).

    Raises:
        Conflict: transition_not_allowed where awaits_customer is set and the status cannot wait.
    """
    counted = replace(ticket, message_count=message.position)
    if message.by_customer:
        return _customer_wrote(counted, now)
    if message.counts_as_response:
        counted = replace(counted, first_response_at=ticket.first_response_at or now)
    return _agent_wrote(counted, message) if message.by_agent else Decision(ticket=counted)


def assigned(ticket: Ticket, *, owner_id: UUID) -> Decision:
    """An agent owns the ticket; the first one to do so takes it up. On any later status this moves nothing."""
    return _fact(replace(ticket, first_owner_id=ticket.first_owner_id or owner_id), Trigger.ASSIGNED)


def _agent_wrote(ticket: Ticket, message: Heard) -> Decision:
    taken = _fact(replace(ticket, agent_spoke_last=True), Trigger.AGENT_WROTE)
    if not message.awaits_customer or taken.ticket.status is Status.PENDING_CUSTOMER:
        return taken
    waiting = wait_for_customer(taken.ticket)
    return Decision(ticket=waiting.ticket, events=taken.events + waiting.events)


def _customer_wrote(ticket: Ticket, now: datetime) -> Decision:
    answered = replace(ticket, agent_spoke_last=False)
    if ticket.status is not Status.RESOLVED:
        return _fact(answered, Trigger.CUSTOMER_WROTE)
    to = ALLOWED[ticket.status, Trigger.CUSTOMER_WROTE]
    return _reopened(answered, to, Trigger.CUSTOMER_WROTE, told_trigger="message", now=now)


def _is_repeat(ticket: Ticket, trigger: Trigger) -> bool:
    return ticket.moved_by == trigger and ticket.status in {to for (_, by), to in ALLOWED.items() if by is trigger}


def _target(ticket: Ticket, trigger: Trigger) -> Status:
    target = ALLOWED.get((ticket.status, trigger))
    if target is None:
        commands = sorted(by for at, by in ALLOWED if at is ticket.status and by not in FACTS)
        raise Conflict(
            f"a ticket that is {ticket.status} does not take {trigger}; it takes {', '.join(commands) or 'no command'}",
            code="transition_not_allowed",
        )
    return target


def _fact(ticket: Ticket, trigger: Trigger) -> Decision:
    target = ALLOWED.get((ticket.status, trigger))
    return Decision(ticket=ticket) if target is None else _move(ticket, target, trigger)


def _move(
    ticket: Ticket,
    to: Status,
    trigger: Trigger,
    *told: TicketResolved | TicketReopened | TicketClosed | TicketCancelled | TicketRestored,
    reason_code: str = "",
) -> Decision:
    holds = to is Status.ON_HOLD
    moved = replace(
        ticket,
        status=to,
        moved_by=trigger,
        hold_reason=ticket.hold_reason if holds else None,
        resume_at=ticket.resume_at if holds else None,
    )
    change = TicketStatusChanged(
        ticket_id=ticket.id,
        old=ticket.status,
        new=to,
        reason_code=reason_code or trigger,
        hold_reason=moved.hold_reason,
        resume_at=moved.resume_at,
    )
    return Decision(ticket=moved, events=(change, *told))


def _reopened(ticket: Ticket, to: Status, trigger: Trigger, *, told_trigger: str, now: datetime) -> Decision:
    assert ticket.resolved_at is not None, "a resolved ticket has its time"
    told = TicketReopened(
        ticket_id=ticket.id,
        reopen_count=ticket.reopen_count + 1,
        trigger=told_trigger,
        since_resolved_s=int((now - ticket.resolved_at).total_seconds()),
    )
    again = replace(ticket, reopen_count=told.reopen_count, resolved_at=None)
    return _move(again, to, trigger, told)


def _check_resume_at(reason: HoldReason, resume_at: datetime | None, now: datetime) -> None:
    fault = ""
    if resume_at is None:
        fault = f"is required for {reason}" if reason in TIMED_HOLDS else ""
    elif resume_at <= now:
        fault = "must lie in the future"
    elif resume_at > now + MAX_HOLD:
        fault = f"must lie at most {MAX_HOLD.days} days ahead"
    if fault:
        raise InvalidInput("resume_at cannot be used", pointers=[("/resume_at", fault)])


def _check_resolution(ticket: Ticket, code: ResolutionCode, skip_reason: str) -> None:
    if ticket.status is Status.NEW:
        if code not in UNTOUCHED_CODES:
            raise Conflict(
                f"a ticket that is new takes only {' or '.join(sorted(UNTOUCHED_CODES))} as resolution_code",
                code="transition_not_allowed",
            )
        return
    if code is ResolutionCode.NO_REPLY:
        if ticket.status is not Status.PENDING_CUSTOMER:
            raise Conflict("no_reply is for a ticket that waits for its requester", code="resolution_code_not_allowed")
        return
    if ticket.owner_id is None:
        raise Conflict("nobody owns the ticket: assign it first", code="assignee_required")
    if not skip_reason:
        raise Conflict("no solution was evaluated: evaluate one or give skip_reason", code="solution_not_evaluated")
