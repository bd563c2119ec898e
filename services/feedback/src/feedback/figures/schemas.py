"""What callers ask of the figures, and what they get."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from common.web import CommandModel, Moment, ResponseModel
from feedback.figures.domain import (
    WHOLE,
    Definition,
    Figure,
    Observation,
    Period,
    Selection,
    Slice,
    Unit,
    make_period,
)

NONE = "none"
"""Narrows to what has no desk, tier or agent."""

Nothing = Literal["none"]
Tier = Annotated[int, Field(ge=1, le=3)]
Category = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Word = Annotated[str, Field(max_length=50, pattern=r"^[a-z_]*$")]


class PeriodQuery(CommandModel):
    """A period, its beginning included and its end not; by default the 30 days until now."""

    since: Moment | None = Field(default=None, alias="from", description="inclusive; by default 30 days before `to`")
    until: Moment | None = Field(default=None, alias="to", description="exclusive; by default now")

    def period(self, now: datetime) -> Period:
        """The period that was asked for.

        Raises:
            InvalidInput: it ends before it begins.
        """
        return make_period(since=self.since, until=self.until, now=now)


class SelectionQuery(PeriodQuery):
    """A period, narrowed to slices; `none` is what has no such value."""

    queue: UUID | Nothing | None = Field(default=None, description="the desk that the ticket was queued at last")
    tier: Tier | Nothing | None = Field(default=None, description="of the agent")
    category: Category | None = None
    priority: Word | None = None
    agent: UUID | Nothing | None = None
    clock: Word | None = Field(default=None, description="kind of clock, for sla_attainment")

    def selection(self, now: datetime) -> Selection:
        """What was asked for.

        Raises:
            InvalidInput: the period ends before it begins.
        """
        only: dict[Slice, UUID | int | str | None] = {
            name: None if value == NONE else value
            for name, value in ((Slice.QUEUE, self.queue), (Slice.TIER, self.tier), (Slice.AGENT, self.agent))
            if value is not None
        }
        words = ((Slice.CATEGORY, self.category), (Slice.PRIORITY, self.priority), (Slice.CLOCK, self.clock))
        only |= {name: word for name, word in words if word is not None}
        return Selection(period=self.period(now), only=only)


class FigureQuery(SelectionQuery):
    """A figure, cut or not."""

    by: Slice | None = Field(default=None, description="cut the figure by this")


class EvidenceQuery(SelectionQuery):
    """A page of what stands behind a figure."""

    cursor: str | None = Field(default=None, max_length=512, description="`next_cursor` of the page before")
    limit: int = Field(default=50, ge=1, le=200, description="Items in one page")


class FigureShown(ResponseModel):
    """A figure.

    A duration has `count` and, in calendar seconds, `mean_s`, `p50_s` and `p90_s` (nearest rank); these are null where
    nothing was counted. A rate has `numerator`, `denominator`, `rate` (null where the denominator is 0), and `apart`:
    what counts in neither.
    """

    count: float | None = None
    mean_s: float | None = None
    p50_s: float | None = None
    p90_s: float | None = None
    numerator: float | None = None
    denominator: float | None = None
    rate: float | None = None
    apart: float | None = None


class SliceShown(FigureShown):
    """A slice: its `value` as text, null where there is none."""

    value: str | None


class DefinitionShown(ResponseModel):
    """What a figure is."""

    definition: str
    title: str
    unit: Unit
    slices: Sequence[Slice]


class KpiShown(DefinitionShown):
    """A figure over a period, and its slices where it was cut."""

    since: datetime = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to")
    total: FigureShown
    by: Slice | None = None
    values: Sequence[SliceShown] = ()


class KpisShown(ResponseModel):
    """Every figure over one period."""

    items: Sequence[KpiShown]


class EvidenceShown(ResponseModel):
    """One thing that was counted: the ticket, the moment, and where it counts.

    `key` tells several of one ticket apart: a survey, a clock and its cycle, a handoff, a resolution. `share` is how
    much it counts: 1, but for an answer that several agents share. `seconds` is a duration's.
    """

    ticket_id: UUID
    key: str
    at: datetime
    in_numerator: bool
    in_denominator: bool
    share: float
    seconds: float | None
    queue: UUID | None
    tier: int | None
    category: str
    priority: str
    agent: UUID | None
    clock: str | None


def show_kpi(
    definition: Definition,
    period: Period,
    total: Figure,
    *,
    by: Slice | None = None,
    slices: Sequence[tuple[str | None, Figure]] = (),
) -> KpiShown:
    """A computed figure as callers see it."""
    return KpiShown(
        definition=definition.name,
        title=definition.title,
        unit=definition.unit,
        slices=definition.slices,
        since=period.since,
        until=period.until,
        total=FigureShown(**_numbers(definition, total)),
        by=by,
        values=[SliceShown(value=value, **_numbers(definition, each)) for value, each in slices],
    )


def show_evidence(observed: Observation) -> EvidenceShown:
    """An observation as callers see it."""
    return EvidenceShown(
        ticket_id=observed.ticket_id,
        key=observed.key,
        at=observed.at,
        in_numerator=observed.numerator,
        in_denominator=observed.denominator,
        share=observed.parts / WHOLE,
        seconds=_seconds(observed.microseconds),
        queue=observed.queue_id,
        tier=observed.tier,
        category=observed.category,
        priority=observed.priority,
        agent=observed.agent_id,
        clock=observed.clock or None,
    )


def _numbers(definition: Definition, figure: Figure) -> dict[str, float | None]:
    if definition.unit is Unit.SECONDS:
        return {
            "count": figure.denominator / WHOLE,
            "mean_s": _seconds(figure.mean_us),
            "p50_s": _seconds(figure.p50_us),
            "p90_s": _seconds(figure.p90_us),
        }
    return {
        "numerator": figure.numerator / WHOLE,
        "denominator": figure.denominator / WHOLE,
        "rate": figure.rate,
        "apart": figure.apart / WHOLE,
    }


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1_000_000
