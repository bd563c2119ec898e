"""What escalation's events make of a ticket: its level, its latest handoff and its clocks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.escalation import NotificationSent
from contracts.registry import Body
from intake.tickets import edits
from intake.tickets.domain import ClockState, HandoffState, ShownClock, SlaState, Status, Ticket
from intake.tickets.projection import project
from tests.support import escalations
from tests.support.escalations import ADA, BOB, CLOCKS, DUE, H1, H2, NOW
from tests.support.tickets import TICKET, standing

TID = TICKET.id
level = partial(escalations.level, TID)
requested = partial(escalations.requested, TID)
Clock = partial(escalations.Clock, TID)


def ends(handoff: UUID) -> dict[HandoffState, Body]:
    """Every way in which a handoff goes on, by the state that it leads to."""
    return {HandoffState(state): body for state, body in escalations.ends(TID, handoff).items()}


def told(ticket: Ticket, bodies: Sequence[Body]) -> Ticket:
    """The ticket after these events, with ids from 100 on."""
    for number, body in enumerate(bodies, start=100):
        decision = project(ticket, body, event_id=UUID(int=number), now=NOW, reopen_window=timedelta(days=7))
        ticket = decision.ticket
    return ticket


def only_clock(bodies: Sequence[Body]) -> ShownClock:
    """The one clock that is shown after these events."""
    [clock] = told(TICKET, bodies).sla.values()
    return clock


def test_the_level_is_the_last_and_the_tier_the_highest() -> None:
    """A lower level takes no tier back; a ticket that asks for more keeps what it asks for."""
    raised = told(TICKET, [level(0, 1, 2), level(1, 2, 3), level(2, 1, 2)])
    assert (raised.escalation_level, raised.escalation_tier, raised.tier_required) == (1, 3, 3)
    assert raised.escalation_event_id == UUID(int=102)
    asking = told(replace(TICKET, tier_required=3), [level(0, 1, 2)])
    assert (asking.escalation_tier, asking.tier_required) == (2, 3)


def test_triage_stays_above_the_escalation() -> None:
    """In either order, the tier is the higher of what triage says and what the escalation asked for."""

    def classified(ticket: Ticket, tier: int) -> Ticket:
        return edits.classify(ticket, category="c", component="", skills=(), tier_required=tier, by="agent").ticket

    for tier in (1, 2, 3):
        after = classified(told(TICKET, [level(0, 1, 2)]), tier)
        before = told(classified(TICKET, tier), [level(0, 1, 2)])
        assert after.tier_required == before.tier_required == max(tier, 2)


@pytest.mark.parametrize("state", list(ends(H1)))
def test_the_life_of_a_handoff(state: HandoffState) -> None:
    """Each event of the shown one moves it and leaves its name."""
    shown = told(TICKET, [requested(H1, to=BOB), ends(H1)[state]]).handoff
    assert shown is not None
    assert (shown.id, shown.state, shown.event_id) == (H1, state, UUID(int=101))
    assert (shown.from_agent_id, shown.to_agent_id, shown.tier_required) == (ADA, BOB, 2)
    assert shown.agent_id == (BOB if state is HandoffState.ACCEPTED else None)


def test_the_latest_handoff_is_shown() -> None:
    """A return is one of its own, whichever of its two events comes first; what is told of the old one is past."""
    returned = ends(H1)[HandoffState.RETURNED]
    again = requested(H2, return_of=H1)
    for bodies in ([returned, again], [again, returned]):
        shown = told(TICKET, [requested(H1), ends(H1)[HandoffState.ACCEPTED], *bodies]).handoff
        assert shown is not None
        assert (shown.id, shown.state) == (H2, HandoffState.REQUESTED)


def test_a_handoff_whose_request_was_not_seen() -> None:
    """Shown as far as the event goes."""
    shown = told(TICKET, [ends(H1)[HandoffState.ACCEPTED]]).handoff
    assert shown is not None
    assert (shown.id, shown.state, shown.agent_id, shown.tier_required) == (H1, HandoffState.ACCEPTED, BOB, 0)


def test_the_life_of_a_clock() -> None:
    """Running, warned, paused without a deadline, running again, met."""
    clock = Clock()
    start = [clock.started(), clock.warned(50)]
    running = only_clock(start)
    assert (running.state, running.deadline, running.target_s) == (ClockState.RUNNING, DUE, 3600)
    assert (running.warned_percent, running.event_id) == (50, UUID(int=101))
    paused = only_clock([*start, clock.paused()])
    assert (paused.state, paused.deadline, paused.warned_percent) == (ClockState.PAUSED, None, 50)
    assert only_clock([*start, clock.paused(), clock.resumed()]).deadline == DUE
    met = only_clock([*start, clock.met()])
    assert (met.state, met.met_at, met.deadline) == (ClockState.MET, NOW, None)
    assert only_clock([clock.started(None)]).state is ClockState.PAUSED


def test_a_breach_stays_until_it_is_withdrawn() -> None:
    """Pauses and the late end of the clock leave it; only its withdrawal takes it back."""
    clock = Clock()
    start = [clock.started(), clock.breached()]
    for later in ([], [clock.paused()], [clock.paused(), clock.resumed()], [clock.cancelled("ended")]):
        shown = only_clock([*start, *later])
        assert (shown.state, shown.breached_at) == (ClockState.BREACHED, DUE)
    right = only_clock([*start, clock.breach_withdrawn()])
    assert (right.state, right.breached_at) == (ClockState.RUNNING, None)
    assert only_clock([*start, clock.breach_withdrawn(), clock.met()]).state is ClockState.MET
    reopened = only_clock([clock.started(), clock.met(), clock.met_withdrawn(), clock.resumed()])
    assert (reopened.state, reopened.met_at, reopened.deadline) == (ClockState.RUNNING, None, DUE)


def test_a_new_policy_warns_anew() -> None:
    """What an earlier one warned of says nothing any more; a late event changes the deadline alone."""
    clock = Clock()
    start = [clock.started(), clock.warned(75)]
    other = only_clock([*start, clock.moved("policy")])
    assert (other.warned_percent, other.deadline, other.target_s) == (0, NOW, 1800)
    assert only_clock([*start, clock.moved("late_event")]).warned_percent == 75


def test_the_latest_cycle_is_shown() -> None:
    """An earlier one says no more; one that never ran is gone."""
    first, second = Clock("next_response", 1), Clock("next_response", 2)
    shown = only_clock([first.started(), first.breached(), second.started(), first.breach_withdrawn()])
    assert (shown.cycle, shown.clock_id, shown.breached_at) == (2, CLOCKS["next_response", 2], None)
    assert told(TICKET, [second.started(), second.cancelled("refolded")]).sla == {}


def test_the_worst_clock_is_the_tickets_state() -> None:
    """Over all kinds; a warning is over with its clock, a breach is not."""
    whole, answer = Clock(), Clock("next_response", 1)
    assert TICKET.sla_state is None
    both = [whole.started(), answer.started()]
    assert told(TICKET, both).sla_state is SlaState.OK
    warned = [*both, answer.warned(90)]
    assert told(TICKET, warned).sla_state is SlaState.WARNED
    assert told(TICKET, [*warned, answer.paused()]).sla_state is SlaState.WARNED
    assert told(TICKET, [*warned, answer.met()]).sla_state is SlaState.OK
    assert told(TICKET, [*warned, answer.cancelled("resolved")]).sla_state is SlaState.OK
    broken = [*warned, answer.breached(), answer.cancelled("ended")]
    assert told(TICKET, broken).sla_state is SlaState.BREACHED


BODIES = [level(0, 1, 2), level(1, 2, 3), level(2, 0, 1), requested(H1), requested(H2, to=BOB)]
BODIES += [*ends(H1).values(), *ends(H2).values()]
BODIES += [body for kind, cycle in CLOCKS for body in Clock(kind, cycle).all()]
BODIES += [NotificationSent(ticket_id=TID, notification_id=H1, channel="email", target="x", attempt=1)]


@given(bodies=st.lists(st.sampled_from(BODIES), max_size=40), status=st.sampled_from(list(Status)))
def test_a_fold_refuses_nothing_and_forgives_repeats(bodies: list[Body], status: Status) -> None:
    """Any events in any order: version and status stay; the whole story once more ends in the same ticket."""
    before = standing(status)
    after = told(before, bodies)
    assert (after.version, after.status) == (before.version, before.status)
    assert after.tier_required >= max(before.tier_required, after.escalation_tier)
    assert told(after, bodies) == after
    for clock in after.sla.values():
        assert (clock.state is ClockState.BREACHED) == (clock.breached_at is not None) or clock.met_at
