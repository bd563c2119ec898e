"""The composition root: what the escalation service consists of."""

from datetime import timedelta
from pathlib import Path

from common.calls import caller
from common.service import Service
from escalation.agents.consumers import HANDLER as AGENTS
from escalation.calendars import api as calendars
from escalation.handoffs import api as handoffs
from escalation.handoffs.calls import CALL_KINDS as HANDOFF_CALLS
from escalation.handoffs.consumers import HANDLER as HANDOFFS
from escalation.handoffs.domain import Times as HandoffTimes
from escalation.handoffs.timers import EXPIRY as HANDOFF_EXPIRY
from escalation.metadata import METADATA
from escalation.settings import EscalationSettings
from escalation.sla import api as sla
from escalation.sla.consumers import CLOCKS
from escalation.sla.timers import TIMERS as CLOCK_TIMERS
from escalation.tickets.consumers import TICKETS

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: EscalationSettings) -> Service:
    """The service under these settings."""
    own = settings.escalation
    handoff_times = HandoffTimes(
        life=own.handoff_life, accept_within=own.handoff_accept_within, package_within=own.handoff_package_within
    )
    return Service(
        name="escalation",
        settings=settings,
        metadata=METADATA,
        migrations=MIGRATIONS,
        routers=[
            calendars.reads,
            calendars.counts,
            sla.calendars,
            sla.commands,
            sla.reads,
            sla.clocks,
            handoffs.commands,
            handoffs.timed_commands(handoff_times),
            handoffs.stepped_commands(settings.peers),
            handoffs.reads,
        ],
        handlers=[TICKETS, AGENTS, CLOCKS, HANDOFFS],
        # Its own topic too: clocks and runs are folds over all that is told of a ticket, whoever tells it.
        consumes=("intake", "routing", "escalation", "feedback"),
        gather=timedelta(milliseconds=100),
        timers=[*CLOCK_TIMERS, HANDOFF_EXPIRY],
        roles={"caller": caller([*HANDOFF_CALLS], settings.peers)},
    )
