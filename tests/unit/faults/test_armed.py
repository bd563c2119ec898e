"""What is wrapped around a service from outside must be there: a renamed function would leave a point unarmed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


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
