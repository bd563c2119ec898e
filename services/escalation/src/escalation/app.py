"""The composition root: what the escalation service consists of."""

from pathlib import Path

from common.service import Service
from escalation.metadata import METADATA
from escalation.settings import EscalationSettings
from escalation.tickets.consumers import TICKETS

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: EscalationSettings) -> Service:
    """The service under these settings."""
    return Service(
        name="escalation",
        settings=settings,
        metadata=METADATA,
        migrations=MIGRATIONS,
        routers=[],
        handlers=[TICKETS],
        # Its own topic too: clocks and runs are folds over all that is told of a ticket, whoever tells it.
        consumes=("intake", "routing", "escalation", "feedback"),
    )
