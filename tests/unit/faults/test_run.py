"""What fails a run beside the checker: faults that did not come about, processes that end; and what is never begun."""

import asyncio
import random
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from devstack.demo.people import House
from tests.faults.__main__ import parse_arguments
from tests.faults.faults import Fault, Made
from tests.faults.faults.mixed import mixed
from tests.faults.history import HistoryWriter
from tests.faults.journal import Journal
from tests.faults.records import find_parkings
from tests.faults.session import Outcome
from tests.faults.verdict import write_report
from tests.faults.world import NotMade, NotPossible, World
from tests.support.eventually import eventually
from tests.support.servers import Servers
from tests.support.stack import Process, Stack


class _AtOnce(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return a


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    """One without servers and processes."""
    servers = Servers(postgres_url="postgresql://nowhere/nothing", kafka_bootstrap="nowhere:9")
    stack = Stack(urls={}, admin_urls={}, database_urls={}, key="", topics={}, servers=servers, folder=tmp_path)
    house = House(services={}, street=httpx.AsyncClient())
    with HistoryWriter(tmp_path / "history") as history:
        yield World(
            stack=stack, postgres_url=servers.postgres_url, journal=Journal(history=history), house=house,
            chance=_AtOnce(1),
        )  # fmt: skip
    await house.close()


def fault(name: str, end: Made | Exception) -> Fault:
    async def make(_: World) -> Made:
        if isinstance(end, Exception):
            raise end
        return end

    return Fault(name=name, sentence="", make=make, lasts_s=0.0)


async def test_a_mixture_says_which_of_its_faults_did_not_come_about(world: World) -> None:
    others = [fault("other", NotMade("too late")), fault("third", ConnectionRefusedError())]
    made = await mixed("m", [fault("one", Made(detail="it was", poison_records=2)), *others]).make(world)
    assert sorted(made.detail.split("; ")) == [
        "one (it was)", "other (not made: too late)", "third (ended by another: ConnectionRefusedError)",
    ]  # fmt: skip
    assert made.poison_records == 2


async def test_a_mixture_of_which_none_came_about_was_not_made(world: World) -> None:
    faults = [fault(str(number), NotPossible("no root")) for number in range(3)]
    with pytest.raises(NotMade, match="not made: no root"):
        await mixed("m", faults).make(world)


async def test_a_process_that_ends_by_itself_is_told_once_and_a_killed_one_is_not(world: World, tmp_path: Path) -> None:
    ending = Process(name="ending", arguments=["no_such_module"], environment={}, log=tmp_path / "ending")
    killed = Process(name="killed", arguments=["http.server", "0"], environment={}, log=tmp_path / "killed")
    world.stack.processes |= {"killed": killed}
    world.extras |= {"ending": ending}

    async def both_began_anew() -> bool:
        if killed.starts == 1:
            killed.kill(signal.SIGKILL)
        return killed.starts > 1 and ending.starts > 1

    async with asyncio.TaskGroup() as group:
        for process in (ending, killed):
            group.create_task(process.keep_running())
        await eventually(both_began_anew)
        for process in (ending, killed):
            process.stop()
    endings = world.take_endings()
    assert endings
    assert all(ending.startswith("ending ended by itself: exit code 1, ") for ending in endings)
    assert all("No module named no_such_module" in ending for ending in endings)
    assert world.take_endings() == []


def test_what_was_parked_for_a_while_is_found_in_the_logs(tmp_path: Path) -> None:
    said = '{"event": "parked intake ticket/7: failed (KeyError: \'x\')", "level": "error"}\n'
    (tmp_path / "routing-worker.log").write_text(said + said.replace("ticket/7: failed", "ticket/8: gap"))
    (tmp_path / "routing-worker-2.log").write_text(said + said[:20])
    (tmp_path / "intake-worker.log").write_text(said)
    found = find_parkings(tmp_path, "routing")
    assert found == [["intake", "ticket/7", "failed"], ["intake", "ticket/8", "gap"]]


@pytest.mark.parametrize(("checked", "troubles", "code"), [(0, [], 0), (0, ["late"], 1), (2, [], 2), (1, ["late"], 1)])
def test_an_outcome_fails_by_the_checker_or_by_troubles_and_tells_all(
    checked: int, troubles: list[str], code: int
) -> None:
    outcome = Outcome(stories=9, refusals=["story 3"], troubles=troubles, checked=checked, verdict="ok: all")
    assert outcome.code == code
    words = ["ok: all", f"stories       9, 1 refusals, {len(troubles)} troubles", "refused: story 3"]
    assert outcome.describe().splitlines() == [*words, *(["TROUBLE: late"] if troubles else [])]


def test_a_report_holds_what_is_printed(tmp_path: Path) -> None:
    outcome = Outcome(troubles=["late"], verdict="ok: all")
    write_report(tmp_path / "report", [], heading=["Exit code 1"], verdicts=[outcome.describe()])
    text = (tmp_path / "report").read_text()
    assert "Exit code 1" in text
    assert "TROUBLE: late" in text


def test_faults_by_name_and_a_time_are_refused_together(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--only", "zombies", "--minutes", "3"])
    assert "--only does not go with --minutes" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["history.jsonl", "history-cluster.jsonl"])
def test_a_history_that_is_there_is_not_written_over(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("kept")
    with pytest.raises(SystemExit):
        parse_arguments(["--history", str(tmp_path / "history.jsonl")])
    assert f"{name} exists" in capsys.readouterr().err
