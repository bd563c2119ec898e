"""A folder for a stack of a test's own, and the command itself."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from devstack.stack import Stack


@dataclass(frozen=True, kw_only=True)
class Command:
    """The command `frontline` on one stack's folder."""

    folder: Path

    def arguments(self, *words: str) -> list[str]:
        """The command line of a call."""
        return [str(Path(sys.executable).with_name("frontline")), *words]

    @property
    def environment(self) -> dict[str, str]:
        """Ours without any address that would lead elsewhere."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("FRONTLINE_")}
        return clean | {"FRONTLINE_CLI_FOLDER": str(self.folder)}

    def run(self, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run it to its end; the test fails unless it ends with this exit code."""
        done = subprocess.run(
            self.arguments(*words), env=self.environment, capture_output=True, text=True, timeout=110, check=False
        )
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def processes(self) -> list[str]:
        """The command lines of everything that runs for this stack, however it was started."""
        return [words for words in command_lines() if str(self.folder) in words]


def command_lines() -> Sequence[str]:
    """Of all processes; a service has its stack only in its environment, which is added."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                mark = process.environ().get("FRONTLINE_CLI_SUPERVISED", "")
                found.append(" ".join([*process.cmdline(), mark]))
        except psutil.Error:
            continue  # it ended while we looked, or is not ours to look at
    return found


def new_folder() -> Path:
    """A temporary folder that PostgreSQL's own user can reach where the tests run as root.

    Not one of pytest's: every start of pytest closes those to other users, also while ours run.
    """
    folder = Path(tempfile.mkdtemp(prefix="frontline-devstack-"))
    folder.chmod(0o711)
    return folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder for servers' data."""
    folder = new_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def command() -> Iterator[Command]:
    """The command on a stack of this module's own, which is stopped and deleted in the end."""
    folder = new_folder()
    command = Command(folder=folder / ".frontline")
    yield command
    Stack(command.folder).bring_down(wipe=True)
    shutil.rmtree(folder)
