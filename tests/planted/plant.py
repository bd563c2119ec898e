"""What a plant is."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch


@dataclass(frozen=True, kw_only=True)
class Plant:
    """One error.

    Attributes:
        name: for commands and tables.
        says: the error in words.
        breaks: the invariants of which at least one must break by it; that others break too is no catch.
        replacements: (module or class, attribute, what stands there instead).
    """

    name: str
    says: str
    breaks: tuple[str, ...]
    replacements: tuple[tuple[Any, str, Any], ...]

    @contextmanager
    def planted(self) -> Generator[None]:
        """Replace, then put everything back."""
        with ExitStack() as stack:
            for owner, attribute, value in self.replacements:
                stack.enter_context(patch.object(owner, attribute, value))
            yield
