"""Every status with every command: what the table allows happens, everything else is refused aloud."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Conflict, InvalidInput
from contracts.intake import TicketClosed, TicketReopened, TicketResolved, TicketStatusChanged
from intake.tickets import lifecycle
from intake.tickets.domain import (
    CancelReason,
    Decision,
    HandoffState,
    Heard,
    HoldReason,
    ResolutionCode,
    ShownHandoff,
    Status,
    Ticket,
    takes_contact,
)
from intake.tickets.transitions import ALLOWED, FACTS, Trigger
from tests.support.tickets import AGENT, NOW, TICKET, standing

WINDOW = timedelta(days=7)


def resolve(ticket: Ticket) -> Decision:
    """Resolved in the way that fits the ticket's status."""
    code = ResolutionCode.SELF_SERVICE if ticket.status is Status.NEW else ResolutionCode.FIXED
    return lifecycle.resolve(ticket, code=code, summary="done", skip_reason="plain", now=NOW, reopen_window=WINDOW)


COMMANDS: Mapping[Trigger, Callable[[Ticket], Decision]] = {
    Trigger.WAIT_FOR_CUSTOMER: lifecycle.wait_for_customer,
    Trigger.HOLD: lambda t: lifecycle.hold(t, reason=HoldReason.MAINTENANCE, resume_at=NOW + WINDOW, now=NOW),
    Trigger.RESUME: lifecycle.resume,
    Trigger.RESOLVE: resolve,
    Trigger.CONFIRM: lambda t: lifecycle.confirm(t, now=NOW),
    Trigger.CLOSE: lambda t: lifecycle.close(t, now=NOW, reopen_window=timedelta(0)),
    Trigger.REOPEN: lambda t: lifecycle.reopen(t, trigger="agent", now=NOW, reopen_window=WINDOW),
    Trigger.CANCEL: lambda t: lifecycle.cancel(t, reason=CancelReason.TEST, now=NOW),
    Trigger.RESTORE: lambda t: lifecycle.restore(t, by="client:x", now=NOW),
}
FACT_DECISIONS: Mapping[Trigger, Callable[[Ticket], Decision]] = {
    Trigger.ASSIGNED: lambda t: lifecycle.assigned(t, owner_id=AGENT),
    Trigger.AGENT_WROTE: lambda t: lifecycle.heard(t, Heard(position=1, by_agent=True), now=NOW),
    Trigger.CUSTOMER_WROTE: lambda t: lifecycle.heard(t, Heard(position=1, by_customer=True), now=NOW),
    Trigger.RESUME_DUE: lambda t: lifecycle.resume_due(t, generation=t.hold_generation),
    Trigger.CLOSE_DUE: lambda t: lifecycle.close_due(t, resolution_seq=t.resolution_seq, now=NOW),
    Trigger.SURVEY_REOPENED: lambda t: lifecycle.reopen_by_survey(
        t, resolution_seq=t.resolution_seq, now=NOW, reopen_window=WINDOW
    ),
}


def refused(decide: Callable[..., Decision], ticket: Ticket, **given: object) -> str:
    """The code of a decision's refusal."""
    with pytest.raises(Conflict) as refusal:
        decide(ticket, **given)
    return refusal.value.code


def test_every_command_and_fact_is_tested() -> None:
    """No trigger can be added without standing in this test."""
    assert set(COMMANDS) | set(FACT_DECISIONS) == set(Trigger)
    assert set(FACT_DECISIONS) == FACTS


@pytest.mark.parametrize(("status", "trigger"), list(product(Status, COMMANDS)))
def test_a_command_moves_as_the_table_says_or_is_refused(status: Status, trigger: Trigger) -> None:
    """The exhaustive table."""
    ticket = standing(status)
    target = ALLOWED.get((status, trigger))
    if target is None:
        assert refused(COMMANDS[trigger], ticket) == "transition_not_allowed"
        return
    decision = COMMANDS[trigger](ticket)
    assert decision.ticket.status is target
    assert decision.ticket.moved_by == trigger
    [moved] = [event for event in decision.events if isinstance(event, TicketStatusChanged)]
    assert (moved.old, moved.new) == (status, target)
    assert (decision.ticket.resume_at is None) == (target is not Status.ON_HOLD)


