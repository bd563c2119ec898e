"""Who owned a ticket when, and whose its outcome is."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.intake import TicketResolved
from contracts.registry import decode_body
from contracts.routing import AssignmentAssigned, AssignmentUnassigned
from feedback.ownership.domain import Intervals, OwnershipInterval, follow, owner_at, share_out
from tests.support.stories import Teller, as_events, chance
from tests.support.surveys import check_shares

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMES = st.integers(0, 10**6)
TICKET, ADA, BEN, CLEO = UUID(int=9), UUID(int=1), UUID(int=2), UUID(int=3)


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def interval(agent_id: UUID, start: float, end: float | None, number: int = 0) -> OwnershipInterval:
    return OwnershipInterval(
        assignment_id=UUID(int=1000 + number),
        agent_id=agent_id,
        agent_tier=1,
        started_at=after(start),
        ended_at=None if end is None else after(end),
    )


def shown(intervals: Intervals, until: float) -> list[tuple[UUID, float]]:
    return [(each.agent_id, each.share) for each in share_out(intervals, until=after(until))]


def test_shares_are_the_owned_time() -> None:
    assert shown((interval(ADA, 0, 30), interval(BEN, 30, None)), 40) == [(ADA, 0.75), (BEN, 0.25)]


def test_time_without_an_owner_is_nobodys() -> None:
    assert shown((interval(ADA, 0, 10), interval(BEN, 90, None)), 100) == [(ADA, 0.5), (BEN, 0.5)]


def test_several_times_of_one_agent_are_added() -> None:
    intervals = (interval(ADA, 0, 10), interval(BEN, 10, 20), interval(ADA, 20, None))
    assert shown(intervals, 40) == [(ADA, 0.75), (BEN, 0.25)]


def test_what_comes_after_the_outcome_does_not_count() -> None:
    assert shown((interval(ADA, 0, 50), interval(BEN, 50, None)), 40) == [(ADA, 1.0)]


def test_nobody_owned_it() -> None:
    assert share_out((), until=NOON) == ()
    assert shown((interval(ADA, 5, None),), 4) == []


def test_where_no_time_passed_the_last_owner_has_all() -> None:
    assert shown((interval(ADA, 0, 0), interval(BEN, 0, None)), 0) == [(BEN, 1.0)]


def test_what_rounding_leaves_over_goes_to_the_one_with_the_longest_time() -> None:
    intervals = (interval(ADA, 0, 1), interval(BEN, 1, 2), interval(CLEO, 2, 3))
    assert shown(intervals, 3) == [(ADA, 0.333334), (BEN, 0.333333), (CLEO, 0.333333)]


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(st.sampled_from([ADA, BEN, CLEO]), st.integers(0, 10**6), st.none() | st.integers(0, 10**6)),
        max_size=8,
    ),
    st.integers(0, 10**6),
)
def test_shares_are_positive_and_sum_to_one(given_ones: list[tuple[UUID, int, int | None]], until: int) -> None:
    intervals = tuple(
        interval(agent, start / 1e4, None if lasted is None else (start + lasted) / 1e4, number)
        for number, (agent, start, lasted) in enumerate(given_ones)
    )
    parts = [round(each.share * 1_000_000) for each in share_out(intervals, until=after(until / 1e4))]
    assert all(part > 0 for part in parts)
    assert sum(parts) == (1_000_000 if any(start <= until for _, start, _ in given_ones) else 0)
    assert parts == sorted(parts, reverse=True)


@pytest.mark.parametrize(
    ("minute", "owner"), [(-1, None), (0, ADA), (9, ADA), (10, BEN), (20, BEN), (20.1, None), (30, CLEO), (99, CLEO)]
)
def test_the_owner_at_a_moment(minute: float, owner: UUID | None) -> None:
    intervals = (interval(ADA, 0, 10), interval(BEN, 10, 20), interval(CLEO, 30, None))
    assert owner_at(intervals, after(minute)) == owner


def test_of_two_that_began_together_the_later_told_is_the_owner() -> None:
    assert owner_at((interval(ADA, 0, None), interval(BEN, 0, None)), NOON) == BEN


def test_events_make_intervals_and_repeats_change_nothing() -> None:
    taken = AssignmentAssigned(
        ticket_id=TICKET, assignment_id=UUID(int=7), agent_id=ADA, agent_tier=2, method="auto", weight=1
    )
    ended = AssignmentUnassigned(ticket_id=TICKET, assignment_id=UUID(int=7), agent_id=ADA, reason="resolved")
    intervals = follow((), taken, at=NOON)
    assert follow(intervals, taken, at=after(1)) == intervals
    intervals = follow(intervals, ended, at=after(5))
    assert [(each.agent_tier, each.ended_at, each.end_reason) for each in intervals] == [(2, after(5), "resolved")]
    assert follow(intervals, ended, at=after(6)) == intervals
    assert follow((), ended, at=NOON) == ()


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_an_independent_reader_of_the_topics_shares_alike(seed: int) -> None:
    """From routing's stream alone, up to some moment; and it sees where a tenth of a share is somebody else's."""
    events = as_events(Teller(choice=chance(seed)).tell(TICKET), TICKET)
    intervals: Intervals = ()
    for event in events["routing"]:
        body = decode_body(event)
        assert body is not None
        intervals = follow(intervals, body, at=event.time)
    for event in events["intake"]:
        body = decode_body(event)
        if not isinstance(body, TicketResolved):
            continue
        shares = [msgspec.to_builtins(each) for each in share_out(intervals, until=event.time)]
        answer = {"survey_id": "s", "resolution_seq": body.resolution_seq, "attribution": shares}
        assert check_shares(answer, events["intake"], events["routing"])
        if shares:
            moved = {"agent_id": str(UUID(int=77)), "share": shares[0]["share"] * 0.1}
            wrong = [{**shares[0], "share": shares[0]["share"] * 0.9}, *shares[1:], moved]
            with pytest.raises(AssertionError):
                check_shares({**answer, "attribution": wrong}, events["intake"], events["routing"])
