"""`python -m tests.faults`: a real installation under load, faults made to it, and the verdict of a checker.

Windows of one fault each run with fixed seeds; windows of several at once with a fixed and with a drawn one. With
--minutes it goes on drawing windows for so long.
"""

import argparse
import asyncio
import logging
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.faults.plan import ALL, plan_sessions
from tests.faults.session import Outcome, run_session
from tests.faults.verdict import write_report

_STOPPED = 130
_CLUSTER = "cluster"


def main() -> int:
    """Run, and return the exit code: 0 only where the checker found nothing and every story went as written."""
    given = parse_arguments()
    # That brokers cannot be reached is the matter of some faults, and not worth a line each time.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    if given.list:
        print(*(f"{fault.name:<24} {fault.sentence}" for fault in ALL), sep="\n")
        return 0
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**32)
    again = f'make {"soak" if given.minutes else "faults"} ARGS="{_arguments(given, seed)}"'
    print(f"seed {seed}; to repeat: {again}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="frontline-history-") as folder:
        try:
            outcomes = uvloop.run(_run(given, seed, Path(folder)))
        except asyncio.CancelledError:
            print("stopped before the end, so there is no verdict; what was started is gone")
            return _STOPPED
    took_s = time.monotonic() - started
    verdicts = [outcome.describe() for outcome in outcomes]
    windows = [window for outcome in outcomes for window in outcome.windows]
    code = max(outcome.code for outcome in outcomes)
    print(*verdicts, sep="\n")
    print(f"exit code {code}: {len(windows)} windows in {took_s:.0f} s; to repeat: {again}")
    if given.report:
        heading = [
            f"Commit {_commit()}, seed {seed}, {took_s:.0f} s. To repeat: `{again}`",
            "",
            f"Exit code {code}: {'BROKEN' if code else 'ok'}.",
        ]
        write_report(given.report, windows, heading=heading, verdicts=verdicts)
    return code


async def _run(given: argparse.Namespace, seed: int, folder: Path) -> list[Outcome]:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    running: list[asyncio.Task[Outcome]] = []
    async with asyncio.TaskGroup() as group:
        for session in plan_sessions(seed, only=given.only, minutes=given.minutes):
            windows_over = asyncio.Event()
            history = _place(given, folder, _CLUSTER if session.on_cluster else "")
            running.append(
                group.create_task(
                    run_session(
                        session,
                        history,
                        seed=seed,
                        commit=_commit(),
                        windows_over=windows_over,
                    )
                )
            )
            # While the stories of one installation come to their ends, the next one starts.
            await windows_over.wait()
    return [task.result() for task in running]


def _place(given: argparse.Namespace, folder: Path, mark: str) -> Path:
    """Where an installation's history is written: each has a file of its own."""
    return mark_place(given.history or folder / "history.jsonl", mark)


def mark_place(place: Path, mark: str) -> Path:
    """The file beside it that has a mark in its name; itself without one."""
    return place.with_stem(f"{place.stem}-{mark}") if mark else place


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _arguments(given: argparse.Namespace, seed: int) -> str:
    words = [f"--minutes {given.minutes:g}"] if given.minutes else []
    words += ["--only", *given.only] if given.only else []
    return " ".join([*words, f"--seed {seed}"])


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for. Ends the program with 2 and a sentence where it makes no sense.

    Args:
        words: those of the command line unless given.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Faults under load, and a verdict.")
    known = [fault.name for fault in ALL]
    parser.add_argument("--only", nargs="+", default=[], choices=known, metavar="FAULT", help="these; see --list")
    parser.add_argument("--minutes", type=float, default=0.0, help="go on drawing windows for so long: a soak")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run; drawn unless given")
    parser.add_argument("--report", type=Path, default=None, help="write the whole report as Markdown to this file")
    parser.add_argument(
        "--history",
        type=Path,
        default=None,
        help="keep the history in this file, that of the cluster beside it, with -cluster in its name",
    )
    parser.add_argument("--list", action="store_true", help="name the faults, and end")
    given = parser.parse_args(words)
    if given.only and given.minutes:
        parser.error("--only does not go with --minutes: windows that are drawn are of every fault")
    for place in (given.history, mark_place(given.history, _CLUSTER)) if given.history else ():
        if place.exists():
            parser.error(f"{place} exists: name another file for the history, or move it away")
    return given


if __name__ == "__main__":
    sys.exit(main())
