"""Each classic error is found by few schedules: the net of the simulation keeps its mesh."""

from dataclasses import replace

import pytest

from common.backbone import walk
from tests.planted import PLANTS, planted
from tests.planted.hunt import hunt
from tests.planted.plant import Plant

_SCHEDULES = 300


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_error_is_found(name: str) -> None:
    assert hunt(name, limit=_SCHEDULES) is not None


def test_a_plant_that_ends_processes_is_no_catch(monkeypatch: pytest.MonkeyPatch) -> None:
    def unfit(*_: object) -> None:
        raise TypeError("production has changed")

    plant = Plant(
        name="unfit", says="it fits production no more", breaks=("I5",), replacements=((walk, "is_repeat", unfit),)
    )
    monkeypatch.setitem(PLANTS, "unfit", plant)
    with pytest.raises(RuntimeError, match="ends processes in schedule"):
        hunt("unfit", limit=_SCHEDULES)


def test_a_plant_that_breaks_something_else_is_no_catch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANTS, "floor_at_highest_sent", replace(PLANTS["floor_at_highest_sent"], breaks=("I8",)))
    assert hunt("floor_at_highest_sent", limit=20) is None


def test_a_plant_leaves_nothing_behind() -> None:
    before = walk.is_repeat
    with planted("repeat_by_number"):
        assert walk.is_repeat is not before
    assert walk.is_repeat is before
