"""Due work on handoffs."""

from common.timers import Timer
from escalation.handoffs.keeping import EXPIRY_TIMER
from escalation.handoffs.usecases import expire_due

EXPIRY = Timer(kind=EXPIRY_TIMER, fire=expire_due)
"""At `expires_at` of a handoff that nobody took."""
