"""What a work item does at each move: the state afterwards and the events that tell it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from contracts.registry import Body
from contracts.words import SkillNeed
from routing.queues.domain import CATCH_ALL_ID
from routing.work import moves, offering
from routing.work.facts import work_facts
from routing.work.item import ASSIGNED, DONE, OFFERED, QUEUED, NotAssigned, Work, WorkDone, WorkItem
from routing.work.keeping import load_changes
from routing.work.moves import Taking
from routing.work.offering import OfferEnded
from tests.unit.routing.test_queues import queue

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICKET, ADA, BO = UUID(int=1), UUID(int=10), UUID(int=11)
DESK = (CATCH_ALL_ID, "default")
LIFE = timedelta(seconds=120)


def waiting(**given: object) -> Work:
    """A ticket of normal priority that waits."""
    item = WorkItem(
        ticket_id=TICKET,
        pool="default",
        queue_id=CATCH_ALL_ID,
        priority="normal",
        weight=2,
        tier_required=1,
        needs=(),
        language="",
        tau_s=3_600,
        enqueued_at=NOW,
        deadline=NOW + timedelta(hours=1),
    )
    return moves.enqueue(replace(item, **given), "new")[0]


def taking(agent: UUID = ADA, *, number: int = 100, method: str = "auto", at: datetime = NOW) -> Taking:
    """An agent who takes a ticket."""
    return Taking(agent_id=agent, agent_tier=1, assignment_id=UUID(int=number), method=method, at=at)


def owned(work: Work | None = None) -> Work:
    """A ticket that Ada owns, as it is loaded."""
    work = moves.assign(work or waiting(), taking())[0]
    return Work(item=work.item, assignment=work.assignment)


def offered() -> Work:
    """A ticket that is offered to Ada."""
    return offering.make_offer(waiting(), ADA, offer_id=UUID(int=200), decision_id=UUID(int=300), at=NOW, life=LIFE)[0]


def names(events: tuple[Body, ...]) -> list[str]:
    """The events' types, short."""
    return [event.event_type.removeprefix("support.").removesuffix(".v1") for event in events]


def test_assigning_ends_what_was_missing_and_counts_a_version() -> None:
    work, events = moves.assign(waiting(missing=("skill net",), hand_backs=2), taking())
    assert (work.item.state, work.item.missing, work.item.hand_backs) == (ASSIGNED, (), 2)
    assert work.item.version == waiting().item.version + 1
    assert names(events) == ["assignment.assigned"]


def test_a_new_owner_is_told_before_the_old_one_ends() -> None:
    before = owned()
    work, events = moves.assign(before, taking(BO, number=101))
    assert names(events) == ["assignment.assigned", "assignment.unassigned"]
    assert events[0].replaces == UUID(int=100)
    assert [each.end_reason for each in work.ended] == ["reassigned"]
    loads = load_changes({TICKET: before}, [work])
    assert {agent: load.quarters for agent, load in loads.items()} == {ADA: -8, BO: 8}


def test_the_same_owner_again_changes_nothing() -> None:
    before = owned()
    assert moves.assign(before, taking(number=101)) == (before, ())


def test_a_hand_back_keeps_the_place_and_excludes() -> None:
    before = owned()
    until = NOW + timedelta(minutes=15)
    work, events = moves.hand_back(
        before, at=NOW + timedelta(minutes=5), reason="manual", cause="returned", excluded_until=until
    )
    assert (work.item.enqueued_at, work.item.deadline) == (before.item.enqueued_at, before.item.deadline)
    assert (work.item.state, dict(work.item.excluded)) == (QUEUED, {ADA: until})
    assert names(events) == ["assignment.unassigned", "work.enqueued"]
    with pytest.raises(NotAssigned):
        moves.hand_back(work, at=NOW, reason="manual", cause="returned", excluded_until=None)


def test_exclusions_that_are_over_are_forgotten() -> None:
    item = moves.exclude(waiting().item, ADA, until=NOW + timedelta(minutes=1), at=NOW)
    later = moves.exclude(item, BO, until=NOW + timedelta(minutes=9), at=NOW + timedelta(minutes=1))
    assert list(later.excluded) == [BO]


def test_a_pause_keeps_a_quarter_and_stops_the_clock() -> None:
    paused, events = moves.pause(owned(), at=NOW)
    assert (paused.item.quarters, names(events)) == (2, ["assignment.weight_changed"])
    assert moves.pause(paused, at=NOW + timedelta(hours=1)) == (paused, ())
    resumed, events = moves.resume(paused, at=NOW + timedelta(hours=2))
    assert (resumed.item.quarters, resumed.item.paused_s) == (8, 7_200.0)
    assert names(events) == ["assignment.weight_changed"]
    facts = work_facts(resumed.item, queue())
    assert facts.deadline - facts.enqueued_at == 3_600_000_000
    assert facts.enqueued_at == work_facts(waiting().item, queue()).enqueued_at + 7_200_000_000


def test_a_resume_before_the_pause_began_counts_no_time() -> None:
    paused, _ = moves.pause(waiting(), at=NOW)
    assert moves.resume(paused, at=NOW - timedelta(seconds=1))[0].item.paused_s == 0


