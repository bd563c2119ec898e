"""A copy of this very tree, into which a test plants one fault."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")


@dataclass(frozen=True, kw_only=True)
class House:
    """The copy, and the checks of `tools` run on it."""

    root: Path

    def plant(self, place: str, source: str) -> None:
        """Add the source at the end of the file, which is made where it does not exist."""
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(f"\n{source}\n")

    def replace(self, place: str, old: str, new: str) -> None:
        """Write `new` for `old`, which must stand in the file."""
        path = self.root / place
        text = path.read_text()
        assert old in text, f"{place} does not say {old!r}"
        path.write_text(text.replace(old, new, 1))

    def check_layers(self) -> tuple[int, str]:
        """Run `tools.layers` on the copy: its exit code, and what it printed."""
        command = [sys.executable, "-m", "tools.layers", str(self.root)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout + ended.stderr


def copy_house(root: Path) -> House:
    """A copy of every package under `root`."""
    for folder in ("libs", "services"):
        shutil.copytree(ROOT / folder, root / folder, ignore=_LEFT_OUT)
    return House(root=root)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A copy of every package for this test alone."""
    return copy_house(tmp_path)
