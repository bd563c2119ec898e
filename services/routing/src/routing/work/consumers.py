"""Which events of intake concern work."""

from common.backbone.consumer import Handler
from contracts.intake import (
    MessageAdded,
    TicketClassified,
    TicketCreated,
    TicketPriorityChanged,
    TicketStatusChanged,
    TicketUpdated,
)
from routing.work.following import follow_intake

INTAKE = Handler(
    name="work",
    types=frozenset(
        body.event_type
        for body in (
            MessageAdded,
            TicketClassified,
            TicketCreated,
            TicketPriorityChanged,
            TicketStatusChanged,
            TicketUpdated,
        )
    ),
    apply=follow_intake,
)
"""Status moves arrive as `ticket.status_changed`, also those with an event of their own, so only that is followed."""
