"""Due work on handoffs."""

from common.timers import Timer
from escalation.handoffs.keeping import EXPIRY_TIMER, PACKAGE_TIMER
from escalation.handoffs.reminding import remind_due
from escalation.handoffs.usecases import expire_due

EXPIRY = Timer(kind=EXPIRY_TIMER, fire=expire_due)
"""At `expires_at` of a handoff that nobody took."""

PACKAGE = Timer(kind=PACKAGE_TIMER, fire=remind_due)
"""At `package_due_at` of an emergency whose package is still to come."""

TIMERS = (EXPIRY, PACKAGE)
