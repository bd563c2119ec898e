"""The composition root: what the intake service consists of."""

from pathlib import Path

from common.service import Service
from intake.messages import api as messages
from intake.metadata import METADATA
from intake.requesters import api as requesters
from intake.settings import IntakeSettings
from intake.tickets import api as tickets
from intake.tickets.consumers import ROUTING_HANDLER
from intake.tickets.timers import RESUME

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: IntakeSettings) -> Service:
    """The service under these settings."""
    window = settings.intake.reopen_window
    return Service(
        name="intake",
        settings=settings,
        metadata=METADATA,
        migrations=MIGRATIONS,
        routers=[
            tickets.commands,
            tickets.timed_commands(window),
            tickets.reads,
            messages.commands(window),
            messages.reads,
            requesters.reads,
        ],
        handlers=[ROUTING_HANDLER],
        consumes=("routing",),
        timers=[RESUME],
    )
