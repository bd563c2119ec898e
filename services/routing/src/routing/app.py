"""The composition root: what the routing service consists of."""

from functools import partial
from pathlib import Path

from common.service import Service
from routing.agents import api as agents
from routing.metadata import METADATA
from routing.queues import api as queues
from routing.settings import RoutingSettings
from routing.work import api as work
from routing.work.consumers import WORK
from routing.work.decider import run_decider
from routing.work.timers import TIMERS, list_periodic

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: RoutingSettings) -> Service:
    """The service under these settings."""
    return Service(
        name="routing",
        settings=settings,
        metadata=METADATA,
        migrations=MIGRATIONS,
        routers=[agents.commands, agents.reads, queues.commands, queues.reads, work.commands, work.reads],
        handlers=[WORK],
        consumes=("intake", "escalation"),
        timers=TIMERS,
        periodic=list_periodic(log_retention=settings.routing.log_retention),
        roles={"decider": partial(run_decider, batch=settings.routing.batch)},
    )
