"""The definitions of the figures, what is counted for them, and what a caller may ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from common.errors import InvalidInput, NotFound

WHOLE = 1_000_000
"""An observation that is not shared counts so many parts: shares are whole millionths, so that sums are exact."""

DEFAULT_SPAN = timedelta(days=30)
_FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT = datetime(9999, 1, 1, tzinfo=UTC)


class Unit(StrEnum):
    """What a figure is."""

    SECONDS = "seconds"
    RATE = "rate"


class Slice(StrEnum):
    """By what a figure can be cut."""

    QUEUE = "queue"
    TIER = "tier"
    CATEGORY = "category"
    PRIORITY = "priority"
    AGENT = "agent"
    CLOCK = "clock"


_TICKETS = (Slice.QUEUE, Slice.TIER, Slice.CATEGORY, Slice.PRIORITY, Slice.AGENT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """One figure. `title` says what is counted in one line; `docs/figures.md` says it exactly."""

    name: str
    title: str
    unit: Unit
    slices: tuple[Slice, ...] = _TICKETS


DEFINITIONS: Mapping[str, Definition] = {
    each.name: each
    for each in (
        Definition(
            name="first_response_time",
            title="from the creation of a ticket to the first public message of an agent",
            unit=Unit.SECONDS,
        ),
        Definition(
            name="time_to_own",
            title="from the creation of a ticket until an agent owns it",
            unit=Unit.SECONDS,
        ),
        Definition(
            name="resolution_time",
            title="from the creation of a ticket to the resolution that stands",
            unit=Unit.SECONDS,
        ),
        Definition(
            name="resolution_rate",
            title="tickets whose standing resolution lies in the period / tickets created in it",
            unit=Unit.RATE,
        ),
        Definition(
            name="resolution_rate_cohort",
            title="tickets created in the period that are resolved by now / tickets created in it",
            unit=Unit.RATE,
        ),
        Definition(
            name="reopen_rate",
            title="resolutions in the period that were reopened / resolutions in the period",
            unit=Unit.RATE,
        ),
        Definition(
            name="sla_attainment",
            title="clocks met / clocks met or breached; breaches by a change of policy stand apart",
            unit=Unit.RATE,
            slices=(*_TICKETS, Slice.CLOCK),
        ),
        Definition(
            name="csat",
            title="positive answers / answers to satisfaction surveys, by the version that stands",
            unit=Unit.RATE,
        ),
        Definition(
            name="answer_rate",
            title="surveys answered / surveys sent in the period",
            unit=Unit.RATE,
        ),
        Definition(
            name="handoff_bounce_rate",
            title="handoffs returned / handoffs accepted in the period",
            unit=Unit.RATE,
        ),
    )
}
"""By name, in the order in which they are listed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """One thing that counts for one figure, at one moment.

    Attributes:
        key: tells several of one ticket and figure apart: a handoff's id, a survey's, a clock's and its cycle.
        at: the moment that decides to which period it belongs.
        numerator, denominator: where it counts; in neither part of a rate, it stands apart.
        parts: how much it counts, in millionths: `WHOLE` but for an answer shared among several agents.
        microseconds: the duration, where the figure is one.
        clock: the kind of clock, for `sla_attainment`.
    """

    definition: str
    ticket_id: UUID
    key: str
    at: datetime
    numerator: bool
    denominator: bool
    queue_id: UUID | None
    tier: int | None
    category: str
    priority: str
    agent_id: UUID | None
    parts: int = WHOLE
    microseconds: int | None = None
    clock: str = ""

    @property
    def identity(self) -> tuple[UUID, str, str]:
        """What makes it one and the same observation however often it is made."""
        return (self.ticket_id, self.definition, self.key)


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """From `since` up to but without `until`, in UTC."""

    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What is counted: a period, and the slice to which it is narrowed; None as a value means "where there is none"."""

    period: Period
    only: Mapping[Slice, UUID | int | str | None] = field(default_factory=dict[Slice, UUID | int | str | None])


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A computed figure, or one slice of it.

    `numerator`, `denominator` and `apart` are in millionths; the durations in microseconds are None for a rate, and
    where nothing was counted.
    """

    numerator: int
    denominator: int
    apart: int
    total_us: int | None = None
    p50_us: int | None = None
    p90_us: int | None = None

    @property
    def rate(self) -> float | None:
        """Numerator by denominator; None where nothing was counted."""
        return self.numerator / self.denominator if self.denominator else None

    @property
    def mean_us(self) -> int | None:
        """The mean duration, rounded half up to a whole microsecond."""
        if self.total_us is None or not self.denominator:
            return None
        count = self.denominator // WHOLE
        return (2 * self.total_us + count) // (2 * count)


NOTHING = Figure(numerator=0, denominator=0, apart=0)


def get_definition(name: str) -> Definition:
    """The definition of that name.

    Raises:
        NotFound: definition_unknown.
    """
    definition = DEFINITIONS.get(name)
    if definition is None:
        raise NotFound("there is no such figure", code="definition_unknown")
    return definition


def make_period(*, since: datetime | None, until: datetime | None, now: datetime) -> Period:
    """The period that was asked for; without an end it ends now, without a beginning it is 30 days long.

    Raises:
        InvalidInput: it ends before it begins, or lies outside the years 1970 to 9998.
    """
    for name, moment in (("from", since), ("to", until)):
        if moment is not None and not _FIRST_MOMENT <= moment < _LAST_MOMENT:
            raise _wrong(name, "must lie between the years 1970 and 9998")
    end = until or now
    begin = since or max(_FIRST_MOMENT, end - DEFAULT_SPAN)
    if begin >= end:
        raise _wrong("from", "must lie before the end of the period")
    return Period(since=begin.astimezone(UTC), until=end.astimezone(UTC))


def check_slice(definition: Definition, *slices: Slice) -> None:
    """Refuse a slice that the figure does not have.

    Raises:
        InvalidInput: slice_unknown.
    """
    for each in slices:
        if each not in definition.slices:
            raise InvalidInput(
                f"{definition.name} is not cut by {each}",
                code="slice_unknown",
                pointers=[(f"query/{each}", f"is no slice of {definition.name}")],
            )


def _wrong(name: str, fault: str) -> InvalidInput:
    return InvalidInput("that is no period", code="period_malformed", pointers=[(f"query/{name}", fault)])
