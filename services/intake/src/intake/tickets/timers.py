"""Due work on tickets."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from common.timers import Periodic, Timer
from intake.tickets.domain import Windows
from intake.tickets.usecases import CLOSE_TIMER, RESUME_TIMER, close_due, resume_due, set_lacking_close_timers


def list_timers(windows: Windows) -> Sequence[Timer]:
    """A hold with a `resume_at` ends there; a resolved ticket closes when nobody comes back."""
    return (
        Timer(kind=RESUME_TIMER, fire=resume_due),
        Timer(kind=CLOSE_TIMER, fire=partial(close_due, windows=windows)),
    )


def list_periodic(windows: Windows) -> Sequence[Periodic]:
    """Tickets that were resolved by a release without that timer, or under a longer `close_after`, close too."""
    return (
        Periodic(
            name="close-overdue", every=timedelta(minutes=10), run=partial(set_lacking_close_timers, windows=windows)
        ),
    )
