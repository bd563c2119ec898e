"""Nobody is written to at night: local hours in every zone, across daylight saving in both directions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feedback.policies.domain import LocalHours
from feedback.surveys.hours import next_within, zone_of

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # its clocks move by half an hour
    "Asia/Kathmandu",  # 5:45 ahead of UTC
    "Pacific/Apia",  # skipped the whole of 30 December 2011
    "America/Sao_Paulo",  # until 2019 its clocks moved at midnight
    "Pacific/Kiritimati",
    "UTC",
)
QUARTER = timedelta(minutes=15)
moments = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone beside
windows = st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda pair: pair[0] < pair[1])


@given(moments, st.sampled_from(ZONES), windows)
@example(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "Europe/Berlin", (2, 3))
@example(datetime(2018, 11, 4, 2, 30, tzinfo=UTC), "America/Sao_Paulo", (0, 1))
@example(datetime(2011, 12, 30, 9, 0, tzinfo=UTC), "Pacific/Apia", (9, 18))
def test_the_first_moment_within_the_hours(moment: datetime, zone: str, window: tuple[int, int]) -> None:
    """It is not before the given moment, lies within the hours there, and no earlier quarter of an hour does."""
    hours = LocalHours(begin=window[0], end=window[1])
    found = next_within(moment, hours, timezone=zone)
    assert found >= moment
    assert within(found, hours, zone)
    earlier = moment
    while earlier < found:
        assert not within(earlier, hours, zone)
        earlier += QUARTER


@given(moments, st.sampled_from(ZONES), windows)
def test_what_is_within_stays(moment: datetime, zone: str, window: tuple[int, int]) -> None:
    """Asking again changes nothing."""
    hours = LocalHours(begin=window[0], end=window[1])
    found = next_within(moment, hours, timezone=zone)
    assert next_within(found, hours, timezone=zone) == found


@given(moments)
def test_without_hours_any_time_will_do(moment: datetime) -> None:
    """A policy may say so."""
    assert next_within(moment, None, timezone="Europe/Berlin") == moment


@pytest.mark.parametrize("name", ["", "Moon/Crater", "../etc/passwd", "Europe", "x" * 300])
def test_a_zone_that_nobody_knows(name: str) -> None:
    """The policy's zone counts then."""
    assert zone_of(name, fallback="Asia/Tokyo").key == "Asia/Tokyo"


def test_the_hour_that_is_skipped() -> None:
    """On 29 March 2026 there is no two o'clock in Berlin: a window of that hour alone waits for the next day."""
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    found = next_within(before, LocalHours(begin=2, end=3), timezone="Europe/Berlin")
    assert found == datetime(2026, 3, 30, 0, tzinfo=UTC)


def within(moment: datetime, hours: LocalHours, zone: str) -> bool:
    """Whether the clock on the wall there shows one of the hours."""
    return hours.begin <= moment.astimezone(zone_of(zone, fallback="UTC")).hour < hours.end
