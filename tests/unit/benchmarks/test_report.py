"""How figures become rows of the table."""

import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.report import Row

FAST = Row(
    id="S4",
    what="relay",
    unit="events/s",
    runs=(30_000, 20_000, 40_000),
    baseline="send",
    baseline_runs=(15_000, 20_000, 20_000),
    at_least=1.0,
)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for what is recorded."""
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    return tmp_path


def test_a_ratio_is_formed_run_by_run() -> None:
    assert FAST.ratios == (2.0, 1.0, 2.0)


@pytest.mark.parametrize(
    ("limits", "reached"),
    [
        ({}, None),
        ({"at_least": 2.0}, True),
        ({"at_least": 2.1}, False),
        ({"at_most": 2.0}, True),
        ({"at_most": 1.9}, False),
    ],
)
def test_the_median_ratio_is_held_to_the_bar(limits: dict[str, float], reached: bool | None) -> None:
    row = Row(id="S1", what="x", unit="/s", runs=(2, 4, 9), baseline="y", baseline_runs=(1, 2, 3), **limits)
    assert row.reached is reached


def test_without_a_baseline_the_figure_itself_is_held_to_the_bar() -> None:
    assert Row(id="S8", what="p50", unit="ms", runs=(50, 70, 55), at_most=60).reached is True


@pytest.mark.parametrize("runs", [(), (1.0,)])
def test_a_row_without_its_baselines_figures_is_refused(runs: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="S1 x"):
        Row(id="S1", what="x", unit="/s", runs=runs, baseline="y", baseline_runs=(1.0, 2.0))


def test_the_newest_row_of_a_name_counts(results: Path) -> None:
    report.record(FAST)
    report.record(Row(id="S12", what="idle", unit="MB", runs=(100, 101, 99), at_most=90))
    report.record(Row(id="S4", what="relay", unit="events/s", runs=(1, 2, 3)))
    assert [json.loads(line)["row"]["unit"] for line in (results / "S4.jsonl").read_text().splitlines()] == [
        "events/s",
        "events/s",
    ]
    table = report.render(report.load(results))
    assert "| S4 | relay | 2.00 events/s | 1.00 - 3.00 | - | - | - |  |" in table
    assert "| S12 | idle | 100 MB | 99.0 - 101 | - | - | ≤ 90.0 MB | **below** |" in table
    assert table.index("| S4 |") < table.index("| S12 |")
    assert report.machine() in table


def test_a_row_says_its_baseline_ratio_and_bar(results: Path) -> None:
    report.record(FAST)
    assert (
        "| S4 | relay | 30,000 events/s | 20,000 - 40,000 | send: 20,000 | 2.00 x (1.00 - 2.00) | ≥ 1.00 x | reached |"
    ) in report.render(report.load(results))
