"""Open time: how much of it lies between two moments, and when so much of it has passed.

`between` and `add` are inverse: `between(a, add(a, x)) == x`, and `add(a, between(a, b))` is the earliest moment behind
which just as much open time lies as behind `b`, which is `b` itself wherever the calendar is open just before it.

A year is laid out once as its open stretches in UTC with running totals. Both questions are then two searches in such a
table and a sum over the whole years between: nothing is walked day by day, and daylight saving costs nothing at all.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from escalation.calendars.domain import Calendar, spans_of

_NOTHING = timedelta(0)
_DAY = timedelta(days=1)


class _Year(NamedTuple):
    """The open stretches of one UTC year, in order and apart; `before[i]` is open time in it before stretch `i`."""

    starts: list[datetime]
    ends: list[datetime]
    before: list[timedelta]
    total: timedelta


class OpenHours:
    """A calendar that can be counted by. Make it with `open_hours`, which keeps the tables."""

    __slots__ = ("_always", "_years", "calendar")

    def __init__(self, calendar: Calendar) -> None:
        """Args: calendar: already checked."""
        self.calendar = calendar
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
            table = self._years[year] = _lay_out(self.calendar, year)
        return table


@lru_cache(maxsize=256)
def open_hours(calendar: Calendar) -> OpenHours:
    """The calendar to count by; the same one, with its tables, for an equal calendar."""
    return OpenHours(calendar)


def _lay_out(calendar: Calendar, year: int) -> _Year:
    first, last = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    starts: list[datetime] = []
    ends: list[datetime] = []
    for raw_start, raw_end in sorted(_stretches(calendar, first, last)):
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


def _stretches(calendar: Calendar, first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Open stretches that touch the time from `first` to `last`, in UTC: local spans, offset by offset."""
    exceptions = {exception.on: exception.spans for exception in calendar.exceptions}
    for begins, until, offset in _offsets(ZoneInfo(calendar.zone), first - _DAY, last + _DAY):
        # Within these bounds local time is UTC and a constant, so a span is a stretch, cut at the bounds.
        day = (begins + offset).date()
        while (midnight := datetime(day.year, day.month, day.day, tzinfo=UTC) - offset) < until:
            for start, end in spans_of(calendar, day, exceptions):
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
