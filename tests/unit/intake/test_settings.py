"""Settings of intake that must fit each other."""

from datetime import timedelta

import pytest

from common.settings import WrongSettings, load
from intake.settings import IntakeSettings

GOOD = {"FRONTLINE_DATABASE_URL": "postgresql://a@b/c", "FRONTLINE_KAFKA_BOOTSTRAP": "k:9092"}


def windows(**given: str) -> tuple[timedelta, timedelta]:
    """(reopen window, close after) under these variables."""
    loaded = load(IntakeSettings, GOOD | {f"FRONTLINE_INTAKE_{name}": value for name, value in given.items()})
    return loaded.intake.reopen_window, loaded.intake.close_after


def test_a_ticket_closes_when_its_window_is_over() -> None:
    """Both a week unless said otherwise; closing never comes first, and comes between an hour and 28 days."""
    week = timedelta(days=7)
    assert windows() == (week, week)
    assert windows(REOPEN_WINDOW="0s", CLOSE_AFTER="1h") == (timedelta(0), timedelta(hours=1))
    assert windows(REOPEN_WINDOW="28d", CLOSE_AFTER="28d") == (timedelta(days=28), timedelta(days=28))
    for wrong in ({"REOPEN_WINDOW": "8d"}, {"CLOSE_AFTER": "6d"}):
        with pytest.raises(WrongSettings, match="close_after must not be shorter than reopen_window"):
            windows(**wrong)
    for wrong in ({"CLOSE_AFTER": "29d"}, {"CLOSE_AFTER": "59m", "REOPEN_WINDOW": "0s"}):
        with pytest.raises(WrongSettings, match="CLOSE_AFTER"):
            windows(**wrong)
