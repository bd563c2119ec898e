"""The fold of a ticket's events into its clocks: what each event does, one example at a time."""

from datetime import timedelta
from uuid import UUID

import pytest

from contracts.escalation import HandoffAccepted, HandoffDeclined, HandoffWithdrawn, SlaBreached
from contracts.intake import TicketUpdated
from contracts.words import Change
from escalation.calendars.domain import OFFICE_HOURS_ID
from escalation.sla.clocks import judge
from escalation.sla.domain import DEFAULT_POLICY_ID, OPEN_STATES, Clock
from escalation.sla.proof import print_proof, prove
from escalation.sla.telling import UNTOLD, Occasion, tell
from tests.support.clocks import (
    HOUR,
    MINUTE,
    MONDAY,
    TARGETS,
    TICKET,
    Story,
    book,
    created,
    handoff_requested,
    inbound,
    moved,
    outbound,
    policy,
    prioritised,
)

H1, H2 = UUID(int=11), UUID(int=12)
MOMENT = timedelta(microseconds=1)


def spans(clock: Clock) -> list[tuple[str, str, float]]:
    """The ledger: kind, cause, and hours."""
    ends = [stretch.until or stretch.since for stretch in clock.ledger]
    return [
        (stretch.kind, stretch.cause, (end - stretch.since) / HOUR)
        for stretch, end in zip(clock.ledger, ends, strict=True)
    ]


def test_creation_starts_two_clocks() -> None:
    """First response and resolution, by the targets of the priority."""
    clocks = Story().tell(MONDAY, created(priority="high"), inbound()).fold()
    assert {kind: [clock.target_s for clock in found] for kind, found in clocks.items()} == {
        "first_response": [3_600],
        "resolution": [14_400],
    }
    assert clocks["resolution"][0].deadline == MONDAY + 4 * HOUR


def test_a_proactive_ticket_waits_for_the_customer() -> None:
    """We spoke first: the first response is due when the customer has answered."""
    story = Story().tell(MONDAY, created(proactive=True), outbound(counts=False))
    assert "first_response" not in story.fold()
    assert story.tell(MONDAY + HOUR, inbound()).fold()["first_response"][0].started_at == MONDAY + HOUR


@pytest.mark.parametrize(
    ("message", "state"),
    [
        (outbound(), "met"),
        (outbound(author="automation"), "running"),
        (outbound(counts=False), "running"),
        (inbound(), "running"),
    ],
)
def test_a_person_answers_first(message: object, state: str) -> None:
    """An automation is no response, nor is what its sender says is none."""
    clocks = Story().tell(MONDAY, created(), message).fold()
    assert clocks["first_response"][0].state == state


def test_an_automation_answers_where_the_policy_says_so() -> None:
    """`human_reply_only` is a choice."""
    lenient = book(policy(human_reply_only=False))
    clocks = Story().tell(MONDAY, created(), outbound(author="automation")).fold(lenient)
    assert clocks["first_response"][0].state == "met"


def test_the_target_itself_is_in_time() -> None:
    """Met with exactly the target consumed, missed a microsecond later."""
    answered = [
        Story().tell(MONDAY, created()).tell(MONDAY + HOUR + late, outbound()).fold()["first_response"][0]
        for late in (timedelta(0), MOMENT)
    ]
    assert [clock.state for clock in answered] == ["met", "missed"]
    assert answered[1].breached_at == MONDAY + HOUR


def test_each_wait_is_a_cycle() -> None:
    """The oldest unanswered word counts; thanks open none; an answer ends it."""
    story = Story().tell(MONDAY, created(), inbound()).tell(MONDAY + MINUTE, outbound())
    story.tell(MONDAY + HOUR, inbound()).tell(MONDAY + 2 * HOUR, inbound()).tell(MONDAY + 3 * HOUR, outbound())
    story.tell(MONDAY + 4 * HOUR, inbound(ack_only=True)).tell(MONDAY + 5 * HOUR, inbound())
    waits = story.fold()["next_response"]
    assert [(clock.cycle, clock.started_at, clock.state) for clock in waits] == [
        (1, MONDAY + HOUR, "missed"),
        (2, MONDAY + 5 * HOUR, "running"),
    ]


def test_resolution_stands_still_while_we_wait() -> None:
    """For the customer, and for a third party; a problem of ours does not count."""
    story = Story().tell(MONDAY, created(), inbound()).tell(MONDAY + HOUR, outbound(asks=True))
    story.tell(MONDAY + HOUR, moved("pending_customer")).tell(MONDAY + 3 * HOUR, moved("open"))
    story.tell(MONDAY + 4 * HOUR, moved("on_hold", hold_reason="problem"))
    story.tell(MONDAY + 5 * HOUR, moved("open"))
    story.tell(MONDAY + 6 * HOUR, moved("on_hold", hold_reason="third_party"))
    clock = story.tell(MONDAY + 8 * HOUR, moved("resolved")).fold()["resolution"][0]
    assert spans(clock) == [
        ("run", "created", 1),
        ("pause", "pending_customer", 2),
        ("run", "open", 3),
        ("pause", "third_party", 2),
    ]
    assert (clock.state, clock.consumed_us) == ("met", 4 * 3_600 * 10**6)


