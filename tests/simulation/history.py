"""What happened in one schedule, in the order in which it became true, as the checker reads it."""

from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from common.backbone.protocols import Place


class Entry(NamedTuple):
    """One thing that happened.

    Attributes:
        at: virtual seconds.
        kind: "write", "append", "effect", "park", "release", "move", "fault" and so on.
        subject: whom it concerns, empty for all.
        seq: the number concerned, 0 where none is.
        event_id: of the event concerned.
        note: the rest in words.
    """

    at: float
    kind: str
    subject: str = ""
    seq: int = 0
    event_id: UUID | None = None
    note: str = ""


class Appended(NamedTuple):
    """One record of the log; `origin` is "relay", or what the antagonist made: "repeat", "fork", "garbage" ..."""

    at: float
    place: Place
    offset: int
    subject: str
    seq: int
    event_id: UUID | None
    payload: bytes | None
    origin: str


class Moved(NamedTuple):
    """How a transaction moved a partition's stored offset; `lost` where the log no longer had it."""

    at: float
    place: Place
    before: int
    after: int
    lost: bool


@dataclass(kw_only=True)
class History:
    """Everything, kept apart by what the invariants ask for, and once more in a row for the story."""

    entries: list[Entry] = field(default_factory=list[Entry])
    written: list[Entry] = field(default_factory=list[Entry])
    appended: list[Appended] = field(default_factory=list[Appended])
    effects: list[Entry] = field(default_factory=list[Entry])
    moves: list[Moved] = field(default_factory=list[Moved])
    given_up: dict[str, set[int]] = field(default_factory=dict[str, set[int]])
    """Numbers that operators have discarded, by subject."""
    below_floor: int = 0
    exits: list[str] = field(default_factory=list[str])
    """Why processes ended by themselves."""
    lost: set[str] = field(default_factory=set[str])
    """Subjects of which retention took records before they were read."""

    def note(self, entry: Entry) -> None:
        """Add to the story, and to what is checked."""
        self.entries.append(entry)
        found = {"write": self.written, "effect": self.effects}.get(entry.kind)
        if found is not None:
            found.append(entry)
