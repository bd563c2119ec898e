"""`python -m tests.faults`: a real installation under load, faults made to it, and the verdict of a checker.

Windows of one fault each run with fixed seeds; windows of several at once with a fixed and with a drawn one. With
--minutes it goes on drawing windows for so long.
"""

import argparse
import asyncio
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from tests.faults.faults import Fault, forged, network, outbox, processes, servers
from tests.faults.faults.mixed import mixed
from tests.faults.history import HistoryWriter
from tests.faults.installation import installation
from tests.faults.journal import Journal
from tests.faults.load import Load, draw
from tests.faults.quiet import wait_until_still
from tests.faults.records import record_everything
from tests.faults.runner import BOUNDS, Window, run_window
from tests.faults.verdict import ask_checker, describe_window, write_report

FAULTS = (*processes.FAULTS, *servers.FAULTS, *network.FAULTS, *outbox.FAULTS, *forged.FAULTS)
MIXED = mixed(FAULTS)
CONSUMERS = {
    "intake": ["routing", "escalation", "feedback"],
    "routing": ["intake", "escalation"],
    "escalation": ["intake", "routing", "escalation"],
    "feedback": ["intake", "routing", "escalation", "feedback"],
}
"""Whose events each service reads."""
_FIXED_SEED = 1
_STOPPED = 130
_STORIES_LIMIT_S = 130.0
"""A little longer than people of the floor wait for anything."""
_STILL_LIMIT_S = 60.0
_LONGEST_PATIENCE = 4.0
_LONE_EVERY = 5
"""In a soak each so manieth window is of one fault, so that those that do not mix have their turn."""
Plan = Iterator[tuple[str, Fault, int, float]]
"""Windows: name, fault, seed, patience."""


def main() -> int:
    """Run, and return the exit code: 0 only where the checker found nothing and every story went as written."""
    given = _parse()
    if given.list:
        print(*(f"{fault.name:<20} {fault.sentence}" for fault in (*FAULTS, MIXED)), sep="\n")
        return 0
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**32)
    again = f'make {"soak" if given.minutes else "faults"} ARGS="{_arguments(given, seed)}"'
    print(f"seed {seed}; to repeat: {again}", flush=True)
    with tempfile.TemporaryDirectory(prefix="frontline-history-") as folder:
        history = given.history or Path(folder) / "history.jsonl"
        history.unlink(missing_ok=True)
        started = time.monotonic()
        try:
            windows, load = uvloop.run(_run(given, seed, history))
        except asyncio.CancelledError:
            print("stopped before the end, so there is no verdict; what was started is gone")
            return _STOPPED
        code, verdict = ask_checker(history)
        print(verdict)
    print(
        f"stories       {load.tally.wanted} ({len(load.refusals)} ended with a refusal, {len(load.troubles)} in vain)"
    )
    print(*load.troubles, sep="\n", end="\n" if load.troubles else "")
    took_s = time.monotonic() - started
    print(f"{len(windows)} windows in {took_s:.0f} s; seed {seed}; to repeat: {again}")
    if given.report:
        heading = [f"Commit {_commit()}, seed {seed}, {took_s:.0f} s. To repeat: `{again}`"]
        write_report(given.report, windows, heading=heading, verdict=verdict)
    return code or int(bool(load.troubles))


async def _run(given: argparse.Namespace, seed: int, history: Path) -> tuple[list[Window], Load]:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    windows: list[Window] = []
    with HistoryWriter(history) as writer:
        journal = Journal(history=writer)
        journal.write("run", seed=seed, commit=_commit(), started_at=time.time(), bounds=BOUNDS, consumers=CONSUMERS)
        async with installation(journal, minutes=given.minutes) as world:
            load = Load(journal=journal, house=world.house, run=f"r{seed}")
            within = 0.0
            try:
                await load.open()
                for name, fault, window_seed, patience in _plan(given, seed):
                    world.patience = patience
                    window = await run_window(world, load, fault, name=name, seed=window_seed)
                    print(describe_window(window), flush=True)
                    windows.append(window)
                within = _STORIES_LIMIT_S
            finally:
                await load.end(within=within)
            journal.fault = ""
            if noise := await wait_until_still(world, within=_STILL_LIMIT_S):
                load.troubles.append(f"never still: {noise}")
            await record_everything(world)
    return windows, load


def _plan(given: argparse.Namespace, seed: int) -> Plan:
    if given.minutes:
        yield from _soak(given.minutes, seed)
        return
    for fault in FAULTS:
        if not given.only or fault.name in given.only:
            yield fault.name, fault, _FIXED_SEED, 1.0
    if not given.only or MIXED.name in given.only:
        for each in (_FIXED_SEED, seed):
            yield f"mixed-{each}", MIXED, each, 1.0


def _soak(minutes: float, seed: int) -> Plan:
    limit = time.monotonic() + 60 * minutes
    number = 0
    while time.monotonic() < limit:
        number += 1
        chance = random.Random(draw(seed, f"soak/{number}"))
        fault = MIXED if number % _LONE_EVERY else chance.choice(FAULTS)
        yield f"{number:04}-{fault.name}", fault, chance.randrange(2**32), chance.uniform(1.0, _LONGEST_PATIENCE)


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _arguments(given: argparse.Namespace, seed: int) -> str:
    only = ["--only", *given.only] if given.only else []
    return " ".join([*([f"--minutes {given.minutes:g}"] if given.minutes else []), *only, f"--seed {seed}"])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Faults under load, and a verdict.")
    known = [fault.name for fault in (*FAULTS, MIXED)]
    parser.add_argument("--only", nargs="+", default=[], choices=known, help="this fault; may be repeated")
    parser.add_argument("--minutes", type=float, default=0.0, help="go on drawing windows for so long: a soak")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run; drawn unless given")
    parser.add_argument("--report", type=Path, default=None, help="write the whole report as Markdown to this file")
    parser.add_argument("--history", type=Path, default=None, help="keep the history in this file")
    parser.add_argument("--list", action="store_true", help="name the faults, and end")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