@pytest.mark.parametrize(("status", "trigger"), [key for key in ALLOWED if key[1] in COMMANDS])
def test_a_repeat_changes_nothing(status: Status, trigger: Trigger) -> None:
    """The same command once more, on what it made."""
    done = COMMANDS[trigger](standing(status)).ticket
    again = COMMANDS[trigger](done) if trigger is not Trigger.RESOLVE else _resolve_again(done)
    assert again == Decision(ticket=done)


def _resolve_again(done: Ticket) -> Decision:
    assert done.resolution_code is not None
    return lifecycle.resolve(
        done, code=done.resolution_code, summary="done", skip_reason="plain", now=NOW, reopen_window=WINDOW
    )


@pytest.mark.parametrize(("status", "trigger"), list(product(Status, FACT_DECISIONS)))
def test_a_fact_moves_as_the_table_says_or_moves_nothing(status: Status, trigger: Trigger) -> None:
    """Facts are never refused."""
    ticket = standing(status)
    decision = FACT_DECISIONS[trigger](ticket)
    assert decision.ticket.status is ALLOWED.get((status, trigger), status)
    assert bool(decision.events) == ((status, trigger) in ALLOWED)


def test_the_table_is_the_one_of_the_design() -> None:
    """Moves of the design's table, those of later features aside; written out, so that a slip cannot hide."""
    moves = {(at.value, to.value) for (at, _), to in ALLOWED.items()}
    assert moves == {
        ("new", "open"),
        ("new", "on_hold"),
        ("new", "resolved"),
        ("new", "cancelled"),
        ("open", "pending_customer"),
        ("open", "on_hold"),
        ("open", "resolved"),
        ("open", "cancelled"),
        ("pending_customer", "open"),
        ("pending_customer", "on_hold"),
        ("pending_customer", "resolved"),
        ("pending_customer", "cancelled"),
        ("on_hold", "open"),
        ("on_hold", "pending_customer"),
        ("on_hold", "resolved"),
        ("on_hold", "cancelled"),
        ("resolved", "open"),
        ("resolved", "closed"),
        ("cancelled", "open"),
    }


def test_waiting_needs_a_question() -> None:
    """nothing_asked unless a public agent message came last."""
    for status in (Status.OPEN, Status.ON_HOLD):
        silent = replace(standing(status), agent_spoke_last=False)
        assert refused(lifecycle.wait_for_customer, silent) == "nothing_asked"


def test_a_new_ticket_is_held_only_if_proactive_and_timed() -> None:
    """Both halves of the guard."""
    plain = replace(standing(Status.NEW), proactive=False)
    assert refused(COMMANDS[Trigger.HOLD], plain) == "not_proactive"
    assert (
        refused(lifecycle.hold, standing(Status.NEW), reason=HoldReason.PROBLEM, resume_at=None, now=NOW)
        == "not_proactive"
    )


@pytest.mark.parametrize(
    ("reason", "resume_at"),
    [
        (HoldReason.SCHEDULED, None),
        (HoldReason.MAINTENANCE, None),
        (HoldReason.THIRD_PARTY, NOW),
        (HoldReason.SCHEDULED, NOW - timedelta(seconds=1)),
        (HoldReason.PROBLEM, NOW + timedelta(days=90, microseconds=1)),
    ],
)
def test_a_hold_ends_in_the_near_future(reason: HoldReason, resume_at: datetime | None) -> None:
    """Required for timed holds, in the future, at most 90 days ahead."""
    with pytest.raises(InvalidInput) as refusal:
        lifecycle.hold(standing(Status.OPEN), reason=reason, resume_at=resume_at, now=NOW)
    assert refusal.value.pointers[0][0] == "/resume_at"


