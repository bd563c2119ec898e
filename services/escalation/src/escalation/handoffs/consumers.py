"""Which events concern handoffs."""

from common.backbone.consumer import Handler
from escalation.handoffs.following import follow_handoffs
from escalation.handoffs.hearing import HEARD

HANDLER = Handler(name="handoffs", types=frozenset(body.event_type for body in HEARD), apply=follow_handoffs)
