"""Which events move clocks: intake's about the ticket and its messages, and our own about handoffs."""

from common.backbone.consumer import Handler
from escalation.sla.following import follow_clocks
from escalation.tickets.domain import LOGGED_TYPES

CLOCKS = Handler(name="clocks", types=LOGGED_TYPES, apply=follow_clocks)
"""After the handler of tickets, which keeps the log that a late event is folded from."""
