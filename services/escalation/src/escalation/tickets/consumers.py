"""Which events concern what is known of tickets."""

from common.backbone.consumer import Handler
from escalation.tickets.domain import FACT_TYPES, LOGGED_TYPES
from escalation.tickets.usecases import apply_tickets

TICKETS = Handler(name="tickets", types=FACT_TYPES | LOGGED_TYPES, apply=apply_tickets)
"""The first of this service's handlers: the others read what it has written."""