def test_a_pause_that_was_not_asked_for_is_unearned() -> None:
    """Pending for the customer, to whom nothing was said since the last word from there."""
    story = Story().tell(MONDAY, created()).tell(MONDAY + MINUTE, outbound(asks=True), moved("pending_customer"))
    story.tell(MONDAY + HOUR, inbound(), moved("open")).tell(MONDAY + 2 * HOUR, moved("pending_customer"))
    pauses = [stretch.unearned for stretch in story.fold()["resolution"][0].ledger if stretch.kind == "pause"]
    assert pauses == [False, True]


def test_a_tighter_target_breaches_by_its_change() -> None:
    """What had run already under the new target breaches at the change, and says why."""
    story = Story().tell(MONDAY, created()).tell(MONDAY + 2 * HOUR, prioritised("urgent"))
    clock = story.fold()["resolution"][0]
    assert (clock.breached_at, clock.breach_cause) == (MONDAY + 2 * HOUR, "policy_change")
    first = story.fold()["first_response"][0]
    assert (first.breached_at, first.breach_cause) == (MONDAY + HOUR, "time")


def test_a_looser_target_moves_the_deadline_and_forgives_nothing() -> None:
    """What ran counts on; a breach that had come stays."""
    story = Story().tell(MONDAY, created(priority="urgent")).tell(MONDAY + 30 * MINUTE, prioritised("low"))
    clocks = story.fold()
    assert clocks["resolution"][0].deadline == MONDAY + 16 * HOUR
    assert clocks["first_response"][0].breached_at == MONDAY + 15 * MINUTE


def test_a_fresh_clock_begins_anew() -> None:
    """Where the policy says so, another target ends the clock and starts its next cycle."""
    rules = book(policy(fresh=("resolution",)))
    found = Story().tell(MONDAY, created()).tell(MONDAY + 2 * HOUR, prioritised("urgent")).fold(rules)["resolution"]
    assert [(clock.state, clock.started_at) for clock in found] == [
        ("cancelled", MONDAY),
        ("running", MONDAY + 2 * HOUR),
    ]


@pytest.mark.parametrize(
    ("mode", "states", "deadline"),
    [("resume", ["running"], 9), ("restart", ["met", "running"], 10), ("ignore", ["met"], None)],
)
def test_a_reopened_ticket(mode: str, states: list[str], deadline: int | None) -> None:
    """Resume without the resolved time, restart, or leave it."""
    rules = book(policy(reopen=mode))
    story = Story().tell(MONDAY, created()).tell(MONDAY + HOUR, outbound(), moved("resolved"))
    found = story.tell(MONDAY + 2 * HOUR, inbound(), moved("open")).fold(rules)
    assert [clock.state for clock in found["resolution"]] == states
    assert found["resolution"][-1].deadline == (MONDAY + deadline * HOUR if deadline else None)
    assert found["next_response"][0].started_at == MONDAY + 2 * HOUR


def test_resolved_ends_what_waits_for_words() -> None:
    """Without a verdict, for nobody waits any more."""
    found = Story().tell(MONDAY, created()).tell(MONDAY + HOUR, moved("resolved")).fold()
    assert (found["first_response"][0].state, found["first_response"][0].end_reason) == ("cancelled", "resolved")


@pytest.mark.parametrize("status", ["cancelled", "merged"])
def test_what_ends_without_a_resolution_has_no_verdict(status: str) -> None:
    """All clocks, that of a handoff too; a restored ticket's run on, but for the handoff's: that is over for good."""
    story = Story().tell(MONDAY, created(), handoff_requested(H1)).tell(MONDAY + HOUR, moved(status, "new"))
    assert {clock.state for found in story.fold().values() for clock in found} == {"cancelled"}
    restored = story.tell(MONDAY + 2 * HOUR, moved("open", status)).fold()
    if status == "cancelled":
        assert restored["resolution"][0].deadline == MONDAY + 9 * HOUR
        assert restored["first_response"][0].state == "running"
        assert restored["handoff_accept"][0].state == "cancelled"


