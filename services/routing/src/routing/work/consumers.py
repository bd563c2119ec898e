"""Which events of intake and escalation concern work."""

from common.backbone.consumer import Handler
from contracts.escalation import (
    EscalationLevelChanged,
    HandoffDeclined,
    HandoffExpired,
    HandoffRecalled,
    HandoffRequested,
    HandoffWithdrawn,
)
from contracts.intake import (
    MessageAdded,
    TicketClassified,
    TicketCreated,
    TicketPriorityChanged,
    TicketStatusChanged,
    TicketUpdated,
)
from routing.work.following import follow_events

WORK = Handler(
    name="work",
    types=frozenset(
        body.event_type
        for body in (
            EscalationLevelChanged,
            HandoffDeclined,
            HandoffExpired,
            HandoffRecalled,
            HandoffRequested,
            HandoffWithdrawn,
            MessageAdded,
            TicketClassified,
            TicketCreated,
            TicketPriorityChanged,
            TicketStatusChanged,
            TicketUpdated,
        )
    ),
    apply=follow_events,
)
"""Status moves arrive as `ticket.status_changed`, also those with an event of their own, so only that is followed.

Whether a handoff was accepted routing says itself, and a return is another request."""
