"""The history of a run under faults: JSON lines, one object a line, appended while the run goes on.

Whoever runs faults writes one with `HistoryWriter`; `python -m tests.faults.checker FILE` judges it. The lines and
their fields stand in the docstring of `tests.faults.checker`. Nothing here knows the product.
"""

import hashlib
import json
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class HistoryWriter:
    """Appends lines to one file. Each is whole and handed to the operating system before `add` returns.

    Safe with many tasks and threads. A process that dies while it writes leaves at most one torn last line; whoever
    opens the file again to append takes that line away first, and readers pass over it.
    """

    def __init__(self, path: Path) -> None:
        torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()
        if torn:
            self._file.truncate(path.read_bytes().rfind(b"\n") + 1)

    def add(self, kind: str, /, **fields: Any) -> None:
        """Append one line.

        Args:
            kind: "run", "fault", "operation", "published", "effect", "state", "tables" or "offsets".
            fields: what the line says; plain JSON values, times as seconds since 1970.
        Raises:
            TypeError, ValueError: a value is no JSON, or not a finite number.
        """
        line = json.dumps({"kind": kind, **fields}, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        with self._lock:
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def digest_events(events: Iterable[tuple[int, str]]) -> str:
    """What a `state` line says of a subject's events: a digest of their numbers and ids, in order."""
    return hashlib.sha256("".join(f"{seq} {event_id}\n" for seq, event_id in events).encode()).hexdigest()
