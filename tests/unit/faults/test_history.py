"""The writer of histories: whole lines, also from many at once, and a torn end that the next writer takes away."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.history import HistoryWriter


def iterate_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a history, in order; a torn last line is left out."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


def test_lines_of_many_writers_at_once_stay_whole(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / "history") as history, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: history.add("effect", row=number, text="x" * 5_000), range(400)))
    assert {line["row"] for line in iterate_lines(tmp_path / "history")} == set(range(400))


def test_a_line_can_be_read_as_soon_as_it_is_added(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / "history") as history:
        history.add("effect", row=1)
        assert list(iterate_lines(tmp_path / "history")) == [{"kind": "effect", "row": 1}]


def test_a_torn_last_line_is_passed_over_and_taken_away_by_the_next_writer(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(b'{"kind":"effect","row":1}\n{"kind":"eff')
    assert [line["row"] for line in iterate_lines(path)] == [1]
    with HistoryWriter(path) as history:
        history.add("effect", row=2)
    assert [json.loads(line)["row"] for line in path.read_text().splitlines()] == [1, 2]


def test_what_is_no_number_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / "history") as history:
        with pytest.raises(ValueError, match="not JSON compliant"):
            history.add("effect", applied_at=float("nan"))
        with pytest.raises(TypeError):
            history.add("effect", row=object())
    assert (tmp_path / "history").read_bytes() == b""
