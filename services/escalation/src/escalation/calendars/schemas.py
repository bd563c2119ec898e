"""What callers send and get about calendars. Times of day are local, "HH:MM" or "HH:MM:SS", up to "24:00"."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StrictInt, field_validator

from common.web import CommandModel, Moment, ResponseModel
from escalation.calendars.domain import WEEKDAYS, Calendar, Span, SpecialDay

_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_TIME_PATTERN = r"^(([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?|24:00)$"

TimeOfDay = Annotated[str, Field(pattern=_TIME_PATTERN, max_length=8, examples=["09:00"])]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Zone = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$", examples=["Europe/Vienna"])]
Seconds = Annotated[StrictInt, Field(ge=0, le=366 * 86_400)]


class SpanBody(CommandModel):
    """A span of the local day, from `start` up to and without `end`."""

    start: TimeOfDay
    end: TimeOfDay

    def span(self) -> Span:
        """In seconds of the day."""
        return _seconds_of(self.start), _seconds_of(self.end)


Spans = Annotated[list[SpanBody], Field(max_length=24)]


class WeekBody(CommandModel):
    """What is open on each weekday, in order and apart; a day without spans is closed."""

    monday: Spans = Field(default_factory=list)
    tuesday: Spans = Field(default_factory=list)
    wednesday: Spans = Field(default_factory=list)
    thursday: Spans = Field(default_factory=list)
    friday: Spans = Field(default_factory=list)
    saturday: Spans = Field(default_factory=list)
    sunday: Spans = Field(default_factory=list)

    def week(self) -> tuple[tuple[Span, ...], ...]:
        """Monday first."""
        days: list[list[SpanBody]] = [getattr(self, day) for day in WEEKDAYS]
        return tuple(tuple(each.span() for each in spans) for spans in days)


class SpecialDayBody(CommandModel):
    """A date that differs from its weekday and from a holiday on it: closed, or open in its own spans."""

    on: date
    spans: Spans = Field(default_factory=list)


class CalendarBody(CommandModel):
    """A calendar. `country` (ISO 3166-1) closes its public holidays, `subdivision` (ISO 3166-2) those of a part."""

    name: Name
    zone: Zone
    week: WeekBody
    exceptions: Annotated[list[SpecialDayBody], Field(max_length=500)] = Field(default_factory=list)
    country: Annotated[str, Field(max_length=3)] = ""
    subdivision: Annotated[str, Field(max_length=20)] = ""

    def calendar(self, calendar_id: UUID, now: datetime) -> Calendar:
        """The first version, as the use case takes it."""
        return Calendar(
            calendar_id=calendar_id,
            version=1,
            name=self.name,
            zone=self.zone,
            week=self.week.week(),
            exceptions=tuple(
                SpecialDay(on=each.on, spans=tuple(span.span() for span in each.spans)) for each in self.exceptions
            ),
            country=self.country,
            subdivision=self.subdivision,
            created_at=now,
        )


def _within_reach(moment: datetime) -> datetime:
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError("must lie between the years 1970 and 2200")
    return moment.astimezone(UTC)


class AddBody(CommandModel):
    """Where to begin, and how much open time is to pass; `version` of the calendar, by default the newest."""

    start: Annotated[Moment, Field(alias="from")]
    seconds: Seconds
    version: Annotated[StrictInt, Field(ge=1, le=2**31 - 1)] | None = None

    _reach = field_validator("start")(_within_reach)


class BetweenBody(CommandModel):
    """Between what to count open time; `version` of the calendar, by default the newest."""

    start: Annotated[Moment, Field(alias="from")]
    end: Annotated[Moment, Field(alias="to")]
    version: Annotated[StrictInt, Field(ge=1, le=2**31 - 1)] | None = None

    _reach = field_validator("start", "end")(_within_reach)


class AddShown(ResponseModel):
    """The earliest moment by which so much open time has passed."""

    at: datetime


class BetweenShown(ResponseModel):
    """Open time in seconds, exact to the microsecond."""

    seconds: float


class SpanShown(ResponseModel):
    """A span of the local day."""

    start: str
    end: str


class SpecialDayShown(ResponseModel):
    """A date that differs; without spans it is closed."""

    on: date
    spans: list[SpanShown]


class CalendarShown(ResponseModel):
    """One version of a calendar."""

    calendar_id: UUID
    version: int
    name: str
    zone: str
    week: dict[str, list[SpanShown]]
    exceptions: list[SpecialDayShown]
    country: str
    subdivision: str
    created_at: datetime


def show_calendar(calendar: Calendar) -> CalendarShown:
    """The calendar as callers see it."""
    return CalendarShown(
        calendar_id=calendar.calendar_id,
        version=calendar.version,
        name=calendar.name,
        zone=calendar.zone,
        week={day: _show_spans(spans) for day, spans in zip(WEEKDAYS, calendar.week, strict=True)},
        exceptions=[SpecialDayShown(on=each.on, spans=_show_spans(each.spans)) for each in calendar.exceptions],
        country=calendar.country,
        subdivision=calendar.subdivision,
        created_at=calendar.created_at,
    )


def _show_spans(spans: tuple[Span, ...]) -> list[SpanShown]:
    return [SpanShown(start=_time_of(start), end=_time_of(end)) for start, end in spans]


def _seconds_of(time: str) -> int:
    hours, minutes, *seconds = (int(part) for part in time.split(":"))
    return hours * 3_600 + minutes * 60 + (seconds[0] if seconds else 0)


def _time_of(seconds: int) -> str:
    hours, rest = divmod(seconds, 3_600)
    text = f"{hours:02}:{rest // 60:02}"
    return f"{text}:{rest % 60:02}" if rest % 60 else text