def test_another_hold_needs_a_resume_first() -> None:
    """Only the very same hold is a repeat."""
    held = COMMANDS[Trigger.HOLD](standing(Status.OPEN)).ticket
    assert refused(lifecycle.hold, held, reason=HoldReason.PROBLEM, resume_at=None, now=NOW) == "transition_not_allowed"


def test_a_timer_of_an_earlier_hold_moves_nothing() -> None:
    """Held, resumed, held again: the first hold's timer is void."""
    first = COMMANDS[Trigger.HOLD](standing(Status.OPEN)).ticket
    second = COMMANDS[Trigger.HOLD](lifecycle.resume(first).ticket).ticket
    assert lifecycle.resume_due(second, generation=first.hold_generation) == Decision(ticket=second)
    assert lifecycle.resume_due(second, generation=second.hold_generation).ticket.status is Status.OPEN


@pytest.mark.parametrize(
    ("status", "code", "owner", "skip", "refusal"),
    [
        (Status.NEW, ResolutionCode.FIXED, AGENT, "plain", "transition_not_allowed"),
        (Status.OPEN, ResolutionCode.FIXED, None, "plain", "assignee_required"),
        (Status.OPEN, ResolutionCode.SELF_SERVICE, None, "plain", "assignee_required"),
        (Status.PENDING_CUSTOMER, ResolutionCode.FIXED, None, "plain", "assignee_required"),
        (Status.ON_HOLD, ResolutionCode.FIXED, AGENT, "", "solution_not_evaluated"),
        (Status.OPEN, ResolutionCode.NO_REPLY, AGENT, "plain", "resolution_code_not_allowed"),
    ],
)
def test_a_resolution_has_its_guards(
    status: Status, code: ResolutionCode, owner: UUID | None, skip: str, refusal: str
) -> None:
    """Each guard by its code."""
    ticket = replace(standing(status), owner_id=owner)
    assert (
        refused(lifecycle.resolve, ticket, code=code, summary="s", skip_reason=skip, now=NOW, reopen_window=WINDOW)
        == refusal
    )


@pytest.mark.parametrize("state", HandoffState)
def test_nothing_is_resolved_while_somebody_is_asked_to_take_it(state: HandoffState) -> None:
    """Only a requested handoff is open; a repeat of a resolution is one also afterwards."""
    handoff = ShownHandoff(id=UUID(int=1), state=state, event_id=UUID(int=2))
    for status in (Status.OPEN, Status.PENDING_CUSTOMER, Status.ON_HOLD):
        ticket = replace(standing(status), handoff=handoff)
        if state is HandoffState.REQUESTED:
            same: dict[str, object] = {"code": ResolutionCode.FIXED, "summary": "s", "skip_reason": "s", "now": NOW}
            assert refused(lifecycle.resolve, ticket, **same, reopen_window=WINDOW) == "handoff_open"
        else:
            assert resolve(ticket).ticket.status is Status.RESOLVED
    done = replace(resolve(standing(Status.OPEN)).ticket, handoff=handoff)
    assert _resolve_again(done) == Decision(ticket=done)


def test_no_reply_ends_the_waiting() -> None:
    """Without an owner and without a solution, but only from pending_customer."""
    waiting = replace(standing(Status.PENDING_CUSTOMER), owner_id=None)
    decision = lifecycle.resolve(
        waiting, code=ResolutionCode.NO_REPLY, summary="s", skip_reason="", now=NOW, reopen_window=WINDOW
    )
    assert decision.ticket.status is Status.RESOLVED


