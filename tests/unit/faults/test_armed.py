"""What is wrapped around a service from outside must be there: a renamed function would leave a point unarmed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.armed import Trap


@pytest.mark.parametrize("service", ["intake", "routing", "escalation", "feedback"])
def test_a_service_is_watched_and_armed_and_starts_all_the_same(service: str, tmp_path: Path) -> None:
    given = {"FAULTS_TRAP": str(tmp_path / "trap"), "FAULTS_FORGED_LEASE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.armed", service, "--help"],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"python -m {service}" in done.stdout


def passages(trap: Trap, *points: str) -> list[bool]:
    return [trap.springs(point) for point in points]


def test_a_trap_springs_once_at_the_passage_that_its_file_names(tmp_path: Path) -> None:
    file = tmp_path / "trap"
    trap = Trap(file=file)
    assert passages(trap, "before_send", "before_send") == [False, False]
    file.write_text("before_send 2")
    assert passages(trap, "before_send", "before_commit", "before_send") == [False, False, True]
    assert not file.exists()
    assert passages(trap, "before_send", "before_send") == [False, False]


def test_a_trap_whose_file_is_removed_or_names_another_point_is_armed_no_more(tmp_path: Path) -> None:
    file = tmp_path / "trap"
    trap = Trap(file=file)
    file.write_text("before_send 2")
    assert passages(trap, "before_send") == [False]
    file.unlink()
    assert passages(trap, "before_send", "before_send") == [False, False]
    file.write_text("before_commit 1")
    assert passages(trap, "before_send", "before_commit") == [False, True]
