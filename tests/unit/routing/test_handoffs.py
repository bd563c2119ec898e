"""A handoff as work beside the ticket's own: what it begins with, what it follows, how it is accepted or ends."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.escalation import HandoffRequested
from contracts.words import SkillNeed
from routing.work import handoffs, moves, offering
from routing.work.domain import FOREVER
from routing.work.facts import work_facts
from routing.work.item import ASSIGNED, DONE, FOR_EVER, QUEUED, Work
from routing.work.keeping import load_changes
from routing.work.offering import OfferEnded
from tests.unit.routing.test_moves import ADA, BO, LIFE, NOW, TICKET, names, owned, taking, waiting
from tests.unit.routing.test_queues import queue

HANDOFF, CY = UUID(int=2), UUID(int=12)


def request(**given: Any) -> HandoffRequested:
    """Ada asks for somebody of at least tier 2."""
    values: dict[str, Any] = {
        "ticket_id": TICKET,
        "handoff_id": HANDOFF,
        "from_agent_id": ADA,
        "tier_required": 2,
        "reason_code": "needs_expertise",
        "completeness": 1.0,
        "emergency": False,
        "deadline": NOW + timedelta(minutes=30),
        "expires_at": NOW + timedelta(minutes=30),
    }
    return HandoffRequested(**{**values, **given})


def begun(own: Work | None = None, **given: Any) -> Work:
    """A handoff that waits."""
    return handoffs.begin(request(**given), own or owned(), at=NOW)[0]


def offered(to: UUID = BO, **given: Any) -> Work:
    """A handoff that is offered, as it is loaded."""
    decided = {"offer_id": UUID(int=201), "decision_id": UUID(int=301)}
    work = offering.make_offer(begun(**given), to, at=NOW, life=LIFE, **decided)[0]
    return Work(item=work.item, offer=work.offer)


def accept(handoff: Work, own: Work, *, at: timedelta = timedelta(0)) -> tuple[moves.Change, moves.Change]:
    return offering.accept_handoff(handoff, own, agent_tier=2, assignment_id=UUID(int=101), at=NOW + at)


def test_it_takes_the_place_of_its_ticket_and_asks_what_the_sender_named() -> None:
    own = owned()
    work, events = handoffs.begin(
        request(to_agent_id=CY, to_teams=("red",), skills=(SkillNeed(skill="net", level=3),), excluded=(BO,)),
        own,
        at=NOW,
    )
    assert (work.item.work_id, work.item.ticket_id, work.item.kind) == (HANDOFF, TICKET, "handoff")
    assert (work.item.enqueued_at, work.item.deadline) == (own.item.enqueued_at, own.item.deadline)
    assert (work.item.state, work.item.version) == (QUEUED, 1)
    [told] = events
    assert (names(events), told.kind, told.handoff_id, told.cause) == (["work.enqueued"], "handoff", HANDOFF, "handoff")
    facts = work_facts(work.item, replace(queue(), primary_teams=("desk",), required_skills=(SkillNeed(skill="x"),)))
    assert (facts.work_id, facts.kind, facts.offered) == (HANDOFF, "handoff", True)
    assert (facts.teams, facts.overflow_teams) == (frozenset({"red"}), frozenset())
    assert [need.skill for need in facts.needs] == ["net"]
    assert (facts.preferred, facts.only_preferred) == (CY, False)
    assert facts.excluded == {ADA: FOREVER, BO: FOREVER}


def test_the_sender_and_the_owner_are_never_asked() -> None:
    own = owned()
    later = moves.assign(own, taking(BO, number=105))[0]
    assert set(begun(later).item.excluded) == {ADA, BO}
    assert set(begun(from_agent_id=None).item.excluded) == {ADA}
    assert set(begun(waiting(), from_agent_id=None).item.excluded) == set()


@pytest.mark.parametrize(("asked", "given", "least"), [(1, {}, 3), (3, {}, 3), (1, {"return_of": UUID(int=9)}, 1)])
def test_only_a_return_may_go_below_what_the_ticket_asks(asked: int, given: dict[str, Any], least: int) -> None:
    own = owned(waiting(tier_required=3))
    assert begun(own, tier_required=asked, **given).item.tier_required == least


def test_only_the_named_agent_needs_a_name() -> None:
    assert begun(to_agent_id=CY, only_agent=True).item.only_preferred
    assert not begun(only_agent=True).item.only_preferred


def test_a_pause_of_the_ticket_before_is_not_wait_and_a_handoff_is_never_paused() -> None:
    paused = moves.pause(owned(), at=NOW)[0]
    work = handoffs.begin(request(), paused, at=NOW + timedelta(minutes=5))[0]
    assert (work.item.paused_at, work.item.paused_s, work.item.quarters) == (None, 300.0, 8)
    assert handoffs.follow(work, paused, at=NOW) == ()


def test_it_follows_priority_and_language() -> None:
    own = moves.weigh(owned(), priority="urgent", weight=4, tau_s=900)[0]
    handoff = offered()
    [(weighed, events)] = handoffs.follow(handoff, own, at=NOW)
    assert (weighed.offer and weighed.offer.quarters, events) == (16, ())
    assert weighed.item.deadline == own.item.deadline
    spoken = replace(own, item=replace(own.item, language="de"))
    [(freed, events)] = handoffs.follow(weighed, spoken, at=NOW)
    assert (freed.item.state, freed.item.language, names(events)) == (QUEUED, "de", ["assignment.offer_rescinded"])


def test_acceptance_replaces_the_owner_and_moves_the_weight() -> None:
    own, handoff = owned(), offered()
    (done, accepted), (work, told) = accept(handoff, own, at=timedelta(seconds=119))
    assert names((*accepted, *told)) == ["assignment.accepted", "assignment.assigned", "assignment.unassigned"]
    assert {(event.kind, event.handoff_id) for event in (*accepted, *told)} == {("handoff", HANDOFF)}
    assert (done.item.state, done.offer, work.item.state) == (DONE, None, ASSIGNED)
    assert work.assignment is not None
    assert (work.assignment.agent_id, work.assignment.method, work.assignment.handoff_id) == (BO, "handoff", HANDOFF)
    assert (told[0].replaces, told[1].reason) == (UUID(int=100), "handoff")
    loads = load_changes({TICKET: own, HANDOFF: handoff}, [work, done])
    assert {agent: (load.quarters, load.offers) for agent, load in loads.items()} == {ADA: (-8, 0), BO: (0, -1)}
    with pytest.raises(OfferEnded):
        accept(done, work)
    with pytest.raises(OfferEnded):
        accept(handoff, own, at=LIFE)


def test_acceptance_takes_an_ownerless_ticket_out_of_the_queue_and_back_from_others() -> None:
    queued = moves.hand_back(owned(), at=NOW, reason="agent_left", cause="agent_left", excluded_until=None)[0]
    _, (work, told) = accept(offered(), queued)
    assert (work.item.state, names(told)) == (ASSIGNED, ["assignment.assigned"])
    elsewhere = offering.make_offer(queued, CY, offer_id=UUID(int=202), decision_id=UUID(int=302), at=NOW, life=LIFE)[0]
    _, (work, told) = accept(offered(), elsewhere)
    assert (work.item.state, work.offer) == (ASSIGNED, None)
    assert names(told) == ["assignment.offer_rescinded", "assignment.assigned"]


def test_acceptance_by_the_owner_is_an_assignment_of_its_own() -> None:
    own = moves.assign(owned(), taking(BO, number=105))[0]
    handoff = offered()
    own = Work(item=own.item, assignment=own.assignment)
    (done, _), (work, told) = accept(handoff, own)
    assert names(told) == ["assignment.assigned", "assignment.unassigned"]
    loads = load_changes({TICKET: own, HANDOFF: handoff}, [work, done])
    assert {agent: load.quarters for agent, load in loads.items()} == {BO: -8}


def test_a_finished_ticket_cannot_be_accepted() -> None:
    with pytest.raises(OfferEnded, match="needs no agent"):
        accept(offered(), moves.finish(owned(), at=NOW, reason="resolved")[0])


def test_declining_excludes_for_ever_and_not_answering_for_a_while() -> None:
    ten = timedelta(minutes=10)
    declined, events = offering.decline(offered(), at=NOW, reason="busy", exclusion=ten)
    assert declined.item.excluded[BO] == FOR_EVER
    assert [(event.kind, event.handoff_id) for event in events] == [("handoff", HANDOFF)] * 2
    expired, _ = offering.expire(offered(), at=NOW + LIFE, exclusion=ten)
    assert expired.item.excluded[BO] == NOW + LIFE + ten


def test_it_ends_once_and_takes_its_offer_back() -> None:
    ended, events = handoffs.end(offered(), at=NOW, reason="withdrawn")
    assert names(events) == ["assignment.offer_rescinded", "work.dequeued"]
    assert (ended.item.state, events[1].kind, events[1].reason) == (DONE, "handoff", "withdrawn")
    assert handoffs.end(ended, at=NOW, reason="expired")[1] == ()


def test_a_reopened_ticket_prefers_its_last_owner_until_somebody_has_it() -> None:
    reopened = moves.reopen(moves.finish(owned(), at=NOW, reason="resolved")[0], at=NOW)[0]
    assert reopened.item.preferred == ADA
    assert moves.assign(reopened, taking(BO, number=105))[0].item.preferred is None


def test_an_escalated_ticket_is_enqueued_anew_at_its_desk_and_only_where_it_waits() -> None:
    def raised(work: Work) -> moves.Change:
        desk = (work.item.queue_id, work.item.pool)
        return moves.describe(work, desk=desk, needs=(), tier_required=3, language="", cause="escalated")

    work, events = raised(waiting(missing=("tier 2",), ring=2))
    assert (work.item.tier_required, work.item.ring, work.item.missing) == (3, 1, ())
    assert (names(events), events[0].cause) == (["work.enqueued"], "escalated")
    assert raised(work) == (work, ())
    kept, events = raised(owned())
    assert (kept.item.tier_required, kept.item.state, events) == (3, ASSIGNED, ())
