"""What fails a run beside the checker: faults that did not come about, processes that end; and what is never begun."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import asyncpg
import httpx
import pytest

from common.errors import Unavailable
from devstack.demo.agent import Staff
from devstack.demo.people import House
from devstack.servers import Addresses
from tests.faults import runner
from tests.faults.__main__ import parse_arguments
from tests.faults.faults import Fault, Made
from tests.faults.faults.mixed import mixed
from tests.faults.history import HistoryWriter
from tests.faults.journal import Journal
from tests.faults.load import Load
from tests.faults.records import find_parkings
from tests.faults.runner import Window, run_window
from tests.faults.session import Outcome
from tests.faults.verdict import write_report
from tests.faults.world import NotMade, NotPossible, World, at_once
from tests.support import own_servers
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


async def test_a_mixture_ends_whole_before_what_broke_in_it_is_told(world: World) -> None:
    ended: list[str] = []

    async def take_long(_: World) -> Made:
        await asyncio.to_thread(lambda: None)  # others go on meanwhile
        ended.append("long")
        return Made()

    faults = [fault("broken", ValueError("wrong")), fault("away", Unavailable("no server"))]
    with pytest.raises(ValueError, match="wrong"):
        await mixed("m", [*faults, Fault(name="long", sentence="", make=take_long, lasts_s=0.0)]).make(world)
    assert ended == ["long"]


async def run_one(world: World, made: Fault) -> tuple[Window, list[str]]:
    """Its window, and what troubled it."""
    load = Load(journal=world.journal, house=world.house, run="r")
    load._staff = Staff(house=world.house, agents={}, run="r", tally=load.tally)
    window = await run_window(world, load, made, name=made.name, seed=1)
    await load.end(within=0.0)
    return window, load.troubles


async def test_a_fault_that_breaks_is_a_trouble_of_its_window(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def drain(_: World, *, within: float) -> float:
        return time.time()

    monkeypatch.setattr(runner, "wait_until_drained", drain)
    window, troubles = await run_one(world, fault("one", RuntimeError("57P03")))
    assert (window.ran, window.in_time) == (True, True)
    assert "one: broke: RuntimeError('57P03')" in troubles


async def test_where_nobody_can_look_the_window_was_never_quiet(world: World) -> None:
    world.stack.database_urls["intake"] = "postgresql://127.0.0.1:1/nothing"
    world.postgres_url = "postgresql://127.0.0.1:1/postgres"
    window, troubles = await run_one(world, fault("one", Made()))
    assert (window.ran, window.in_time, window.recovery_s) == (True, False, None)
    assert any(each.startswith("one: nobody could look whether all was quiet: Connect") for each in troubles)


async def test_of_several_at_once_the_others_end_before_the_error_of_one_is_raised() -> None:
    ended: list[str] = []

    async def fail() -> None:
        raise NotMade("too late")

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("other")

    with pytest.raises(NotMade, match="too late"):
        await at_once(wait(), fail())
    assert ended == ["other"]


async def test_a_long_wait_widens_the_bound_like_a_short_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    async def look() -> bool:
        nonlocal now
        now += 15.0
        return now > 40.0

    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert await world.wait_uncounted(look, within=100.0)
    assert world.uncounted_s == 35.0


async def test_servers_are_started_until_a_connection_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = Addresses(postgres_url="postgresql://one", kafka_bootstrap="one:9")
    connection = AsyncMock()
    start = Mock(side_effect=[addresses, addresses, Unavailable("it ends"), addresses, addresses])
    connect = AsyncMock(side_effect=[ConnectionRefusedError(), asyncpg.CannotConnectNowError("57P03"), connection])
    monkeypatch.setattr(own_servers, "start_both", start)
    monkeypatch.setattr(asyncpg, "connect", connect)
    await own_servers.OwnServers(tmp_path).start_again()
    assert (start.call_count, connect.call_count) == (5, 3)
    connection.close.assert_awaited_once()


async def test_a_process_that_is_stopped_while_it_starts_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(name="late", arguments=["http.server", "0"], environment={}, log=tmp_path / "late")
    start = asyncio.create_subprocess_exec

    async def start_late(*command: str, **given: Any) -> asyncio.subprocess.Process:
        process.stop()
        return await start(*command, **given)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_late)
    async with asyncio.timeout(60):
        await process.keep_running()
    assert (process.starts, process.endings) == (1, [])


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
