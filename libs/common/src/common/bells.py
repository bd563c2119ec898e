"""Bells: a task that polls for work is told by its own process when a commit has just brought some.

A bell is only a hint. Other processes write the same tables and ring nothing here, and a bell may ring for nothing; so
whoever listens looks all the same, after a pause that suits an idle table.
"""

import asyncio
from collections.abc import Iterable

OUTBOX = "outbox"
"""Rung where a transaction has written events: the relay listens."""


class Bells:
    """The bells of one process, by name. Each has one listener: it clears the bell, then looks, then waits for it."""

    def __init__(self) -> None:
        """No bell has a listener yet."""
        self._bells: dict[str, asyncio.Event] = {}

    def listen(self, name: str) -> asyncio.Event:
        """The bell of this name."""
        return self._bells.setdefault(name, asyncio.Event())

    def ring(self, names: Iterable[str]) -> None:
        """Ring those that somebody listens to."""
        for name in names:
            if name in self._bells:
                self._bells[name].set()
