"""How damage is planted into a healthy history, and where the kinds of it are listed."""

from collections.abc import Callable, Iterator
from typing import Any

Line = dict[str, Any]
Lines = list[Line]
Damage = Callable[[Lines], str]
"""Changes the lines in place; returns the subject whose story must be told."""

DAMAGES: dict[str, tuple[str, Damage]] = {}
"""The invariant that breaks, and how, by name."""


def breaks(invariant: str) -> Callable[[Damage], Damage]:
    """List a damage as one by which this invariant breaks."""

    def note(damage: Damage) -> Damage:
        DAMAGES[damage.__name__.replace("_", " ")] = (invariant, damage)
        return damage

    return note


def of(lines: Lines, kind: str, **fields: Any) -> Iterator[Line]:
    """The lines of a kind with these values."""
    return (
        line
        for line in lines
        if line["kind"] == kind and all(line.get(name) == value for name, value in fields.items())
    )


def one(lines: Lines, kind: str, **fields: Any) -> Line:
    """The first of them."""
    return next(of(lines, kind, **fields))


def healthy_subject(lines: Lines) -> str:
    """A ticket of the first window with an acknowledged opening, moved twice or more, without poison."""
    return one(lines, "operation", what="open", outcome="ok", fault="kill-relay")["subject"]


def drop(lines: Lines, *gone: Line) -> None:
    """Take lines out, by identity."""
    lines[:] = [line for line in lines if not any(line is one for one in gone)]


def publication_of(lines: Lines, seq: int, *, source: str = "intake") -> Line:
    """The publication of this number of the healthy subject."""
    return one(lines, "published", source=source, subject=healthy_subject(lines), seq=seq)


def effect_of(lines: Lines, seq: int) -> Line:
    """Routing's effect of this number of the healthy subject, of intake's topic."""
    return one(lines, "effect", consumer="routing", source="intake", subject=healthy_subject(lines), seq=seq)


def forget(lines: Lines, subject: str, source: str) -> None:
    """Take a subject out of a topic and all its effects."""
    drop(lines, *of(lines, "published", source=source, subject=subject))
    drop(lines, *of(lines, "effect", source=source, subject=subject))
