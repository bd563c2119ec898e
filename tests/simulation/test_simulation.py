"""Relay, consumer and redrive of production through many schedules: see docs/reliability.md, "Simulation"."""

import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from common.backbone import consume
from tests.simulation.plan import ACTIONS, FAULTS, Fault, draw_plan
from tests.simulation.run import Outcome, run_plan, run_seed, shrink

_KEPT = Path(__file__).with_name("seeds.txt")
_FIXED = 1_200
_CHUNK = 200
_RANDOM = 200


def failures(outcomes: list[Outcome]) -> list[str]:
    """The seeds that failed, with the shortest story of the first."""
    failed = [outcome for outcome in outcomes if outcome.broken]
    told = [f"seed {outcome.plan.seed}: {outcome.broken[0]}" for outcome in failed]
    return [*told, *shrink(failed[0]).story] if failed else []


def kept_seeds() -> list[int]:
    lines = (line.partition("#")[0].strip() for line in _KEPT.read_text().splitlines())
    return [int(line) for line in lines if line]


@pytest.mark.parametrize("first", range(0, _FIXED, _CHUNK))
def test_every_promise_holds_in_every_schedule(first: int) -> None:
    assert failures([run_seed(seed) for seed in range(first, first + _CHUNK)]) == []


def test_every_promise_holds_in_schedules_that_nobody_has_seen() -> None:
    first = random.SystemRandom().randrange(1_000_000, 2_000_000_000)
    print(f"{_RANDOM} schedules from seed {first}")  # noqa: T201 - what a failure needs
    assert failures([run_seed(first + number) for number in range(_RANDOM)]) == []


def test_seeds_that_failed_once_hold() -> None:
    assert failures([run_seed(seed) for seed in kept_seeds()]) == []


def test_schedules_reach_what_they_are_for() -> None:
    outcomes = [run_seed(seed) for seed in range(_CHUNK)]
    seen = Counter(kind for outcome in outcomes for kind in outcome.kinds)
    for kind in ("append", "effect", "park", "keep", "release", "move", "reset", "exit", "not written", "give up"):
        assert seen[kind] >= 3, kind
    drawn = {fault.kind for outcome in outcomes for fault in outcome.plan.faults}
    assert drawn == {*FAULTS, *ACTIONS, "bad release"}
    assert sum(outcome.effects for outcome in outcomes) > 5 * _CHUNK
    assert len({outcome.trace for outcome in outcomes}) == _CHUNK


def test_a_watchdog_may_end_a_process_only_where_a_fault_can_be_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consume, "_POLL_LIMIT_S", 0.001)
    away = Fault(at=0.5, kind="brokers away", lasts_s=1.0, who=0, much=0.0)
    for faults, expected in (((), True), ((away,), False)):
        broken = run_plan(replace(draw_plan(0), faults=faults)).broken
        ended = [each.says for each in broken if each.invariant == "I0"]
        assert any("Stuck" in says for says in ended) == expected


def test_a_seed_is_one_schedule_in_every_process() -> None:
    code = "from tests.simulation.run import run_seed; print([run_seed(s).trace for s in range(20)])"
    answers = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": salt}, check=True, capture_output=True
        ).stdout
        for salt in ("1", "2")
    }
    assert answers == {f"{[run_seed(seed).trace for seed in range(20)]}\n".encode()}
