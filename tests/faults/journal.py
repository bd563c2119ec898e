"""The history of the run that is going on: which window it is in, and names for what is written."""

from dataclasses import dataclass
from typing import Any

from tests.faults.history import HistoryWriter


@dataclass(kw_only=True)
class Journal:
    """Writes the history. `fault` is the window that what is asked now belongs to; "" outside of any."""

    history: HistoryWriter
    fault: str = ""
    _count: int = 0

    def number(self) -> str:
        """A name that no other operation has."""
        self._count += 1
        return str(self._count)

    def write(self, kind: str, **fields: Any) -> None:
        """Append one line; see `HistoryWriter.add`."""
        self.history.add(kind, **fields)
