"""The checker's verdict on a history, the windows' times, and both as a page."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.faults.runner import Window


def ask_checker(history: Path) -> tuple[int, str]:
    """What the checker says, a program of its own, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.checker", str(history)], capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).rstrip()


def describe_window(window: Window) -> str:
    """One line of a window."""
    if not window.ran:
        return f"{window.name:<20} not run: {window.why_not}"
    took = "never quiet" if window.recovery_s is None else f"quiet after {window.recovery_s:5.1f} s"
    late = "" if window.in_time else "  TOO LATE"
    return f"{window.name:<20} {window.lasted_s:5.1f} s, {took} of {window.bound_s:5.1f} s{late}  {window.detail}"


def write_report(path: Path, windows: Sequence[Window], *, heading: Sequence[str], verdicts: Sequence[str]) -> None:
    """The whole report in Markdown."""
    titles = "| Window | Fault | Lasted, s | Quiet after, s | Bound, s | What was done |"
    table = [titles, "|---|---|---:|---:|---:|---|", *map(_row, windows)]
    said = [line for verdict in verdicts for line in ("```text", verdict, "```", "")]
    path.write_text("\n".join(["# Report of faults", "", *heading, "", *table, "", *said]))


def _row(window: Window) -> str:
    if not window.ran:
        return f"| {window.name} | {window.sentence} | not run | | | {window.why_not} |"
    times = f"{window.lasted_s:.1f} | {_recovery(window)} | {window.bound_s:.1f}"
    return f"| {window.name} | {window.sentence} | {times} | {window.detail} |"


def _recovery(window: Window) -> str:
    return "never" if window.recovery_s is None else f"{window.recovery_s:.1f}"