def test_another_resolution_is_no_repeat() -> None:
    """Same status; another code, summary or reason."""
    done = resolve(standing(Status.OPEN)).ticket
    same: dict[str, object] = {"code": ResolutionCode.FIXED, "summary": "done", "skip_reason": "plain"}
    for other in ({"code": ResolutionCode.WORKAROUND}, {"summary": "x"}, {"skip_reason": "x"}, {"skip_reason": ""}):
        refusal = refused(lifecycle.resolve, done, **(same | other), now=NOW, reopen_window=WINDOW)
        assert refusal == "transition_not_allowed"


def test_the_reopen_window_ends() -> None:
    """Up to and including its last moment; then only a follow-up."""
    done = resolve(standing(Status.OPEN)).ticket
    last = NOW + WINDOW
    reopened = lifecycle.reopen(done, trigger="requester", now=last, reopen_window=WINDOW)
    [told] = [event for event in reopened.events if isinstance(event, TicketReopened)]
    assert (told.reopen_count, told.since_resolved_s) == (1, int(WINDOW.total_seconds()))
    later = last + timedelta(microseconds=1)
    assert refused(lifecycle.reopen, done, trigger="agent", now=later, reopen_window=WINDOW) == "reopen_window_over"
    assert takes_contact(done, now=last, reopen_window=WINDOW)
    assert not takes_contact(done, now=later, reopen_window=WINDOW)
    assert refused(lifecycle.close, done, now=last, reopen_window=WINDOW) == "reopen_window_open"
    assert lifecycle.close(done, now=later, reopen_window=WINDOW).ticket.status is Status.CLOSED


def test_silence_closes_the_resolution_that_it_follows() -> None:
    """Told as automatic; the timer of an earlier resolution, or of a ticket that is open again, moves nothing."""
    done = resolve(standing(Status.OPEN)).ticket
    closed = lifecycle.close_due(done, resolution_seq=1, now=NOW + WINDOW)
    assert (closed.ticket.status, closed.ticket.closed_at) == (Status.CLOSED, NOW + WINDOW)
    assert closed.events[-1] == TicketClosed(ticket_id=done.id, closure="auto")
    again = lifecycle.reopen(done, trigger="agent", now=NOW, reopen_window=WINDOW).ticket
    second = resolve(again).ticket
    for ticket in (again, second, closed.ticket):
        assert lifecycle.close_due(ticket, resolution_seq=1, now=NOW + WINDOW) == Decision(ticket=ticket)


def test_a_survey_reopens_the_resolution_that_it_asked_about() -> None:
    """Within the window and once; otherwise it moves nothing, whatever the status."""

    def consented(ticket: Ticket, *, at: datetime = NOW, seq: int = 1) -> Decision:
        return lifecycle.reopen_by_survey(ticket, resolution_seq=seq, now=at, reopen_window=WINDOW)

    done = resolve(standing(Status.OPEN)).ticket
    reopened = consented(done, at=NOW + WINDOW)
    assert reopened.ticket.status is Status.OPEN
    [told] = [event for event in reopened.events if isinstance(event, TicketReopened)]
    assert (told.trigger, told.reopen_count) == ("survey", 1)
    late = NOW + WINDOW + timedelta(microseconds=1)
    second = resolve(reopened.ticket).ticket
    closed = lifecycle.confirm(done, now=NOW).ticket
    for ticket, at in ((done, late), (reopened.ticket, NOW), (second, NOW), (closed, NOW)):
        assert consented(ticket, at=at) == Decision(ticket=ticket)


def test_a_cancellation_is_restored_for_seven_days() -> None:
    """Then it stands."""
    gone = COMMANDS[Trigger.CANCEL](standing(Status.OPEN)).ticket
    assert lifecycle.restore(gone, by="agent:x", now=NOW + timedelta(days=7)).ticket.status is Status.OPEN
    late = NOW + timedelta(days=7, microseconds=1)
    assert refused(lifecycle.restore, gone, by="agent:x", now=late) == "restore_window_over"