def test_a_new_priority_changes_weight_target_and_deadline() -> None:
    work, events = moves.weigh(owned(), priority="urgent", weight=4, tau_s=900)
    assert work.item.deadline == NOW + timedelta(minutes=15)
    assert work.assignment is not None
    assert (work.assignment.quarters, names(events)) == (16, ["assignment.weight_changed"])


def test_finishing_ends_the_assignment_and_a_repeat_changes_nothing() -> None:
    work, events = moves.finish(owned(), at=NOW, reason="resolved")
    assert (work.item.state, names(events)) == (DONE, ["assignment.unassigned", "work.dequeued"])
    assert moves.finish(work, at=NOW, reason="closed") == (work, ())
    with pytest.raises(WorkDone):
        moves.assign(work, taking(BO))


def test_reopening_begins_to_wait_anew() -> None:
    done, _ = moves.finish(waiting(paused_s=50.0, hand_backs=3), at=NOW, reason="cancelled")
    later = NOW + timedelta(days=1)
    work, events = moves.reopen(done, at=later)
    assert (work.item.enqueued_at, work.item.deadline) == (later, later + timedelta(hours=1))
    assert (work.item.paused_s, work.item.hand_backs, names(events)) == (0.0, 0, ["work.enqueued"])
    assert moves.reopen(work, at=later) == (work, ())


def test_describing_moves_waiting_work_unless_a_person_chose_the_desk() -> None:
    other = (UUID(int=5), "default")
    told = {"needs": (SkillNeed(skill="net", level=2),), "tier_required": 2, "language": "de"}
    work, events = moves.describe(waiting(), desk=other, **told)
    assert (work.item.queue_id, names(events)) == (other[0], ["work.enqueued"])
    assert moves.describe(work, desk=other, **told) == (work, ())
    work, events = moves.describe(owned(), desk=other, **told)
    assert (work.item.queue_id, names(events)) == (other[0], [])
    pinned, _ = moves.move(waiting(), desk=DESK, pinned=True)
    work, events = moves.describe(pinned, desk=other, **told)
    assert (work.item.queue_id, names(events)) == (CATCH_ALL_ID, [])


def test_a_ring_is_told_once_and_only_of_what_waits() -> None:
    work, events = moves.relax(waiting(), 2, ())
    assert (work.item.ring, names(events)) == (2, ["work.requirements_relaxed"])
    assert moves.relax(work, 2, ()) == (work, ())
    assert moves.relax(owned(), 3, ())[1] == ()


def test_unroutable_is_told_once_and_the_way_back_too() -> None:
    work, events = moves.mark_unroutable(waiting(), ("tier 3",), at=NOW)
    assert names(events) == ["work.unroutable"]
    more, events = moves.mark_unroutable(work, ("tier 3", "skill x"), at=NOW)
    assert (more.item.missing, events) == (("tier 3", "skill x"), ())
    back, events = moves.mark_unroutable(more, (), at=NOW)
    assert (back.item.missing, names(events)) == ((), ["work.enqueued"])


def test_an_offer_reserves_until_it_is_answered() -> None:
    work = offered()
    assert (work.item.state, work.item.attempt, work.holder) == (OFFERED, 1, ADA)
    loads = load_changes({TICKET: waiting()}, [work])
    assert (loads[ADA].quarters, loads[ADA].offers, loads[ADA].taken_at) == (8, 1, None)
    taken, events = offering.accept(work, agent_tier=2, assignment_id=UUID(int=100), at=NOW + timedelta(seconds=119))
    assert names(events) == ["assignment.accepted", "assignment.assigned"]
    assert taken.assignment is not None
    assert (taken.assignment.method, taken.assignment.decision_id) == ("offer", UUID(int=300))
    loads = load_changes({TICKET: work}, [taken])
    assert (loads[ADA].quarters, loads[ADA].offers) == (0, -1)
    with pytest.raises(OfferEnded):
        offering.accept(work, agent_tier=2, assignment_id=UUID(int=100), at=NOW + LIFE)


def test_declining_and_expiring_hand_back_and_exclude() -> None:
    ten = timedelta(minutes=10)
    declined, events = offering.decline(offered(), at=NOW, reason="busy", exclusion=ten)
    assert names(events) == ["assignment.declined", "work.enqueued"]
    assert (declined.item.hand_backs, dict(declined.item.excluded)) == (1, {ADA: NOW + ten})
    expired, events = offering.expire(offered(), at=NOW + LIFE, exclusion=ten)
    assert names(events) == ["assignment.offer_expired", "work.enqueued"]
    assert expired.item.state == QUEUED
    with pytest.raises(OfferEnded):
        offering.expire(expired, at=NOW, exclusion=ten)


def test_rescinding_blames_nobody() -> None:
    work, events = offering.rescind(offered(), at=NOW, reason="paused")
    assert (names(events), dict(work.item.excluded), work.item.hand_backs) == (
        ["assignment.offer_rescinded"],
        {},
        0,
    )
    assert offering.rescind(work, at=NOW, reason="paused") == (work, ())
