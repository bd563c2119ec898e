"""How complete a package is: what the receiver is given, so that the customer need not repeat anything."""

from dataclasses import replace

from escalation.handoffs.domain import Package, PackageChanges

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