def test_resolutions_count() -> None:
    """resolution_seq grows by one for each, reopened in between."""
    ticket = standing(Status.OPEN)
    for expected in (1, 2, 3):
        decision = resolve(ticket)
        [told] = [event for event in decision.events if isinstance(event, TicketResolved)]
        assert (told.resolution_seq, told.skip_reason) == (expected, "given")
        assert told.reopen_until == NOW + WINDOW
        ticket = lifecycle.reopen(decision.ticket, trigger="agent", now=NOW, reopen_window=WINDOW).ticket
        assert ticket.resolved_at is None
    assert ticket.reopen_count == 3


def test_an_agent_who_asks_in_a_first_reply_moves_twice() -> None:
    """new, open, pending_customer: both moves are told."""
    asked = lifecycle.heard(
        standing(Status.NEW),
        Heard(position=1, by_agent=True, counts_as_response=True, awaits_customer=True),
        now=NOW,
    )
    assert asked.ticket.status is Status.PENDING_CUSTOMER
    assert asked.ticket.first_response_at == NOW
    moves = [(e.old, e.new) for e in asked.events if isinstance(e, TicketStatusChanged)]
    assert moves == [("new", "open"), ("open", "pending_customer")]


def test_first_response_is_the_first_that_counts() -> None:
    """One that does not count leaves it open; a later one does not move it."""
    later = NOW + timedelta(hours=1)
    first = lifecycle.heard(TICKET, Heard(position=1, by_agent=True), now=NOW).ticket
    assert first.first_response_at is None
    second = lifecycle.heard(first, Heard(position=2, by_agent=True, counts_as_response=True), now=later).ticket
    third = lifecycle.heard(second, Heard(position=3, by_agent=True, counts_as_response=True), now=later + WINDOW)
    assert third.ticket.first_response_at == later


def test_an_automations_response_counts_and_moves_nothing() -> None:
    """The response is given; the ticket stays new, and no agent has asked."""
    answered = lifecycle.heard(standing(Status.NEW), Heard(position=1, counts_as_response=True), now=NOW)
    expected = replace(standing(Status.NEW), message_count=1, first_response_at=NOW)
    assert answered == Decision(ticket=expected)
    silent = replace(standing(Status.OPEN), agent_spoke_last=False)
    later = lifecycle.heard(silent, Heard(position=1, counts_as_response=True), now=NOW).ticket
    assert refused(lifecycle.wait_for_customer, later) == "nothing_asked"


def test_an_acknowledgement_moves_nothing() -> None:
    """It is counted and that is all."""
    for status in Status:
        ticket = standing(status)
        assert lifecycle.heard(ticket, Heard(position=1), now=NOW) == Decision(ticket=replace(ticket, message_count=1))


STEPS = st.lists(st.sampled_from([*COMMANDS.values(), *FACT_DECISIONS.values()]), max_size=30)


@given(steps=STEPS)
def test_any_walk_keeps_the_rules(steps: list[Callable[[Ticket], Decision]]) -> None:
    """Whatever happens in whatever order: told moves chain, final is final, fields fit the status."""
    ticket = replace(TICKET, proactive=True, owner_id=AGENT)
    told = ticket.status
    for step in steps:
        before = ticket
        try:
            decision = step(ticket)
        except Conflict:
            continue
        for event in decision.events:
            if isinstance(event, TicketStatusChanged):
                assert event.old == told
                told = Status(event.new)
        ticket = decision.ticket
        assert ticket.status is told
        assert (ticket.status is Status.ON_HOLD) == (ticket.hold_reason is not None)
        assert (ticket.status in (Status.RESOLVED, Status.CLOSED)) == (ticket.resolved_at is not None)
        assert ticket.status is not Status.NEW or before.status is Status.NEW
        assert before.status is not Status.CLOSED or ticket.status is Status.CLOSED
        assert ticket.resolution_seq >= before.resolution_seq
