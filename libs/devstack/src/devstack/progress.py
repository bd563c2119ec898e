"""How the work of starting reports its steps, and how it is called off."""

import threading
from typing import Protocol


class Interrupted(Exception):
    """The user called the work off."""


class Progress(Protocol):
    """What is shown while something is fetched or started. Called from several threads."""

    def step(self, name: str, state: str) -> None:
        """Say where `name` (a server, a service) stands, for instance "starting" or "ready"."""
        ...

    def bytes_fetched(self, done: int, total: int) -> None:
        """Say how much of a download is here."""
        ...


class Silent:
    """Shows nothing."""

    def step(self, name: str, state: str) -> None:
        """See `Progress.step`."""

    def bytes_fetched(self, done: int, total: int) -> None:
        """See `Progress.bytes_fetched`."""


class Cancel:
    """A flag that threads look at between two steps."""

    def __init__(self) -> None:
        """Not called off."""
        self._event = threading.Event()

    def call_off(self) -> None:
        """Let every thread stop at its next step."""
        self._event.set()

    def check(self) -> None:
        """Go on.

        Raises:
            Interrupted: the work was called off.
        """
        if self._event.is_set():
            raise Interrupted
