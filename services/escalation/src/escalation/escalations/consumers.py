"""Which events concern escalations."""

from common.backbone.consumer import Handler
from escalation.escalations.following import CONCERNED, follow_events

HANDLER = Handler(name="escalations", types=frozenset(body.event_type for body in CONCERNED), apply=follow_events)
"""The last of this service's handlers: it looks at what the others have written."""
