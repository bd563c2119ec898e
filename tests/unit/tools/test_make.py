"""`make` from outside: what it says on a machine that lacks something, and that every target is listed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import bootstrap

ROOT = Path(__file__).resolve().parents[3]


def _make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment was never built."""
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    return tmp_path


def _stand_in(folder: Path, script: str) -> Path:
    path = folder / "stand-in"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_help_lists_every_target_that_a_person_may_call() -> None:
    shown = _make(ROOT).stdout
    phony = re.search(r"^\.PHONY: (help .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    for target in phony[1].split():
        assert f"make {target} " in shown


def test_a_missing_python_is_named(checkout: Path) -> None:
    ended = _make(checkout, "check", "PYTHON=python-that-is-not-there")
    assert ended.returncode != 0
    assert "frontline: there is no python-that-is-not-there; install Python 3.11 or newer" in ended.stderr


def test_an_old_python_is_refused(checkout: Path) -> None:
    old = _stand_in(checkout, "exit 1")
    ended = _make(checkout, "check", f"PYTHON={old}")
    assert ended.returncode != 0
    assert f"Python 3.11 or newer is needed and {old} is older; say make PYTHON=" in ended.stderr


def test_a_python_without_venv_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    assert bootstrap.main() == 1
    assert "cannot make virtual environments; install its venv and pip parts" in capsys.readouterr().err


def test_a_failing_step_is_named_and_leaves_no_stamp(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    python = checkout / ".tools" / "bin" / "python"
    python.parent.mkdir(parents=True)
    _stand_in(python.parent, 'case "$*" in *pip*) echo "no route" >&2; exit 1;; esac').rename(python)
    for name, path in {"ROOT": checkout, "TOOLS": checkout / ".tools", "VENV": checkout / ".venv"}.items():
        monkeypatch.setattr(bootstrap, name, path)
    monkeypatch.setattr(bootstrap, "STAMP", checkout / ".venv" / ".installed")
    assert bootstrap.main() == 1
    assert "could not install uv (see above)" in capsys.readouterr().err
    assert not bootstrap.STAMP.exists()
