"""Which events concern follow-ups: our own of answers, and intake's of tickets that are open again or closed."""

from common.backbone.consumer import Handler
from contracts.feedback import SurveyAmended, SurveyResponded
from contracts.intake import TicketClosed, TicketReopened
from feedback.followups.usecases import follow_events

FOLLOWUPS = Handler(
    name="followups",
    types=frozenset(body.event_type for body in (SurveyResponded, SurveyAmended, TicketClosed, TicketReopened)),
    apply=follow_events,
)
"""An answer opens its follow-up by its event, not in its own transaction: whoever answers waits for nothing else."""
