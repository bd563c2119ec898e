"""Which events concern surveys: of intake and routing, about tickets, the people who ask, and agents; and answers."""

from common.backbone.consumer import Handler
from contracts.feedback import SurveyAmended, SurveyResponded
from contracts.intake import (
    MessageAdded,
    RequesterCreated,
    RequesterUpdated,
    TicketClassified,
    TicketClosed,
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
            SurveyAmended,
            SurveyResponded,
            TicketClassified,
            TicketClosed,
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
"""Answers and closings change nothing here. Their tickets are locked with those of all other events, in one order:
follow-ups decide on them, and two batches that locked first the ones and then the others could wait for each other."""
