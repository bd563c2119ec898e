"""Detached processes: started with their output in a file, known again by pid and command line, stopped by pid."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from common.errors import Unavailable

_PAUSE_S = 0.02
_LAST_LINES = 40
_COMPLAINT = re.compile(r"error|fatal|denied|cannot|could not|no space", re.IGNORECASE)
_children: dict[int, subprocess.Popen[bytes]] = {}
"""What this process started itself and must therefore reap; other commands' processes are not in it."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A process that was started, perhaps by another command.

    `mark` is a text of its command line that no foreign process carries (a path inside the stack's folder), so that
    a pid that the system has given to somebody else is never mistaken for ours.
    """

    pid: int
    mark: str

    def alive(self) -> bool:
        """Whether it still runs."""
        if self.pid in _children:
            return _reap(self.pid) is None  # certain, where the command line is empty for a moment while it starts
        try:
            process = psutil.Process(self.pid)
            return process.status() != psutil.STATUS_ZOMBIE and self.mark in "\0".join(process.cmdline())
        except psutil.Error:
            return False


def find_running(mark: str) -> Running | None:
    """The process whose command line has `mark` as one of its words; None if there is none."""
    for process in psutil.process_iter(["cmdline", "status"]):
        words: list[str] | None = process.info["cmdline"]
        if words and mark in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            return Running(pid=process.pid, mark=mark)
    return None


def listens(running: Running, port: int) -> bool:
    """Whether this very process listens on the port; also where the system does not let us see."""
    try:
        opened = psutil.Process(running.pid).net_connections("tcp")
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in opened)


def start_detached(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None, folder: Path = Path("/")
) -> int:
    """Start a process in a session of its own, so that the terminal's Ctrl-C does not reach it; return its pid.

    Its environment is ours without any setting of ours that happens to stand in it, and `environment` on top.
    Its output goes to the end of `log`: a server that kept our standard output open would make shells and CI hang.

    Raises:
        Unavailable: the program cannot be started or the log cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - the commands are built by this package
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean_environment(environment or {}),
                cwd=folder,
                start_new_session=True,
            )
    except OSError as failed:
        raise Unavailable(f"cannot start {command[0]}: {failed.strerror}") from failed
    _children[process.pid] = process
    return process.pid


def go_on() -> None:
    """Never ends a wait."""


def clean_environment(own: Mapping[str, str]) -> dict[str, str]:
    """The surrounding environment without Frontline's settings that happen to stand in it, and `own` on top."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FRONTLINE_")} | dict(own)


def run_quietly(
    command: Sequence[str],
    *,
    name: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path = Path("/"),
    timeout_s: float = 60,
    check: Callable[[], None] = go_on,
) -> None:
    """Run a short program to its end, its output in `log`.

    Args:
        name: of the program, for messages.
        check: called while waiting; what it raises ends the wait, and the program is killed.
    Raises:
        Unavailable: it failed or took too long; the message carries the end of what it said.
    """
    since = size_of(log)
    pid = start_detached(command, log=log, environment=environment, folder=folder)
    limit = time.monotonic() + timeout_s
    try:
        while (code := _reap(pid)) is None:
            check()
            if time.monotonic() > limit:
                raise Unavailable(f"{name} did not end within {timeout_s:g} s; see {log}")
            time.sleep(_PAUSE_S)
    except BaseException:
        stop(Running(pid=pid, mark=command[0]), first=signal.SIGKILL)
        raise
    if code != 0:
        raise Unavailable(f"{name} failed: {last_words(log, since=since)} (see {log})")


def stop(running: Running, *, timeout_s: float = 20, first: signal.Signals = signal.SIGTERM) -> None:
    """Ask a process to end and wait for it; after the time-out kill it. A process that is gone already is fine."""
    if not running.alive():
        return
    _signal(running, first)
    limit = time.monotonic() + timeout_s
    killed = False
    while running.alive():
        _reap(running.pid)
        if time.monotonic() > limit and not killed:
            _signal(running, signal.SIGKILL)
            killed = True
        time.sleep(_PAUSE_S)
    _reap(running.pid)


def last_words(log: Path, *, since: int = 0) -> str:
    """What a program said about its failure: the last line that reads like one, else the last line; may be empty.

    Args:
        since: how many bytes of the log are from earlier runs.
    """
    try:
        lines = [line.strip() for line in log.read_bytes()[since:].decode(errors="replace").splitlines()]
    except OSError:
        return ""
    said = [line for line in reversed(lines[-_LAST_LINES:]) if line]
    return next((line for line in said if _COMPLAINT.search(line)), said[0] if said else "")


def size_of(log: Path) -> int:
    """Bytes in a log; 0 where there is none yet."""
    return log.stat().st_size if log.exists() else 0


def _signal(running: Running, number: signal.Signals) -> None:
    try:
        os.kill(running.pid, number)
    except ProcessLookupError:
        return  # it ended in between: what we wanted


def _reap(pid: int) -> int | None:
    """The exit code of a child of ours that ended; None while it runs, and for other commands' processes."""
    child = _children.get(pid)
    return child.poll() if child else None
