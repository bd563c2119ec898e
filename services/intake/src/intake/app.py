"""The composition root: what the intake service consists of."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from common.service import Service
from common.webhooks import Poster
from intake.messages import api as messages
from intake.metadata import METADATA
from intake.requesters import api as requesters
from intake.settings import IntakeGroup, IntakeSettings
from intake.tickets import api as tickets
from intake.tickets.consumers import PRODUCERS, told_handler
from intake.tickets.domain import Windows
from intake.tickets.timers import list_periodic, list_timers
from intake.webhooks import api as webhooks
from intake.webhooks.consumers import heard_handler
from intake.webhooks.feeding import feeder
from intake.webhooks.keys import Sealer
from intake.webhooks.sending import PLACES, TIMEOUT, sender
from intake.webhooks.timers import list_periodic as list_webhook_periodic
from intake.webhooks.usecases import House

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: IntakeSettings) -> Service:
    """The service under these settings."""
    windows = Windows(reopen=settings.intake.reopen_window, close_after=settings.intake.close_after)
    house = _house(settings)
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
            webhooks.housed_commands(house),
            webhooks.commands,
            webhooks.reads,
        ],
        handlers=[told_handler(windows.reopen), heard_handler(keep=house.keep)],
        consumes=PRODUCERS,
        gather=timedelta(milliseconds=50),
        timers=list_timers(windows),
        periodic=[*list_periodic(windows), *list_webhook_periodic(house)],
        roles={
            "webhook-feeder": feeder(),
            "webhook-sender": sender(house.sealer, open_poster=partial(_open_poster, settings.intake, house)),
        },
    )


def _house(settings: IntakeSettings) -> House:
    """Raises: Misconfigured: the key of webhooks cannot be used."""
    own = settings.intake
    return House(
        sealer=Sealer(own.webhooks_key.get_secret_value()) if own.webhooks_key else None,
        allowed=own.webhook_networks(),
        source=f"/frontline/{settings.installation}/intake",
        keep=own.webhooks_keep,
    )


def _open_poster(own: IntakeGroup, house: House) -> Poster:
    return Poster(timeout=TIMEOUT, allowed=house.allowed, places=PLACES, trusted=own.webhook_authorities())
