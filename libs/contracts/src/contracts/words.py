"""Words that several bodies share. Every enumeration here is open: new values may appear any day."""

from datetime import datetime
from typing import Annotated

import msgspec

from contracts.registry import Body, known

Status = Annotated[
    str, known("new", "open", "pending_customer", "on_hold", "resolved", "closed", "cancelled", "merged")
]
Priority = Annotated[str, known("low", "normal", "high", "urgent")]
HoldReason = Annotated[str, known("third_party", "internal_dependency", "problem", "scheduled", "maintenance")]
WorkKind = Annotated[str, known("own", "handoff")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A point in time with its offset, RFC 3339 on the wire."""


class SkillNeed(Body, frozen=True):
    """A skill that work asks for. Levels run from 1 to 5.

    `level` is what the first ring asks; `hard_level` (0 = none) is what no relaxation goes below.
    """

    skill: str
    level: int = 1
    hard_level: int = 0


class Source(Body, frozen=True):
    """Where a ticket came from; `(system, external_ref)` is its natural key where given."""

    channel: str
    system: str = ""
    external_ref: str = ""


class Change(Body, frozen=True):
    """One plain field that changed, as its JSON values. Fields with a customer's text show neither."""

    field: str
    old: str | int | bool | tuple[str, ...] | None = None
    new: str | int | bool | tuple[str, ...] | None = None
