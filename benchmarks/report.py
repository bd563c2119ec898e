"""Rows of figures: a benchmark records them, this module keeps them and writes RESULTS.md.

    from benchmarks.report import Row, record
    record(Row(id="S4", what="relay drains 100,000 rows", unit="events/s", runs=(31_000, 29_500, 30_200),
               baseline="aiokafka send, windows of 5,000", baseline_runs=(28_000, 27_900, 28_400), at_least=1.0))

Run as `python -m benchmarks.report` it writes the table again from what was recorded.
"""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
TABLE = FOLDER / "RESULTS.md"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One figure of one benchmark, with the baseline that ran beside it.

    `id` is the bar's name ("S4") and `what` tells its rows apart; both together name the row: a newer one replaces
    it. `runs` are the figures of the runs in `unit`, three or more; `baseline_runs` those of the baseline, in the same
    order, each measured beside the run of the same index. `at_least` and `at_most` are the bar: of the ratio to the
    baseline where there is one, else of the figure itself; without a bar the figure is printed for information.
    """

    id: str
    what: str
    unit: str
    runs: Sequence[float]
    baseline: str = ""
    baseline_runs: Sequence[float] = ()
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a row whose ratio could not be formed."""
        if not self.runs:
            raise ValueError(f"{self.id} {self.what}: no run was recorded")
        if bool(self.baseline) != bool(self.baseline_runs) or len(self.baseline_runs) not in {0, len(self.runs)}:
            raise ValueError(f"{self.id} {self.what}: every run needs the figure of its baseline beside it")

    @property
    def ratios(self) -> tuple[float, ...]:
        """Run by run, the figure over its baseline's; empty without a baseline."""
        return tuple(run / beside for run, beside in zip(self.runs, self.baseline_runs, strict=False))

    @property
    def reached(self) -> bool | None:
        """Whether the median lies within the bar; None without one."""
        if self.at_least is None and self.at_most is None:
            return None
        judged = statistics.median(self.ratios or self.runs)
        return (self.at_least is None or judged >= self.at_least) and (self.at_most is None or judged <= self.at_most)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """A row with where and when it was measured."""

    row: Row
    machine: str
    commit: str
    at: str


def record(row: Row) -> None:
    """Keep the row and print it. One line of JSON goes to results/<id>.jsonl."""
    RESULTS.mkdir(exist_ok=True)
    entry = {"row": asdict(row), "machine": machine(), "commit": _commit(), "at": _today()}
    with (RESULTS / f"{row.id}.jsonl").open("a") as lines:
        lines.write(json.dumps(entry) + "\n")
    print(" | ".join(_cells(row)))


def load(folder: Path = RESULTS) -> list[Recorded]:
    """The newest row of every (id, what), by id and then in the order of their first recording."""
    newest: dict[tuple[str, str], Recorded] = {}
    for path in sorted(folder.glob("*.jsonl"), key=lambda path: _natural(path.stem)):
        for line in path.read_text().splitlines():
            recorded = _parse(line)
            newest[recorded.row.id, recorded.row.what] = recorded
    return list(newest.values())


def render(recorded: Sequence[Recorded]) -> str:
    """The text of RESULTS.md."""
    lines = [
        "# Results",
        "",
        "Written by `make bench` or `make bench-full`; the method is in [README.md](README.md). A figure is the median",
        "of its runs, the spread their lowest and highest; a ratio is formed run by run against its baseline.",
        "",
        "| Id | What | Figure | Spread | Baseline | Ratio | Bar | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines.extend("| " + " | ".join(_cells(entry.row)) + " |" for entry in recorded)
    notes = [f"- {entry.row.id}, {entry.row.what}: {entry.row.note}" for entry in recorded if entry.row.note]
    if notes:
        lines += ["", "Notes", "", *notes]
    lines += ["", "Measured on", ""]
    lines.extend(f"- {line}" for line in dict.fromkeys(f"{entry.machine}, {entry.at}" for entry in recorded))
    return "\n".join(lines) + "\n"


def machine() -> str:
    """What the figures were measured on, in one line: processors, memory, system, Python."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} x {_processor()}, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    answer = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _natural(name: str) -> tuple[str, int]:
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :] or 0)


def _parse(line: str) -> Recorded:
    entry = cast("dict[str, str]", json.loads(line))
    return Recorded(
        row=Row(**cast("dict[str, object]", entry["row"])),  # pyright: ignore[reportArgumentType] - written by `record`
        machine=entry["machine"],
        commit=entry["commit"],
        at=entry["at"],
    )


def _cells(row: Row) -> list[str]:
    verdict = {None: "", True: "reached", False: "**below**"}[row.reached]
    return [
        row.id,
        row.what,
        f"{_number(statistics.median(row.runs))} {row.unit}",
        f"{_number(min(row.runs))} - {_number(max(row.runs))}",
        f"{row.baseline}: {_number(statistics.median(row.baseline_runs))}" if row.baseline else "-",
        _ratio(row.ratios),
        _bar(row),
        verdict,
    ]


def _ratio(ratios: Sequence[float]) -> str:
    if not ratios:
        return "-"
    return f"{statistics.median(ratios):.2f} x ({min(ratios):.2f} - {max(ratios):.2f})"


def _bar(row: Row) -> str:
    unit = " x" if row.baseline else f" {row.unit}"
    limits = (("≥", row.at_least), ("≤", row.at_most))
    return " and ".join(f"{sign} {_number(limit)}{unit}" for sign, limit in limits if limit is not None) or "-"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def main() -> None:
    """Write RESULTS.md from what was recorded."""
    TABLE.write_text(render(load()))
    print(f"wrote {TABLE}")


if __name__ == "__main__":
    main()
