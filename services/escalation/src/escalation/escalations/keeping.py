"""Saving runs with all that follows from a change: their timer, what is told, alarms, and what is needless now."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry import metrics

from common.calls import cancel_calls
from common.timers import clear_timers, set_timers
from common.transaction import Origin, Transaction
from contracts.envelope import subject_of
from contracts.escalation import EscalationExhausted, EscalationHeld
from contracts.registry import Body
from escalation.escalations import store
from escalation.escalations.domain import Run, RunState
from escalation.notifications.usecases import cancel_notifications

STEP_TIMER = "escalation_step"
RAISE_PRIORITY = "raise_priority"
"""Kind of the calls that ask intake for a higher priority."""

_log = logging.getLogger(__name__)
_alarms = metrics.get_meter("frontline.escalation").create_counter(
    "frontline.escalation.alarms", "{run}", "runs that have nobody to reach (held) or had no effect (exhausted)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """A run that changed, and what is told of that. `origin` None: whatever caused the transaction caused it."""

    run: Run
    told: Sequence[Body] = ()
    origin: Origin | None = None


async def keep(tx: Transaction, moved: Sequence[Moved]) -> None:
    """Save runs, each once; their tickets' locks are held."""
    if not moved:
        return
    runs = {each.run.run_id: each.run for each in moved}
    await store.save_runs(tx.connection, runs.values())
    due = [(run.run_id, run.generation, run.due_at) for run in runs.values() if run.due_at is not None]
    await set_timers(tx, STEP_TIMER, sorted(due))
    await clear_timers(tx, STEP_TIMER, [run.run_id for run in runs.values() if run.due_at is None])
    needless = sorted(run.run_id for run in runs.values() if run.state in (RunState.STOPPED, RunState.COMPLETED))
    await cancel_notifications(tx, needless)
    await cancel_calls(tx, RAISE_PRIORITY, needless)
    for each in moved:
        if each.told:
            tx.add_events(subject_of("ticket", each.run.ticket_id), each.told, origin=each.origin)
        _alarm(each)


def _alarm(moved: Moved) -> None:
    for body in moved.told:
        if isinstance(body, EscalationHeld | EscalationExhausted):
            alarm = "held" if isinstance(body, EscalationHeld) else "exhausted"
            _alarms.add(1, {"alarm": alarm})
            facts = {"ticket_id": str(moved.run.ticket_id), "run_id": str(moved.run.run_id)}
            _log.error("an escalation is %s", alarm, extra=facts)
