"""What the receiver of a handoff is given, so that the customer need not repeat anything."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypedDict


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTried:
    """Something that was done, and what came of it."""

    step: str
    outcome: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Hypothesis:
    """What may be the cause; `state` is `open, supported` or `refuted`."""

    text: str
    state: str = "open"


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """The package. A text is filled when it is not blank; a list when it is given, where an empty one says "none".

    Only of the environment and of the steps tried there must be at least one: nobody hands over what nobody looked at.
    """

    restatement: str = ""
    impact_and_scope: str = ""
    environment: Mapping[str, str] | None = None
    timeline_summary: str = ""
    steps_tried: tuple[StepTried, ...] | None = None
    hypotheses: tuple[Hypothesis, ...] | None = None
    evidence: tuple[str, ...] | None = None
    ask: str = ""
    customer_mood: str = ""
    promises_made: tuple[str, ...] | None = None
    deadlines_left: str = ""


REQUIRED = (
    "restatement",
    "impact_and_scope",
    "environment",
    "timeline_summary",
    "steps_tried",
    "hypotheses",
    "evidence",
    "ask",
    "customer_mood",
    "promises_made",
    "deadlines_left",
)
"""Source: domain model, handoff package."""

_NEVER_EMPTY = frozenset({"environment", "steps_tried"})


class PackageChanges(TypedDict, total=False):
    """The fields that a command gives anew; those left out stay."""

    restatement: str
    impact_and_scope: str
    environment: Mapping[str, str] | None
    timeline_summary: str
    steps_tried: tuple[StepTried, ...] | None
    hypotheses: tuple[Hypothesis, ...] | None
    evidence: tuple[str, ...] | None
    ask: str
    customer_mood: str
    promises_made: tuple[str, ...] | None
    deadlines_left: str


def change(package: Package, changes: PackageChanges) -> Package:
    """The package with some fields given anew."""
    return replace(package, **changes)


def missing(package: Package) -> list[str]:
    """The required fields that are not filled, in their order."""
    return [name for name in REQUIRED if not _is_filled(name, getattr(package, name))]


def completeness(package: Package) -> float:
    """Filled fields by required ones, from 0 to 1."""
    return (len(REQUIRED) - len(missing(package))) / len(REQUIRED)


def _is_filled(name: str, value: object) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and (name not in _NEVER_EMPTY or bool(value))
