"""Due work: warnings and breaches."""

from common.timers import Timer
from escalation.sla.following import CLOCK_TIMER, fire_clocks

TIMERS = (Timer(kind=CLOCK_TIMER, fire=fire_clocks),)
