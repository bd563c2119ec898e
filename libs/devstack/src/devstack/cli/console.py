"""What the command writes: results to standard output, everything about itself to standard error."""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

_WIDE = 1000
"""Columns where output goes to a file or a pipe, for which rich would assume 80."""
OUT = Console(highlight=False, soft_wrap=True)
if not OUT.is_terminal:
    OUT.width = _WIDE
ERR = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """One line to standard output, as it is: square brackets in it are no markup."""
    OUT.print(text, markup=False)


def note(text: str) -> None:
    """One line about the command itself, to standard error."""
    ERR.print(text, markup=False)


def say_json(value: object) -> None:
    """A value as indented JSON, for programs."""
    say(json.dumps(value, indent=2, ensure_ascii=False))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Rows under headings, or the sentence `empty` where there is none."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    if table.row_count:
        OUT.print(table)
    else:
        note(empty)


def say_fields(fields: Mapping[str, object]) -> None:
    """Names and values below each other, without those that have none."""
    grid = Table.grid(padding=(0, 2))
    for name, value in fields.items():
        if value not in (None, "", [], {}):
            grid.add_row(Text(name, style="dim"), Text(str(value)))
    OUT.print(grid)


class Steps:
    """Shows where each server and service stands: a live table on a terminal, else one line for each change."""

    def __init__(self) -> None:
        """Nothing is shown yet."""
        self._states: dict[str, str] = {}
        self._lock = threading.Lock()
        self._live = Live(console=ERR, refresh_per_second=10, transient=False) if ERR.is_terminal else None

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        """End; what was shown last stays."""
        if self._live:
            self._live.stop()

    def step(self, name: str, state: str) -> None:
        """See `devstack.progress.Progress.step`."""
        with self._lock:
            self._states[name] = state
            if self._live:
                self._live.update(self._table())
            else:
                note(f"{name}: {state}")

    def bytes_fetched(self, done: int, total: int) -> None:
        """See `devstack.progress.Progress.bytes_fetched`. Without a terminal only the beginning is told."""
        if self._live:
            self.step("Kafka", f"fetching, {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        elif not self._states.get("Kafka", "").startswith("fetching"):
            self.step("Kafka", f"fetching {total / 1e6:.0f} MB")

    def _table(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        for name, state in self._states.items():
            done = state.startswith(("ready", "given"))
            grid.add_row(Text("✓" if done else "…", style="green" if done else "yellow"), Text(name), Text(state))
        return grid
