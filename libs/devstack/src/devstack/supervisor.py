"""The process that keeps the services' processes running: `python -m devstack.supervisor <folder>/processes.json`.

It reads what to run once, starts each process, starts one that died again after a back-off, and notes every change in
`status.json`. On SIGTERM it ends all of them and then itself.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil

from common.clock import SystemClock
from common.errors import Unavailable
from devstack.folder import StackFolder, write_whole
from devstack.processes import clean_environment

FOLDER_VARIABLE = "FRONTLINE_CLI_SUPERVISED"
"""Names the stack's folder in the environment of each process: so a process whose supervisor was killed is found."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_STABLE_S = 30.0
"""After running for so long a process counts as healthy again, and its next death is its first."""
_DRAIN_S = 25.0
"""A little more than the services give themselves to drain."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One process to keep running."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]


class ProcessStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where one process stands. `state` is "running", "waiting" (for its restart) or "stopped"."""

    state: str
    pid: int = 0
    restarts: int = 0
    last_exit: int | None = None
    since: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor last noted."""

    pid: int
    processes: dict[str, ProcessStatus]


@dataclass(kw_only=True)
class _Child:
    plan: Plan
    process: subprocess.Popen[bytes] | None = None
    deaths_in_a_row: int = 0
    restarts: int = 0
    last_exit: int | None = None
    started: float = 0.0
    due: float = 0.0
    since: str = field(default="")

    def pause_s(self) -> float:
        """Seconds until the next start."""
        return min(_FIRST_PAUSE_S * 2 ** (self.deaths_in_a_row - 1), _LONGEST_PAUSE_S)

    def status(self) -> ProcessStatus:
        state = "running" if self.process else "waiting" if self.due else "stopped"
        pid = self.process.pid if self.process else 0
        return ProcessStatus(state=state, pid=pid, restarts=self.restarts, last_exit=self.last_exit, since=self.since)


class Supervisor:
    """See the module."""

    def __init__(self, folder: StackFolder, plans: list[Plan]) -> None:
        """Args: plans: what to run, with unique names."""
        self._folder = folder
        self._children = [_Child(plan=plan) for plan in plans]
        self._stopping = False
        self._wake_reader, wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        wake_writer.setblocking(False)
        self._wake_writer = wake_writer
        signal.set_wakeup_fd(wake_writer.fileno())
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # the wake-up itself is the news
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop_soon)

    def run(self) -> None:
        """Keep everything running until a signal says to end."""
        try:
            while not self._stopping:
                changed = self._bury_the_dead()
                changed = self._start_those_due() or changed
                if changed:
                    self._note()
                self._sleep(self._next_due())
        finally:
            self._end_all()
            self._note()

    def _stop_soon(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _sleep(self, seconds: float | None) -> None:
        """Until a signal comes, at most for `seconds`."""
        readable, _, _ = select.select([self._wake_reader], [], [], seconds)
        if readable:
            self._wake_reader.recv(4096)

    def _next_due(self) -> float | None:
        waiting = [child.due for child in self._children if child.process is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _start_those_due(self) -> bool:
        due = [child for child in self._children if child.process is None and child.due <= time.monotonic()]
        for child in due:
            child.process = _start(child.plan, self._folder)
            child.started = time.monotonic()
            child.since = _now()
        return bool(due)

    def _bury_the_dead(self) -> bool:
        dead = [child for child in self._children if child.process and child.process.poll() is not None]
        for child in dead:
            stable = time.monotonic() - child.started >= _STABLE_S
            child.deaths_in_a_row = 1 if stable else child.deaths_in_a_row + 1
            child.restarts += 1
            child.last_exit = child.process.returncode if child.process else None
            child.process = None
            child.due = time.monotonic() + child.pause_s()
            child.since = _now()
        return bool(dead)

    def _end_all(self) -> None:
        for child in self._children:
            if child.process:
                child.process.terminate()
        limit = time.monotonic() + _DRAIN_S
        for child in self._children:
            if child.process:
                _wait_or_kill(child.process, limit - time.monotonic())
                child.last_exit = child.process.returncode
            child.process, child.due, child.since = None, 0.0, _now()

    def _note(self) -> None:
        status = Status(pid=os.getpid(), processes={child.plan.name: child.status() for child in self._children})
        try:
            write_whole(self._folder.status, msgspec.json.encode(status).decode())
        except Unavailable as failed:
            # A full disk makes the note stale; the processes must go on.
            sys.stderr.write(f"{failed.detail}\n")


def read_plans(folder: StackFolder) -> list[Plan]:
    """What the supervisor of this folder is to run; nothing where no stack was started yet."""
    if not folder.processes.exists():
        return []
    return msgspec.json.decode(folder.processes.read_bytes(), type=list[Plan])


def read_status(folder: StackFolder) -> Status | None:
    """What the supervisor last noted, which may be long ago; None where it never ran."""
    try:
        return msgspec.json.decode(folder.status.read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError):
        return None


def end_strays(folder: StackFolder) -> None:
    """Kill processes of this stack whose supervisor is gone: it was killed before it could end them."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(FOLDER_VARIABLE) == str(folder.root):
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue  # it ended in between, or is another user's: no process of ours


def _start(plan: Plan, folder: StackFolder) -> subprocess.Popen[bytes]:
    with (folder.logs / f"{plan.name}.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the commands are built by this package
            [sys.executable, *plan.arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=clean_environment(plan.environment | {FOLDER_VARIABLE: str(folder.root)}),
        )


def _wait_or_kill(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _now() -> str:
    return SystemClock().now().isoformat(timespec="seconds")


def main() -> int:
    """See the module."""
    folder = StackFolder(Path(sys.argv[1]).parent)
    end_strays(folder)
    Supervisor(folder, read_plans(folder)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
