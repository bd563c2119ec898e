"""The composition root: what the escalation service consists of."""

from datetime import timedelta
from pathlib import Path

from common.calls import caller
from common.service import Role, Service
from escalation.agents.consumers import HANDLER as AGENTS
from escalation.calendars import api as calendars
from escalation.escalations import api as escalations
from escalation.escalations.consumers import ARRIVALS
from escalation.escalations.consumers import HANDLER as ESCALATIONS
from escalation.escalations.doing import CALL_KINDS as ESCALATION_CALLS
from escalation.escalations.timers import step_timer
from escalation.handoffs import api as handoffs
from escalation.handoffs.calls import CALL_KINDS as HANDOFF_CALLS
from escalation.handoffs.consumers import HANDLER as HANDOFFS
from escalation.handoffs.domain import Times as HandoffTimes
from escalation.handoffs.timers import TIMERS as HANDOFF_TIMERS
from escalation.metadata import METADATA
from escalation.notifications import api as notifications
from escalation.notifications.mailing import Mail
from escalation.notifications.sender import notifier
from escalation.notifications.signing import read_secret
from escalation.notifications.usecases import CALL_KINDS as NOTIFICATION_CALLS
from escalation.settings import EscalationGroup, EscalationSettings
from escalation.sla import api as sla
from escalation.sla.consumers import CLOCKS
from escalation.sla.timers import TIMERS as CLOCK_TIMERS
from escalation.tickets.consumers import tickets_handler

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
            escalations.commands,
            escalations.reads,
            notifications.reads,
        ],
        handlers=[
            tickets_handler(CLOCKS.types | HANDOFFS.types | ESCALATIONS.types),
            AGENTS,
            CLOCKS,
            HANDOFFS,
            ESCALATIONS,
            ARRIVALS,
        ],
        # Its own topic too: clocks and runs are folds over all that is told of a ticket, whoever tells it.
        consumes=("intake", "routing", "escalation"),
        gather=timedelta(milliseconds=200),
        timers=[*CLOCK_TIMERS, *HANDOFF_TIMERS, step_timer(handoff_times)],
        roles={
            "caller": caller([*HANDOFF_CALLS, *NOTIFICATION_CALLS, *ESCALATION_CALLS], settings.peers),
            "notifier": _notifier(own),
        },
    )


def _notifier(own: EscalationGroup) -> Role:
    """Raises: Misconfigured: the secret of webhooks cannot be used."""
    mail = Mail(
        host=own.smtp_host,
        port=own.smtp_port,
        security=own.smtp_security,
        sender=own.smtp_sender,
        username=own.smtp_username,
        password=own.smtp_password.get_secret_value() if own.smtp_password else "",
    )
    secret = read_secret(own.webhook_secret.get_secret_value()) if own.webhook_secret else None
    return notifier(mail, webhook_secret=secret, allow_private=own.webhook_allow_private)
