"""The composition root: what the intake service consists of."""

from datetime import timedelta
from pathlib import Path

from common.service import Service
from intake.messages import api as messages
from intake.metadata import METADATA
from intake.requesters import api as requesters
from intake.settings import IntakeSettings
from intake.tickets import api as tickets
from intake.tickets.consumers import PRODUCERS, told_handler
from intake.tickets.domain import Windows
from intake.tickets.timers import list_periodic, list_timers

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: IntakeSettings) -> Service:
    """The service under these settings."""
    windows = Windows(reopen=settings.intake.reopen_window, close_after=settings.intake.close_after)
    return Service(
        name="intake",
        settings=settings,
        metadata=METADATA,
        migrations=MIGRATIONS,
        routers=[
            tickets.commands,
            tickets.timed_commands(windows),
            tickets.reads,
            messages.commands(windows.reopen),
            messages.reads,
            requesters.commands,
            requesters.reads,
        ],
        handlers=[told_handler(windows.reopen)],
        consumes=PRODUCERS,
        gather=timedelta(milliseconds=50),
        timers=list_timers(windows),
        periodic=list_periodic(windows),
    )
