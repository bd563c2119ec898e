"""The verdict: each window by each invariant, counts, times of recovery, and the shortest story of what broke."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.checker.calls import judge_calls
from tests.faults.checker.case import Breach, Case, open_case
from tests.faults.checker.commands import judge_commands
from tests.faults.checker.effects import judge_bystanders, judge_effects
from tests.faults.checker.lines import History
from tests.faults.checker.quiet import drain_bound, judge_quiet
from tests.faults.checker.story import tell
from tests.faults.checker.topics import judge_topics

INVARIANTS = ("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8")
BAD = ("lost", "duplicate effects", "reorderings", "forks")
"""What must be zero in all."""

_TOLD = 5
"""Breaches of one invariant that are listed; the rest are counted."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found. `passed`: whether all that ran is ok."""

    case: Case
    breaches: list[Breach]

    @property
    def passed(self) -> bool:
        return not self.breaches


def judge(history: History) -> Verdict:
    """Judge a history by I1 to I8."""
    case = open_case(history)
    judge_topics(case)
    judge_effects(case)
    judge_bystanders(case)
    judge_calls(case)
    judge_commands(case)
    judge_quiet(case)
    return Verdict(case=case, breaches=case.breaches)


def print_verdict(verdict: Verdict) -> Iterator[str]:
    """The verdict in lines of text, the table first, the one word last."""
    history = verdict.case.history
    yield f"seed {history.run.seed}, commit {history.run.commit}"
    if history.torn:
        yield "the last line is torn and was left out"
    yield ""
    yield from _table(verdict)
    yield ""
    yield from _counts(verdict)
    for invariant in INVARIANTS:
        broken = [breach for breach in verdict.breaches if breach.invariant == invariant]
        if broken:
            yield ""
            yield from _explain(verdict.case, invariant, broken)
    yield ""
    not_run = sum(not window.ran for window in history.windows)
    ran = len(history.windows) - not_run
    word = "ok" if verdict.passed else "BROKEN"
    yield f"{word}: {ran} faults ran, {not_run} not run, {len(verdict.breaches)} breaches"


def _table(verdict: Verdict) -> Iterator[str]:
    history = verdict.case.history
    width = max([len(window.fault) for window in history.windows] + [len("outside windows")])
    yield f"{'fault':<{width}}  {'  '.join(f'{name:<7}' for name in INVARIANTS)}  recovery"
    broken = {(breach.fault, breach.invariant) for breach in verdict.breaches}
    for window in history.windows:
        if not window.ran:
            yield f"{window.fault:<{width}}  not run: {window.why_not}"
            continue
        cells = ["BROKEN" if (window.fault, name) in broken else "ok" for name in INVARIANTS]
        if cells[-1] == "ok" and (not (window.poison or window.poison_records) or window.bystander_s is None):
            cells[-1] = "-"
        recovery = "never"
        if window.ended_at is not None and window.quiet_at is not None:
            took = window.quiet_at - window.ended_at
            recovery = f"{took:.1f} s of {drain_bound(verdict.case, window):.1f} s"
        yield f"{window.fault:<{width}}  {'  '.join(f'{cell:<7}' for cell in cells)}  {recovery}"
    for name, all_of_it in (("outside windows", False), ("in all", True)):
        found = {breach.invariant for breach in verdict.breaches if all_of_it or not breach.fault}
        if found or all_of_it:
            cells = ["BROKEN" if invariant in found else "ok" for invariant in INVARIANTS]
            yield f"{name:<{width}}  {'  '.join(f'{cell:<7}' for cell in cells)}"


def _counts(verdict: Verdict) -> Iterator[str]:
    case, history = verdict.case, verdict.case.history
    outcomes = Counter(operation.outcome for operation in history.operations)
    named = ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in ("ok", "fail", "unknown"))
    yield f"operations    {len(history.operations)} ({named})"
    forged = sum(one.forged for one in history.publications)
    repeats = sum(stream.repeats for stream in case.streams.values())
    yield f"publications  {len(history.publications)} ({repeats} repeats, {forged} forged)"
    yield f"effects       {len(history.effects)}"
    counts = Counter(breach.counts_as for breach in verdict.breaches)
    yield "              " + ", ".join(f"{name} {counts[name]}" for name in BAD)


def _explain(case: Case, invariant: str, broken: list[Breach]) -> Iterator[str]:
    yield f"{invariant} BROKEN {len(broken)} times"
    for breach in broken[:_TOLD]:
        where = f" [{breach.fault}]" if breach.fault else ""
        yield f"- {breach.subject or '(no subject)'}: {breach.says}{where}"
    if len(broken) > _TOLD:
        yield f"- and {len(broken) - _TOLD} more"
    stories = [(breach, tell(case, breach)) for breach in broken[:_TOLD]]
    told = [(breach, story) for breach, story in stories if story]
    if told:
        breach, story = min(told, key=lambda one: len(one[1]))
        yield f"  the story of {breach.subject or 'this call'}:"
        yield from story
