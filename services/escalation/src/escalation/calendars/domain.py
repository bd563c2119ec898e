"""A calendar as people describe it: a week in some zone, days that differ, and public holidays.

A version is never changed. What is open is said in local time: an instant is open if the wall clock of the zone then
shows a date and a time within one of that date's intervals. So an hour that is skipped when clocks go forward is no
time at all, and one that is repeated when they go back counts twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

from common.errors import InvalidInput

DAY_S = 86_400
LEAST_WEEK_S = 3_600
"""A calendar is open an hour a week at least, so that every target has a deadline."""

ALWAYS_ID = UUID("00000000-0000-7000-8000-000000000011")
OFFICE_HOURS_ID = UUID("00000000-0000-7000-8000-000000000012")
"""The calendars that the first migration makes."""

Span = tuple[int, int]
"""From and to in seconds of the local day, `0 <= from < to <= 86400`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecialDay:
    """A date that differs: its own spans instead of the week's, none of them where it is closed."""

    on: date
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Calendar:
    """One version of a calendar.

    Attributes:
        week: seven tuples of spans, Monday first.
        exceptions: by date; they win over holidays.
        country: ISO 3166-1 code whose public holidays are closed, "" for none; `subdivision` of ISO 3166-2 narrows it.
    """

    calendar_id: UUID
    version: int
    name: str
    zone: str
    week: tuple[tuple[Span, ...], ...]
    exceptions: tuple[SpecialDay, ...] = ()
    country: str = ""
    subdivision: str = ""
    created_at: datetime

    @property
    def is_always_open(self) -> bool:
        """Whether every second counts."""
        return not self.exceptions and not self.country and all(spans == ((0, DAY_S),) for spans in self.week)


def check_calendar(calendar: Calendar) -> None:
    """Refuse what cannot be counted by.

    Raises:
        InvalidInput: with a pointer to each fault.
    """
    faults: list[tuple[str, str]] = []
    try:
        ZoneInfo(calendar.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        faults.append(("/zone", "is no zone of the IANA database"))
    for day, spans in enumerate(calendar.week):
        faults += _faults_of(spans, f"/week/{day}")
    for place, exception in enumerate(calendar.exceptions):
        faults += _faults_of(exception.spans, f"/exceptions/{place}/spans")
    if len({exception.on for exception in calendar.exceptions}) != len(calendar.exceptions):
        faults.append(("/exceptions", "names a date twice"))
    if sum(end - start for spans in calendar.week for start, end in spans) < LEAST_WEEK_S:
        faults.append(("/week", "must be open for an hour a week at least"))
    faults += _holiday_faults(calendar.country, calendar.subdivision)
    if faults:
        raise InvalidInput("the calendar cannot be used", pointers=faults)


@lru_cache(maxsize=512)
def list_holidays(country: str, subdivision: str, year: int) -> Mapping[date, str]:
    """The public holidays of a year with their names; none where `country` is empty.

    Source: the `holidays` library; its release says what is a holiday in years to come.
    """
    if not country:
        return {}
    return dict(holidays.country_holidays(country, subdiv=subdivision or None, years=year, expand=False))


def spans_of(calendar: Calendar, day: date, exceptions: Mapping[date, Sequence[Span]]) -> Sequence[Span]:
    """What is open on a local date.

    Args:
        exceptions: those of the calendar, by date.
    """
    own = exceptions.get(day)
    if own is not None:
        return own
    if day in list_holidays(calendar.country, calendar.subdivision, day.year):
        return ()
    return calendar.week[day.weekday()]


def _faults_of(spans: Sequence[Span], pointer: str) -> list[tuple[str, str]]:
    end_before = -1
    for start, end in spans:
        if not 0 <= start < end <= DAY_S:
            return [(pointer, "a span must begin before it ends, both within the day")]
        if start <= end_before:
            return [(pointer, "spans must be in order, with time between them")]
        end_before = end
    return []


def _holiday_faults(country: str, subdivision: str) -> list[tuple[str, str]]:
    if not country:
        return [("/subdivision", "needs a country")] if subdivision else []
    known = holidays.list_supported_countries()
    if country not in known:
        return [("/country", "is no country whose holidays are known")]
    if subdivision and subdivision not in known[country]:
        return [("/subdivision", f"is none of {', '.join(known[country])}")]
    return []
