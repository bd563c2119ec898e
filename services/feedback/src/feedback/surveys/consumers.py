"""Which events concern surveys: of intake and routing, about tickets, the people who ask, and agents."""

from common.backbone.consumer import Handler
from contracts.intake import (
    MessageAdded,
    RequesterCreated,
    RequesterUpdated,
    TicketClassified,
    TicketCreated,
    TicketPriorityChanged,
    TicketReopened,
    TicketResolved,
    TicketStatusChanged,
    TicketUpdated,
)
from contracts.routing import AgentRegistered
from feedback.surveys.usecases import follow_tickets

SURVEYS = Handler(
    name="surveys",
    types=frozenset(
        body.event_type
        for body in (
            AgentRegistered,
            MessageAdded,
            RequesterCreated,
            RequesterUpdated,
            TicketClassified,
            TicketCreated,
            TicketPriorityChanged,
            TicketReopened,
            TicketResolved,
            TicketStatusChanged,
            TicketUpdated,
        )
    ),
    apply=follow_tickets,
)
