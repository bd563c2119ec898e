"""Open time: `add` and `between` against a count by hand, across daylight saving in many zones."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InvalidInput
from escalation.calendars.domain import Calendar, OpenHours, SpecialDay, check_calendar
from escalation.calendars.public import list_holidays, list_regions
from escalation.calendars.usecases import open_hours
from tests.support.clocks import calendar, office

ZONES = (
    "Europe/Vienna",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "Asia/Kolkata",  # none, and an offset of five and a half hours
    "America/Santiago",  # changes at midnight
    "Africa/Casablanca",  # changes four times in a year
    "Pacific/Apia",  # left out a whole day, 30 December 2011
)
CHANGES = (
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    datetime(2026, 4, 5, 3, tzinfo=UTC),
    datetime(2026, 9, 6, 4, tzinfo=UTC),
    datetime(2026, 2, 15, 2, tzinfo=UTC),
    datetime(2026, 3, 22, 2, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
)
"""Moments at which some zone of these changes its offset, and a New Year."""
QUARTER = timedelta(minutes=15)


@st.composite
def days(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    """The spans of a day, their bounds on quarters of an hour."""
    bounds = sorted(draw(st.sets(st.integers(0, 96), max_size=6)))
    return tuple((start * 900, end * 900) for start, end in zip(bounds[::2], bounds[1::2], strict=False) if end > start)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Some calendar, open an hour a week at least."""
    week = [draw(days()) for _ in range(7)]
    week[draw(st.integers(0, 6))] = ((7_200, 10_800),)
    around = draw(st.sampled_from(CHANGES)).date()
    special = draw(st.dictionaries(st.integers(-3, 3), days(), max_size=2))
    return calendar(
        zone=draw(st.sampled_from(ZONES)),
        week=tuple(week),
        exceptions=tuple(SpecialDay(on=around + timedelta(days=n), spans=each) for n, each in special.items()),
    )


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    """A quarter of an hour within four days of a change."""
    return draw(st.sampled_from(CHANGES)) + draw(st.integers(-384, 384)) * QUARTER


def is_open(asked: Calendar, moment: datetime) -> bool:
    """What the wall clock of the zone says: the meaning of a calendar, without any arithmetic."""
    local = moment.astimezone(ZoneInfo(asked.zone))
    second = local.hour * 3_600 + local.minute * 60 + local.second
    own = {special.on: special.spans for special in asked.exceptions}
    return any(start <= second < end for start, end in own.get(local.date(), asked.week[local.weekday()]))


@given(calendars(), moments(), st.integers(0, 600))
@settings(max_examples=150)
def test_between_counts_what_the_wall_clock_shows(asked: Calendar, start: datetime, quarters: int) -> None:
    """Quarter by quarter, whatever daylight saving does."""
    counted = sum((QUARTER for n in range(quarters) if is_open(asked, start + n * QUARTER)), timedelta(0))
    assert open_hours(asked).between(start, start + quarters * QUARTER) == counted


@given(calendars(), moments(), st.integers(0, 40 * 86_400 * 10**6))
@settings(max_examples=200)
def test_between_undoes_add(asked: Calendar, start: datetime, microseconds: int) -> None:
    """So much open time lies between a moment and the one that `add` finds, and no less of it an instant before."""
    hours, wanted = open_hours(asked), timedelta(microseconds=microseconds)
    end = hours.add(start, wanted)
    assert hours.between(start, end) == wanted
    if wanted:
        assert hours.between(start, end - timedelta(microseconds=1)) < wanted


@given(calendars(), moments(), st.integers(1, 90 * 86_400 * 10**6))
@settings(max_examples=200)
def test_add_undoes_between(asked: Calendar, start: datetime, microseconds: int) -> None:
    """`add` finds the end again, or where the calendar last closed before it."""
    hours, end = open_hours(asked), start + timedelta(microseconds=microseconds)
    passed = hours.between(start, end)
    found = hours.add(start, passed)
    assert found <= end
    assert hours.between(found, end) == timedelta(0)
    if passed and hours.between(end - timedelta(microseconds=1), end):
        assert found == end


