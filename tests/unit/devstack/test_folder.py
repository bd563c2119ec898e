"""The stack's folder: its lock, its whole files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import Conflict, Unavailable
from devstack.folder import StackFolder, write_whole


def test_the_lock_is_held_by_one_and_names_its_holder(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "stack")
    with folder.locked(), pytest.raises(Conflict, match=rf"another frontline command.*process {os.getpid()}"):
        folder.locked().__enter__()
    with folder.locked():
        pass  # free again


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "stack")
    hold_and_die = (
        "import os, sys; from pathlib import Path; from devstack.folder import StackFolder\n"
        f"StackFolder(Path({str(folder.root)!r})).locked().__enter__(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", hold_and_die], check=False)
    with folder.locked():
        pass


def test_a_failed_write_leaves_the_old_text_and_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    write_whole(path, "old")

    def refuse(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(Unavailable, match="No space left on device"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["state.json"]


def test_what_is_written_is_for_its_owner_only(tmp_path: Path) -> None:
    write_whole(tmp_path / "secret", "x")
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_the_identity_stays(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path / "stack")
    folder.create()
    first = (folder.root / "identity").read_text()
    folder.create()
    assert (folder.root / "identity").read_text() == first
