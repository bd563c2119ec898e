"""Due work on tickets."""

from common.timers import Timer
from intake.tickets.usecases import RESUME_TIMER, resume_due

RESUME = Timer(kind=RESUME_TIMER, fire=resume_due)
"""A hold with a `resume_at` ends there."""