@given(calendars(), st.tuples(moments(), moments(), moments()))
@settings(max_examples=100)
def test_time_adds_up(asked: Calendar, three: tuple[datetime, datetime, datetime]) -> None:
    """What lies between the first and the last is what lies between the first, the second and the last."""
    first, second, third = sorted(three)
    hours = open_hours(asked)
    assert hours.between(first, third) == hours.between(first, second) + hours.between(second, third)
    stretches = list(hours.stretches(first, third))
    assert sum((end - start for start, end in stretches), timedelta(0)) == hours.between(first, third)


@pytest.mark.parametrize(
    ("zone", "day", "seconds"),
    [
        ("Europe/Vienna", date(2026, 3, 29), 23 * 3_600),
        ("Europe/Vienna", date(2026, 10, 25), 25 * 3_600),
        ("America/New_York", date(2026, 3, 8), 23 * 3_600),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24 * 3_600 + 1_800),
        ("Asia/Kolkata", date(2026, 3, 29), 24 * 3_600),
        ("America/Santiago", date(2026, 9, 6), 23 * 3_600),
        ("Pacific/Apia", date(2011, 12, 30), 0),
    ],
)
def test_days_are_as_long_as_they_are(zone: str, day: date, seconds: int) -> None:
    """A day that is open alone has the seconds that its zone gives it."""
    alone = calendar(zone=zone, week=((),) * 7, exceptions=(SpecialDay(on=day, spans=((0, 86_400),)),))
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    assert open_hours(alone).between(noon - timedelta(days=3), noon + timedelta(days=3)).total_seconds() == seconds


def test_holidays_are_closed_and_exceptions_win() -> None:
    """The national day of Austria is closed, unless the calendar says otherwise."""
    monday = datetime(2026, 10, 26, 8, tzinfo=UTC)
    day = timedelta(days=1)
    assert office("Europe/Vienna").between(monday, monday + day) == timedelta(hours=8)
    assert office("Europe/Vienna", country="AT").between(monday, monday + day) == timedelta(0)
    opened = SpecialDay(on=date(2026, 10, 26), spans=((36_000, 39_600),))
    own = office("Europe/Vienna", country="AT", exceptions=(opened,))
    assert own.between(monday, monday + day) == timedelta(hours=1)
    assert date(2026, 3, 19) not in list_holidays("AT", "", 2026)
    assert "Vienna" not in list_regions()


def test_a_year_is_laid_out_once_and_a_decade_is_a_sum() -> None:
    """Ten years of office hours: 2 608 working days from 2026 to 2035."""
    hours = office()
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
    working = sum(1 for n in range((end - start).days) if (start + timedelta(days=n)).weekday() < 5)
    assert hours.between(start, end) == timedelta(hours=8 * working)
    assert hours.add(start, timedelta(hours=8 * working)) == datetime(2035, 12, 31, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"zone": "Europe/Atlantis"}, "/zone"),
        ({"zone": "../etc/passwd"}, "/zone"),
        ({"week": ((),) * 7}, "/week"),
        ({"week": (((0, 0),), *((((0, 86_400),),) * 6))}, "/week/monday"),
        ({"week": (((50, 60), (60, 70)), *((((0, 86_400),),) * 6))}, "/week/monday"),
        ({"country": "XX"}, "/country"),
        ({"country": "AT", "subdivision": "CA"}, "/subdivision"),
        ({"subdivision": "CA"}, "/subdivision"),
        ({"exceptions": (SpecialDay(on=date(2026, 1, 1)), SpecialDay(on=date(2026, 1, 1)))}, "/exceptions"),
    ],
)
def test_what_cannot_be_counted_by_is_refused(wrong: dict[str, object], pointer: str) -> None:
    """With a pointer to the fault."""
    with pytest.raises(InvalidInput) as refused:
        check_calendar(calendar(**wrong), list_regions())
    assert pointer in dict(refused.value.pointers)


def test_equal_calendars_share_their_tables() -> None:
    """So that a batch of events lays out no year anew."""
    assert isinstance(office("Asia/Kolkata"), OpenHours)
    assert office("Asia/Kolkata") is office("Asia/Kolkata")
