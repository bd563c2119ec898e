"""A calendar as people describe it: a week in some zone, days that differ, and public holidays.

A version is never changed. What is open is said in local time: an instant is open if the wall clock of the zone then
shows a date and a time within one of that date's intervals. So an hour that is skipped when clocks go forward is no
time at all, and one that is repeated when they go back counts twice.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from common.errors import InvalidInput

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_S = 86_400
LEAST_WEEK_S = 3_600
"""A calendar is open an hour a week at least, so that every target has a deadline."""

ALWAYS_ID = UUID("00000000-0000-7000-8000-000000000011")
OFFICE_HOURS_ID = UUID("00000000-0000-7000-8000-000000000012")
"""The calendars that the first migration makes."""

_HOSTS_OWN = frozenset({"Factory", "localtime", "posixrules"})
"""Names under which a machine keeps what it was told itself: a calendar must count alike on all."""
_NOTHING = timedelta(0)
_DAY = timedelta(days=1)

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


def check_calendar(calendar: Calendar, regions: Mapping[str, Sequence[str]]) -> None:
    """Refuse what cannot be counted by.

    Args:
        regions: countries whose holidays are known, with their subdivisions.
    Raises:
        InvalidInput: with a pointer to each fault.
    """
    faults: list[tuple[str, str]] = []
    try:
        if calendar.zone in _HOSTS_OWN:
            raise ValueError
        ZoneInfo(calendar.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        faults.append(("/zone", "is no zone of the IANA database"))
    for day, spans in zip(WEEKDAYS, calendar.week, strict=True):
        faults += _faults_of(spans, f"/week/{day}")
    for place, exception in enumerate(calendar.exceptions):
        faults += _faults_of(exception.spans, f"/exceptions/{place}/spans")
    if len({exception.on for exception in calendar.exceptions}) != len(calendar.exceptions):
        faults.append(("/exceptions", "names a date twice"))
    if sum(end - start for spans in calendar.week for start, end in spans) < LEAST_WEEK_S:
        faults.append(("/week", "must be open for an hour a week at least"))
    faults += _region_faults(calendar.country, calendar.subdivision, regions)
    if faults:
        raise InvalidInput("the calendar cannot be used", pointers=faults)


def _faults_of(spans: Sequence[Span], pointer: str) -> list[tuple[str, str]]:
    end_before = -1
    for start, end in spans:
        if not 0 <= start < end <= DAY_S:
            return [(pointer, "a span must begin before it ends, both within the day")]
        if start <= end_before:
            return [(pointer, "spans must be in order, with time between them")]
        end_before = end
    return []


def _region_faults(country: str, subdivision: str, regions: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    if not country:
        return [("/subdivision", "needs a country")] if subdivision else []
    if country not in regions:
        return [("/country", "is no country whose holidays are known")]
    if subdivision and subdivision not in regions[country]:
        return [("/subdivision", f"is none of {', '.join(regions[country])}")]
    return []


class _Year(NamedTuple):
    """The open stretches of one UTC year, in order and apart; `before[i]` is open time in it before stretch `i`."""

    starts: list[datetime]
    ends: list[datetime]
    before: list[timedelta]
    total: timedelta


class OpenHours:
    """Open time: how much of it lies between two moments, and when so much of it has passed.

    `between` and `add` are inverse: `between(a, add(a, x)) == x`, and `add(a, between(a, b))` is the earliest moment
    with just as much open time before it as `b` has, which is `b` itself wherever the calendar is open just before it.

    A year is laid out once as its open stretches in UTC with running totals. Both questions are then two searches in
    such a table and a sum over the whole years between: nothing is walked day by day, whatever daylight saving does.
    """

    __slots__ = ("_always", "_holidays", "_years", "calendar")

    def __init__(self, calendar: Calendar, holidays: Callable[[int], Collection[date]]) -> None:
        """Args: calendar: already checked; holidays: the dates of a year on which its region rests."""
        self.calendar = calendar
        self._holidays = holidays
        self._always = calendar.is_always_open
        self._years: dict[int, _Year] = {}

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Open time from `start` to `end`, both in UTC; nothing where `end` is not later."""
        if end <= start:
            return _NOTHING
        if self._always:
            return end - start
        passed = self._passed(end) - self._passed(start)
        for year in range(start.year, end.year):
            passed += self._year(year).total
        return passed

    def add(self, start: datetime, open_time: timedelta) -> datetime:
        """The earliest moment in UTC with so much open time between `start` and it; `start` itself for none.

        Raises:
            OverflowError: it lies beyond the year 9998, where no calendar reaches.
        """
        if open_time <= _NOTHING:
            return start
        if self._always:
            return start + open_time
        year = start.year
        left = open_time + self._passed(start)
        while left > (table := self._year(year)).total:
            left -= table.total
            year += 1
        stretch = bisect_left(table.before, left) - 1
        return table.starts[stretch] + (left - table.before[stretch])

    def is_open(self, moment: datetime) -> bool:
        """Whether the time right behind this moment counts."""
        if self._always:
            return True
        table = self._year(moment.year)
        stretch = bisect_right(table.starts, moment) - 1
        return stretch >= 0 and moment < table.ends[stretch]

    def stretches(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The open stretches from `start` to `end` in UTC, in order; one that spans New Year comes in two parts."""
        if self._always:
            yield start, end
            return
        for year in range(start.year, end.year + 1):
            table = self._year(year)
            first = max(bisect_right(table.starts, start) - 1, 0)
            for opens, closes in zip(table.starts[first:], table.ends[first:], strict=True):
                if opens >= end:
                    break
                if closes > start:
                    yield max(opens, start), min(closes, end)

    def _passed(self, moment: datetime) -> timedelta:
        """Open time from the beginning of the moment's UTC year to it."""
        table = self._year(moment.year)
        stretch = bisect_right(table.starts, moment) - 1
        if stretch < 0:
            return _NOTHING
        return table.before[stretch] + (min(moment, table.ends[stretch]) - table.starts[stretch])

    def _year(self, year: int) -> _Year:
        table = self._years.get(year)
        if table is None:
            if year >= date.max.year:
                raise OverflowError(f"no calendar reaches the year {year}")
            table = self._years[year] = _lay_out(self.calendar, self._holidays, year)
        return table


def _lay_out(calendar: Calendar, holidays: Callable[[int], Collection[date]], year: int) -> _Year:
    first, last = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    starts: list[datetime] = []
    ends: list[datetime] = []
    for raw_start, raw_end in sorted(_stretches(calendar, holidays, first, last)):
        start, end = max(raw_start, first), min(raw_end, last)
        if start >= end:
            continue
        if ends and start == ends[-1]:
            ends[-1] = end
        else:
            starts.append(start)
            ends.append(end)
    before: list[timedelta] = []
    total = _NOTHING
    for start, end in zip(starts, ends, strict=True):
        before.append(total)
        total += end - start
    return _Year(starts, ends, before, total)


def _stretches(
    calendar: Calendar, holidays: Callable[[int], Collection[date]], first: datetime, last: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Open stretches that touch the time from `first` to `last`, in UTC: local spans, offset by offset."""
    own = {special.on: special.spans for special in calendar.exceptions}
    resting = {year: holidays(year) for year in (first.year - 1, first.year, first.year + 1)}
    for begins, until, offset in _offsets(ZoneInfo(calendar.zone), first - _DAY, last + _DAY):
        # Within these bounds local time is UTC and a constant, so a span is a stretch, cut at the bounds.
        day = (begins + offset).date()
        while (midnight := datetime(day.year, day.month, day.day, tzinfo=UTC) - offset) < until:
            usual = () if day in resting[day.year] else calendar.week[day.weekday()]
            for start, end in own.get(day, usual):
                opens = max(begins, midnight + timedelta(seconds=start))
                closes = min(until, midnight + timedelta(seconds=end))
                if opens < closes:
                    yield opens, closes
            day += _DAY


def _offsets(zone: ZoneInfo, first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """The time from `first` to `last` in pieces of one offset from UTC each.

    The zone is asked once a day, and the second of a change is searched for; no zone changes twice within a day.
    """
    begins, offset, at = first, _offset(zone, first), first
    while at < last:
        following = min(at + _DAY, last)
        new = _offset(zone, following)
        if new != offset:
            change = _find_change(zone, at, following, offset)
            yield begins, change, offset
            begins, offset = change, new
        at = following
    yield begins, last, offset


def _find_change(zone: ZoneInfo, low: datetime, high: datetime, before: timedelta) -> datetime:
    """The first second in (low, high] with another offset than `before`, which `low` has and `high` has not."""
    reach = int((high - low).total_seconds())
    same, other = 0, reach
    while other - same > 1:
        middle = (same + other) // 2
        if _offset(zone, low + timedelta(seconds=middle)) == before:
            same = middle
        else:
            other = middle
    return low + timedelta(seconds=other)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None, "a zone gives every moment an offset"
    return offset
