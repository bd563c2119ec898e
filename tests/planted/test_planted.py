"""Each classic error is found by few schedules: the net of the simulation keeps its mesh."""

import pytest

from common.backbone import walk
from tests.planted import PLANTS, planted
from tests.planted.hunt import hunt

_SCHEDULES = 300


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_error_is_found(name: str) -> None:
    assert hunt(name, limit=_SCHEDULES) is not None


def test_a_plant_leaves_nothing_behind() -> None:
    before = walk.is_repeat
    with planted("repeat_by_number"):
        assert walk.is_repeat is not before
    assert walk.is_repeat is before
