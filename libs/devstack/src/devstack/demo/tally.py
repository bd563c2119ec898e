"""What has happened on the floor so far."""

from collections import Counter
from dataclasses import dataclass, field

COUNTS = (
    "opened", "owned", "messages", "asked", "restated", "handoffs requested", "handoffs accepted", "handoffs declined",
    "handoffs returned", "handoffs withdrawn", "resolved", "reopened", "cancelled", "surveys received",
    "surveys answered", "surveys amended", "reopened by survey",
)  # fmt: skip
"""In the order in which the table shows them."""


@dataclass(kw_only=True)
class Result:
    """How one story ended. `trouble` is empty where it went as written."""

    number: int
    ticket_id: str = ""
    owned: bool = False
    finished: bool = False
    trouble: str = ""


@dataclass(kw_only=True)
class Tally:
    """Counts of what was done, the stories in play, and the results."""

    wanted: int
    counts: Counter[str] = field(default_factory=Counter[str])
    playing: int = 0
    results: list[Result] = field(default_factory=list[Result])

    def note(self, what: str) -> None:
        """One more of something."""
        self.counts[what] += 1

    @property
    def troubles(self) -> list[Result]:
        """The stories that did not go as written."""
        return [result for result in self.results if result.trouble or not result.owned]
