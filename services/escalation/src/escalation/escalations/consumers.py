"""Which events concern escalations."""

from common.backbone.consumer import Handler
from escalation.escalations.following import COMING, CONCERNED, follow_arrivals, follow_events

HANDLER = Handler(name="escalations", types=frozenset(body.event_type for body in CONCERNED), apply=follow_events)
"""Behind all handlers of other slices: it looks at what they have written."""

ARRIVALS = Handler(name="arrivals", types=frozenset(body.event_type for body in COMING), apply=follow_arrivals)
"""The last of all: it touches timers alone, and waits for none of them."""
