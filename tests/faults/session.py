"""One session: an installation is started, windows are run on it, and the checker judges what was written down."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.history import HistoryWriter
from tests.faults.installation import cluster_installation, installation
from tests.faults.journal import Journal
from tests.faults.load import Load
from tests.faults.outcomes import find_contradictions
from tests.faults.plan import Session
from tests.faults.quiet import wait_until_still
from tests.faults.records import record_everything
from tests.faults.runner import BOUNDS, Window, run_window
from tests.faults.verdict import ask_checker, describe_window
from tests.faults.world import World

CONSUMERS = {
    "intake": ["routing", "escalation", "feedback"],
    "routing": ["intake", "escalation"],
    "escalation": ["intake", "routing", "escalation"],
    "feedback": ["intake", "routing", "escalation", "feedback"],
}
"""Whose events each service reads."""
_STORIES_LIMIT_S = 600.0
"""Twice as long as people of the floor wait for anything: some stories have several waits before them."""
_STILL_LIMIT_S = 660.0
"""A little longer than a call waits to be tried again that failed five times, in one window after the other."""


@dataclass(kw_only=True)
class Outcome:
    """What came of a session.

    Attributes:
        refusals: see `Load`.
        troubles: see `Load`; faults that did not come about, answers against the documents, processes that ended by
            themselves, contradictions at the end.
        verdict: the checker's words.
        checked: the checker's exit code.
    """

    windows: list[Window] = field(default_factory=list[Window])
    stories: int = 0
    refusals: list[str] = field(default_factory=list[str])
    troubles: list[str] = field(default_factory=list[str])
    checked: int = 0
    verdict: str = ""

    @property
    def code(self) -> int:
        """The exit code of the run by this session: 0 only where the checker found nothing and nobody had trouble."""
        return self.checked or int(bool(self.troubles))

    def describe(self) -> str:
        """The verdict, and all that the checker does not know of."""
        stories = f"stories       {self.stories}, {len(self.refusals)} refusals, {len(self.troubles)} troubles"
        refusals = [f"refused: {each}" for each in self.refusals]
        troubles = [f"TROUBLE: {each}" for each in self.troubles]
        return "\n".join([self.verdict, stories, *refusals, *troubles])


async def run_session(
    session: Session, history: Path, *, seed: int, commit: str, windows_over: asyncio.Event
) -> Outcome:
    """Run all windows, wait until everything stands still, and ask the checker.

    Args:
        history: the file to write, which must not exist.
        windows_over: is set when no more faults are made.
    """
    outcome = Outcome()
    with HistoryWriter(history) as writer:
        journal = Journal(history=writer)
        journal.write("run", seed=seed, commit=commit, started_at=time.time(), bounds=BOUNDS, consumers=CONSUMERS)
        async with _open(session, journal) as world:
            load = Load(journal=journal, house=world.house, run=f"r{seed}")
            within = 0.0
            try:
                await load.open()
                for planned in session.windows:
                    world.patience = planned.patience
                    window = await run_window(world, load, planned.fault, name=planned.name, seed=planned.seed)
                    print(describe_window(window), flush=True)  # noqa: T201 - a command's progress
                    outcome.windows.append(window)
                within = _STORIES_LIMIT_S
            finally:
                windows_over.set()
                await load.end(within=within)
            journal.fault = ""
            if noise := await wait_until_still(world, within=_STILL_LIMIT_S):
                load.troubles.append(f"never still: {noise}")
            load.troubles += world.take_endings()
            # What fires between the look at a topic and the look at a table would seem to be lost.
            await world.stop_workers()
            await record_everything(world)
            load.troubles += await find_contradictions(world)
    outcome.stories, outcome.refusals, outcome.troubles = load.tally.wanted, load.refusals, load.troubles
    outcome.checked, outcome.verdict = await asyncio.to_thread(ask_checker, history)
    return outcome


def _open(session: Session, journal: Journal) -> AbstractAsyncContextManager[World]:
    if session.on_cluster:
        return cluster_installation(journal)
    return installation(journal, minutes=session.minutes)
