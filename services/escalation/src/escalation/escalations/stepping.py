"""The run as a state machine: which steps are due now, and what becomes of the run. Pure; the caller does the steps."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.escalation import (
    EscalationAckExpired,
    EscalationCompleted,
    EscalationExhausted,
    EscalationHeld,
    EscalationRoundRepeated,
    EscalationStepFired,
)
from contracts.registry import Body
from escalation.escalations.domain import Run, RunState, end, names_of, stop
from escalation.escalations.policy import Action, Step, StepClock, Version

LOOK_FOR_SOMEBODY = timedelta(minutes=1)
"""How often a run that owes a step looks whether somebody is there now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What is so right now.

    Attributes:
        over: the status by which the ticket needs nobody any more; empty while it does.
        is_clock_done: the run's clock was satisfied or cancelled; False where the run has none.
        is_served: what the run was for has come about without its clock: see `taking`.
        is_unowned: nobody owns the ticket.
        unreachable: steps (from 1) that would notify and have nobody to reach.
    """

    now: datetime
    over: str = ""
    is_clock_done: bool = False
    is_served: bool = False
    is_unowned: bool = False
    unreachable: AbstractSet[int] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Fired:
    """A step to be done now. `number` and `round` count from 1."""

    step: Step
    number: int
    round: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Advance:
    """The run after a look, the steps to be done, and what is told, in order."""

    run: Run
    fired: Sequence[Fired]
    told: Sequence[Body]


def advance(run: Run, version: Version, look: Look, *, open_time: Callable[[datetime, timedelta], datetime]) -> Advance:
    """Take every step that is due.

    Args:
        open_time: adds open time of the policy's calendar to a moment.
    Returns:
        The same run with nothing to do where it has ended; else one with a new `due_at` and generation.
    """
    return _Walk(version, look, open_time).walk(run) if run.is_live else Advance(run=run, fired=(), told=())


def plain_time(start: datetime, open_time: timedelta) -> datetime:
    """As if the calendar were always open: for policies none of whose steps asks it."""
    return start + open_time


class _Walk:
    """One look at a run. Each turn of the loop takes, passes over or waits for one step, so it ends."""

    def __init__(self, version: Version, look: Look, open_time: Callable[[datetime, timedelta], datetime]) -> None:
        self._version = version
        self._look = look
        self._open_time = open_time
        self._fired: list[Fired] = []
        self._told: list[Body] = []

    def walk(self, run: Run) -> Advance:
        run = self._settle(run)
        if run.due_at is None and run.is_live:
            run = self._make_up(run)
        while run.is_live and (next_run := self._turn(run)) is not None:
            run = next_run
        if run.is_live:
            run = self._wait(run)
        return Advance(run=run, fired=tuple(self._fired), told=tuple(self._told))

    def _settle(self, run: Run) -> Run:
        """Before any step: is it still needed?"""
        at = self._look.now
        if self._look.over or self._look.is_clock_done:
            stopped, told = stop(run, self._look.over or "met", at=at)
            self._told += told
            return stopped
        if self._look.is_served:
            self._told.append(EscalationCompleted(**names_of(run)))
            return end(run, RunState.COMPLETED, at=at)
        run = replace(run, due_at=None)
        if run.state is RunState.ACKNOWLEDGED:
            if run.ack_until is not None and at < run.ack_until:
                return replace(run, due_at=run.ack_until)
            self._told.append(EscalationAckExpired(**names_of(run)))
            return replace(run, state=RunState.RUNNING, ack_until=None)
        return run

    def _make_up(self, run: Run) -> Run:
        """Take the steps that had nobody to reach before and have now; leave those that are not needed any more."""
        for number in run.owed:
            if self._is_needless(number):
                run = replace(run, owed=_without(run.owed, number))
            elif number not in self._look.unreachable:
                run = self._fire(run, number)
        return run

    def _turn(self, run: Run) -> Run | None:
        """The run one step further; None: nothing more is due, and `due_at` says when to look again."""
        if run.due_at is not None:
            return None
        if run.next_step > len(self._version.steps):
            return self._end_round(run)
        due_at = self._due_at(run, run.next_step)
        if due_at is None and not run.forced:
            return None
        if due_at is not None and due_at > self._look.now and not run.forced:
            return replace(run, due_at=due_at)
        further = replace(run, next_step=run.next_step + 1)
        if self._is_needless(run.next_step):
            return further
        further = replace(further, forced=False)
        if run.next_step in self._look.unreachable:
            self._told.append(EscalationHeld(**names_of(run), step=run.next_step, reason="nobody_to_reach"))
            return replace(further, owed=(*run.owed, run.next_step))
        return self._fire(further, run.next_step)

    def _is_needless(self, number: int) -> bool:
        return self._version.steps[number - 1].when == "unroutable" and not self._look.is_unowned

    def _fire(self, run: Run, number: int) -> Run:
        step = self._version.steps[number - 1]
        self._fired.append(Fired(step=step, number=number, round=run.round))
        self._told.append(
            EscalationStepFired(
                **names_of(run),
                step=number,
                round=run.round,
                action=step.action.value,
                targets=told_targets(step),
            )
        )
        return replace(run, stepped_at=self._look.now, owed=_without(run.owed, number))

    def _end_round(self, run: Run) -> Run | None:
        is_last = run.round > self._version.rounds
        if is_last and run.owed:
            return None
        # A round in which nobody could be reached took no step of its own: it counts from its beginning.
        last = max(run.stepped_at or run.round_started_at, run.round_started_at)
        due_at = last + timedelta(seconds=self._version.repeat_after_s)
        if due_at > self._look.now and not run.forced:
            return replace(run, due_at=due_at)
        if is_last:
            # Not with the last step: whoever was just told must have time to take notice.
            self._told.append(EscalationExhausted(**names_of(run), rounds=run.round))
            return end(run, RunState.EXHAUSTED, at=self._look.now)
        self._told.append(EscalationRoundRepeated(**names_of(run), round=run.round + 1))
        return replace(run, round=run.round + 1, next_step=1, round_started_at=self._look.now, owed=())

    def _wait(self, run: Run) -> Run:
        """Until `due_at`, and no longer than until somebody is looked for again where a step has nobody to reach."""
        waiting = replace(run, generation=run.generation + 1, forced=False)
        if run.state is RunState.ACKNOWLEDGED:
            return waiting
        if not run.owed:
            return replace(waiting, state=RunState.RUNNING)
        again = self._look.now + LOOK_FOR_SOMEBODY
        return replace(waiting, state=RunState.HELD, due_at=min(again, run.due_at or again))

    def _due_at(self, run: Run, number: int) -> datetime | None:
        """When a step is due; None: its percent was not reached yet."""
        step = self._version.steps[number - 1]
        start = run.round_started_at
        if step.percent:
            reached = run.reached_at(step.percent)
            if reached is None:
                return None
            start = max(start, reached)
        if step.clock is StepClock.BUSINESS:
            return self._open_time(start, timedelta(seconds=step.after_s))
        return start + timedelta(seconds=step.after_s)


def _without(owed: Sequence[int], number: int) -> tuple[int, ...]:
    return tuple(each for each in owed if each != number)


def told_targets(step: Step) -> tuple[str, ...]:
    """Targets without what is personal: events and answers say that mail was meant, not to whom."""
    if step.action is Action.WEBHOOK:
        return ("webhook",)
    return tuple("email" if target.startswith("email:") else target for target in step.targets)
