"""The hours of a person's day in which we write to them, in whatever zone and on whatever day they live."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from feedback.policies.domain import LocalHours

_DAYS = 3
"""How many days are looked at: one may lack its whole window where clocks jump over it, never two in a row."""


def zone_of(name: str, *, fallback: str) -> ZoneInfo:
    """The zone of this IANA name; the fallback's where the name is empty or this machine does not know it."""
    for each in (name, fallback):
        try:
            if each:
                return ZoneInfo(each)
        except (KeyError, ValueError, OSError):
            # A name that a person typed, or one newer than our data: being an hour early is no reason to stop.
            continue
    return ZoneInfo("UTC")


def next_within(moment: datetime, hours: LocalHours | None, *, timezone: str) -> datetime:
    """The first moment, not before the given one, that lies in the person's hours; in UTC.

    Args:
        hours: None is any time of the day.
        timezone: the person's, an IANA name; empty where it is not known.
    """
    if hours is None:
        return moment.astimezone(UTC)
    zone = zone_of(timezone, fallback=hours.timezone)
    local = moment.astimezone(zone)
    if hours.begin <= local.hour < hours.end:
        return moment.astimezone(UTC)
    for days in range(_DAYS):
        day = local.date() + timedelta(days=days)
        # An hour that the clock shows twice begins with its first showing; one that it skips begins after the gap.
        begins = datetime.combine(day, time(hours.begin), zone).astimezone(UTC)
        shown = begins.astimezone(zone)
        if begins >= moment and shown.date() == day and hours.begin <= shown.hour < hours.end:
            return begins
    return moment.astimezone(UTC)