def test_each_handoff_has_a_clock_of_its_own() -> None:
    """Accepted in time, declined, withdrawn."""
    story = Story().tell(MONDAY, created(), handoff_requested(H1))
    names = {"ticket_id": TICKET, "from_agent_id": UUID(int=4)}
    story.tell(MONDAY + MINUTE, HandoffDeclined(handoff_id=H1, reason_code="workload", **names))
    story.tell(MONDAY + HOUR, handoff_requested(H2))
    accepted = HandoffAccepted(handoff_id=H2, agent_id=H1, assignment_id=H1, agent_tier=2, **names)
    found = story.tell(MONDAY + HOUR + 30 * MINUTE, accepted).fold()["handoff_accept"]
    assert [(clock.cycle, clock.state, clock.end_reason) for clock in found] == [
        (1, "cancelled", "ended"),
        (2, "met", "accepted"),
    ]
    late = HandoffWithdrawn(handoff_id=H2, reason="sender", **names)
    assert Story(events=[*story.events]).tell(MONDAY + 2 * HOUR, late).fold()["handoff_accept"] == found


def test_another_policy_takes_over_and_lets_go() -> None:
    """A policy without a clock ends it; the next one that has it lets it run on, the time between not counted."""
    vip = policy(
        policy_id=UUID(int=31),
        match={"product": {"eq": "vip"}},
        targets_s={"first_response": TARGETS["first_response"]},
    )
    rules = book(vip, policy())

    def product(name: str) -> TicketUpdated:
        return TicketUpdated(ticket_id=TICKET, changed=(Change(field="product"),), product=name)

    story = Story().tell(MONDAY, created()).tell(MONDAY + HOUR, product("vip"))
    found = story.fold(rules)
    assert (found["resolution"][0].state, found["resolution"][0].end_reason) == ("cancelled", "policy")
    assert found["first_response"][0].policy_id == UUID(int=31)
    back = story.tell(MONDAY + 3 * HOUR, product("")).fold(rules)["resolution"][0]
    assert (back.state, back.deadline, back.policy_id) == ("running", MONDAY + 10 * HOUR, DEFAULT_POLICY_ID)


def test_no_policy_no_clock() -> None:
    """A ticket that no rule fits has none, until one does."""
    rules = book(policy(match={"priority": {"eq": "urgent"}}))
    story = Story().tell(MONDAY, created())
    assert story.fold(rules) == {}
    assert set(story.tell(MONDAY + HOUR, prioritised("urgent")).fold(rules)) == {"first_response", "resolution"}


def test_an_imported_ticket_that_is_over_has_no_clock() -> None:
    """Nobody waits for it."""
    assert Story().tell(MONDAY, created(status="closed")).fold() == {}


def test_a_clock_that_nobody_touches_is_judged_by_the_time() -> None:
    """At the deadline it is in time, a microsecond later it is not."""
    clock = Story().tell(MONDAY, created()).fold()["first_response"][0]
    assert clock.state in OPEN_STATES
    assert judge(clock, MONDAY + HOUR, book()).breached_at is None
    assert judge(clock, MONDAY + HOUR + MOMENT, book()).breached_at == MONDAY + HOUR


OFFICE = book(policy(calendar_id=OFFICE_HOURS_ID))
EVENING, MORNING = MONDAY + 8 * HOUR, MONDAY + 24 * HOUR
"""Eight hours of work end as the office closes on Monday, and it opens again on Tuesday."""


def test_a_deadline_at_closing_time_breaches_when_the_office_opens_again() -> None:
    """By open time: until then no more than the target has run. Then it tells so."""
    clock = Story().tell(MONDAY, created()).fold(OFFICE)["resolution"][0]
    assert clock.deadline == EVENING
    assert [judge(clock, at, OFFICE).breached_at for at in (EVENING + MOMENT, MORNING)] == [None, None]
    assert judge(clock, MORNING + MOMENT, OFFICE).breached_at == EVENING
    told, _ = tell(clock, UNTOLD, OFFICE, Occasion(EVENING))
    assert told.due_at == MORNING + MOMENT
    silent, bodies = tell(clock, told, OFFICE, Occasion(MORNING))
    assert (silent, bodies) == (told, [])
    _, [breached] = tell(clock, told, OFFICE, Occasion(MORNING + MOMENT))
    assert isinstance(breached, SlaBreached)
    assert (breached.at, breached.consumed_s) == (EVENING, 28_800)


@pytest.mark.parametrize(("late", "state"), [(2 * HOUR, "met"), (16 * HOUR, "met"), (16 * HOUR + MOMENT, "missed")])
def test_what_is_satisfied_before_the_office_opens_again_is_in_time(late: timedelta, state: str) -> None:
    story = Story().tell(MONDAY, created()).tell(EVENING + HOUR, outbound()).tell(EVENING + late, moved("resolved"))
    clock = story.fold(OFFICE)["resolution"][0]
    assert clock.state == state
    assert print_proof(prove(clock, OFFICE, at=EVENING + late)).count("28800 s <= target 28800 s") == (state == "met")
