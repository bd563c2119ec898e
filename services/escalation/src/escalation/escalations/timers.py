"""Due work on escalations: the steps of runs."""

from functools import partial

from common.timers import Timer
from escalation.escalations.doing import take_steps
from escalation.escalations.keeping import STEP_TIMER
from escalation.handoffs.domain import Times


def step_timer(times: Times) -> Timer:
    """At `due_at` of a run.

    Args:
        times: of the handoffs that steps request.
    """
    return Timer(kind=STEP_TIMER, fire=partial(take_steps, times=times))
