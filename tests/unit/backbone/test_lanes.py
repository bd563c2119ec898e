"""How a batch is split for two transactions at once: by partitions, whole, in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.backbone.applying import Item, split_lanes
from common.backbone.protocols import Broken, Place, Record


def items_of(places: list[tuple[str, int]]) -> list[Item]:
    """A record after the other in these topics and partitions."""
    return [
        Broken(
            record=Record(place=Place(*place), offset=offset, key=None, value=None, headers=(), written_at_ms=0),
            stream=None,
            seq=0,
            error="",
        )
        for offset, place in enumerate(places)
    ]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), max_size=60))
def test_each_record_is_in_one_lane_in_order_and_beside_all_of_its_partition_number(
    places: list[tuple[str, int]],
) -> None:
    items = items_of(places)
    lanes = split_lanes(items, least=2)
    assert sorted((item for lane in lanes for item in lane), key=lambda item: item.record.offset) == items
    for lane in lanes:
        assert lane
        assert lane == sorted(lane, key=lambda item: item.record.offset)
    left, right = ({item.record.place.partition for item in lane} for lane in [*lanes, [], []][:2])
    assert not left & right
    assert len(lanes) == min(2, len({partition for _, partition in places}))


@pytest.mark.parametrize(
    ("records", "expected"),
    [([400, 400], [400, 400]), ([500, 200, 200, 100], [500, 500]), ([900], [900]), ([200, 200], [400]), ([], [])],
    ids=["two halves", "of one size", "one partition", "too few", "none"],
)
def test_lanes_are_of_one_size_where_they_can_be(records: list[int], expected: list[int]) -> None:
    places = [("t", partition) for partition, count in enumerate(records) for _ in range(count)]
    assert [len(lane) for lane in split_lanes(items_of(places), least=500)] == expected


def test_nothing_has_no_lanes_whatever_a_second_transaction_is_worth() -> None:
    assert split_lanes([], least=0) == []
