"""The composition root: what the feedback service consists of."""

from datetime import timedelta
from pathlib import Path

from common.service import Service
from feedback.figures import api as figures
from feedback.figures.consumers import FIGURES
from feedback.figures.timers import PERIODIC as FIGURES_PERIODIC
from feedback.metadata import METADATA
from feedback.ownership.consumers import OWNERSHIP
from feedback.settings import FeedbackSettings

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: FeedbackSettings) -> Service:
    """The service under these settings."""
    return Service(
        name="feedback",
        settings=settings,
        metadata=METADATA,
        migrations=MIGRATIONS,
        routers=[figures.reads],
        handlers=[OWNERSHIP, FIGURES],
        # Its own topic too: figures are computed from what the topics say, whoever says it.
        consumes=("intake", "routing", "escalation", "feedback"),
        gather=timedelta(milliseconds=200),
        periodic=FIGURES_PERIODIC,
    )
