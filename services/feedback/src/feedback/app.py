"""The composition root: what the feedback service consists of."""

from datetime import timedelta
from pathlib import Path

from common.backbone.projections import Projection
from common.calls import caller
from common.service import Service
from feedback.figures import api as figures
from feedback.figures.consumers import FIGURES
from feedback.figures.tables import observation, ticket_facts
from feedback.figures.timers import PERIODIC as FIGURES_PERIODIC
from feedback.followups import api as followups
from feedback.followups.consumers import FOLLOWUPS
from feedback.metadata import METADATA
from feedback.ownership.consumers import OWNERSHIP
from feedback.ownership.tables import ownership_interval
from feedback.policies import api as policies
from feedback.settings import FeedbackSettings
from feedback.surveys import api as surveys
from feedback.surveys import public
from feedback.surveys.consumers import SURVEYS
from feedback.surveys.timers import CALLS, list_timers

MIGRATIONS = Path(__file__).parent / "migrations"
FIGURES_PROJECTION = Projection(
    name="figures", handlers=[FIGURES], tables=[ticket_facts, observation], kind="ticket", key="ticket_id"
)
OWNERSHIP_PROJECTION = Projection(
    name="ownership", handlers=[OWNERSHIP], tables=[ownership_interval], kind="ticket", key="ticket_id"
)


def build(settings: FeedbackSettings) -> Service:
    """The service under these settings."""
    return Service(
        name="feedback",
        settings=settings,
        metadata=METADATA,
        migrations=MIGRATIONS,
        routers=[
            policies.commands,
            policies.reads,
            surveys.commands,
            surveys.reads,
            public.commands,
            public.reads,
            followups.commands,
            followups.reads,
            figures.reads,
        ],
        handlers=[OWNERSHIP, SURVEYS, FOLLOWUPS, FIGURES],
        # Its own topic too: figures are computed from what the topics say, whoever says it.
        consumes=("intake", "routing", "escalation", "feedback"),
        gather=timedelta(milliseconds=500),
        timers=list_timers(public_url=settings.feedback.public_url),
        periodic=FIGURES_PERIODIC,
        roles={"caller": caller(CALLS, settings.peers)},
        projections=[FIGURES_PROJECTION, OWNERSHIP_PROJECTION],
    )
