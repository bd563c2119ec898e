"""What becomes of records by their numbers: against a plain model, for any sequence of repeats, gaps and forks."""

from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.backbone.decoding import decode_record
from common.backbone.protocols import Broken, Cursor, Delivery, Place, Record
from common.backbone.walk import plan_batch
from contracts.envelope import Event
from tests.support.backbone import event_of, headers_of

PLACE = Place("support.intake.v1", 0)
TICKETS = [uuid5(UUID(int=0), str(number)) for number in range(3)]


def record_of(event: Event, offset: int = 0) -> Record:
    return Record(place=PLACE, offset=offset, key=b"", value=event.data, headers=headers_of(event), written_at_ms=0)


def delivery(ticket: int, seq: int, version: int = 0) -> Delivery | Broken:
    """The event with this number; another version is another event with the same number: a fork."""
    event = event_of(TICKETS[ticket], seq, id=uuid5(TICKETS[ticket], f"{seq}/{version}"))
    return decode_record(record_of(event), {PLACE.topic: "intake"})


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), st.sampled_from([0, 0, 0, 1])), max_size=40))
def test_whatever_arrives_is_applied_in_order_once_or_parked(arrivals: list[tuple[int, int, int]]) -> None:
    items = [delivery(*arrival) for arrival in arrivals]
    plan = plan_batch(items, parked=(), cursors={}, late_starters=())

    last = dict.fromkeys(range(3), 0)
    identity: dict[tuple[int, int], int] = {}
    parked: set[int] = set()
    applied: list[tuple[int, int]] = []
    kept = repeats = 0
    for ticket, seq, version in arrivals:
        if seq < last[ticket] or (seq == last[ticket] and identity[ticket, seq] == version):
            repeats += 1
        elif ticket in parked or seq != last[ticket] + 1:
            parked.add(ticket)
            kept += 1
        else:
            last[ticket], identity[ticket, seq] = seq, version
            applied.append((ticket, seq))

    assert [(TICKETS.index(UUID(each.event.subject_id)), each.event.seq) for each in plan.deliveries] == applied
    assert plan.duplicates == repeats
    assert len(plan.kept) == kept
    assert {TICKETS.index(UUID(parking.stream[1].partition("/")[2])) for parking in plan.parkings} == parked
    assert len(plan.parkings) == len(parked)


def test_events_behind_a_parked_subject_are_kept_and_its_cursor_stays() -> None:
    stream = ("intake", f"ticket/{TICKETS[0]}")
    plan = plan_batch([delivery(0, 3)], parked={stream}, cursors={stream: Cursor(2, TICKETS[1])}, late_starters=())
    assert (plan.deliveries, plan.parkings, plan.cursors) == ([], [], {})
    assert [kept.seq for kept in plan.kept] == [3]


def test_a_fork_is_told_from_a_repeat_by_the_event_id() -> None:
    stream = ("intake", f"ticket/{TICKETS[0]}")
    last = delivery(0, 2)
    assert isinstance(last, Delivery)
    cursors = {stream: Cursor(2, last.event.id)}
    plan = plan_batch([last, delivery(0, 2, version=1)], parked=(), cursors=cursors, late_starters=())
    assert plan.duplicates == 1
    assert [parking.reason for parking in plan.parkings] == ["fork"]


def test_beginning_late_is_for_partitions_in_bootstrap_mode() -> None:
    assert plan_batch([delivery(0, 7)], parked=(), cursors={}, late_starters={PLACE}).deliveries
    assert [p.reason for p in plan_batch([delivery(0, 7)], parked=(), cursors={}, late_starters=()).parkings] == ["gap"]


@pytest.mark.parametrize("subject", ["ticket/FL_1042", "Ticket/1", "ticket/a b", "ticket/" + "x" * 65, "ticket/a/b"])
@pytest.mark.parametrize("absent", ["", "ce_time"], ids=["readable", "broken elsewhere"])
def test_a_subject_that_no_path_could_name_is_no_stream(subject: str, absent: str) -> None:
    """Parked, it would wait for ever: operators could not reach it."""
    headers = [header for header in headers_of(event_of(TICKETS[0], 1, subject=subject)) if header[0] != absent]
    record = Record(place=PLACE, offset=0, key=None, value=b"{}", headers=headers, written_at_ms=0)
    item = decode_record(record, {PLACE.topic: "intake"})
    assert isinstance(item, Broken)
    assert item.stream is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["ce_id", "ce_subject", "ce_subjectseq", "ce_time", "x"]), st.binary()), max_size=6
    ),
    st.one_of(st.none(), st.binary(max_size=20)),
)
def test_no_record_makes_decoding_raise(changes: list[tuple[str, bytes]], value: bytes | None) -> None:
    headers = dict(headers_of(event_of(TICKETS[0], 1))) | dict(changes)
    record = Record(place=PLACE, offset=0, key=None, value=value, headers=list(headers.items()), written_at_ms=0)
    item = decode_record(record, {PLACE.topic: "intake"})
    if isinstance(item, Delivery):
        assert item.stream == ("intake", item.event.subject)
    else:
        assert item.error
