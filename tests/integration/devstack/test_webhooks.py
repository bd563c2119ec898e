"""`frontline webhooks` on a real stack, with the receiver of the documentation. One story, in this order."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.devstack.conftest import Command
from tests.support.eventually import eventually
from tests.support.ports import free_ports

pytestmark = pytest.mark.timeout(180)

RECEIVER = Path(__file__).resolve().parents[3] / "docs" / "examples" / "receive.py"
PING = "support.webhook.ping.v1"


class Receiver:
    """The receiver of the documentation, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        """Nothing runs yet; its port is free."""
        self.port = free_ports(1)[0]
        self._printed = folder / "received"
        self._runs: subprocess.Popen[bytes] | None = None

    def start(self, secret: str) -> None:
        """Listen, and believe what this secret has signed."""
        self.stop()
        with self._printed.open("ab") as output:
            words = [sys.executable, str(RECEIVER), secret, str(self.port)]
            self._runs = subprocess.Popen(words, stdout=output, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """Listen no more."""
        if self._runs is not None:
            self._runs.kill()
            self._runs.wait()

    def wait(self, event_type: str, count: int) -> None:
        """Until so many events of a type were printed."""

        async def printed() -> bool:
            types = [line.split(" ")[1] for line in self._printed.read_text().splitlines()]
            assert types.count(event_type) == count, types
            return True

        asyncio.run(eventually(printed, within=30))


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """The receiver; it is stopped in the end."""
    made = Receiver(tmp_path_factory.mktemp("receiver"))
    yield made
    made.stop()


def endpoints(command: Command) -> list[dict[str, Any]]:
    """All endpoints."""
    return json.loads(command.run("webhooks", "list", "--json").stdout)


def the_id(command: Command) -> str:
    """The id of the one endpoint."""
    [found] = endpoints(command)
    return found["id"]


def test_a_newcomer_receives_what_happens(command: Command, receiver: Receiver) -> None:
    command.run("up")
    assert "no endpoints" in command.run("webhooks", "list").stderr
    made = command.run("webhooks", "create", f"http://127.0.0.1:{receiver.port}/", "--asymmetric")
    assert "public key whpk_" in made.stderr
    receiver.start(made.stdout.strip())
    command.run("webhooks", "test", the_id(command))
    receiver.wait(PING, 1)
    command.run("ticket", "open", "The printer is on fire")
    receiver.wait("support.ticket.created.v1", 1)
    receiver.wait("support.assignment.assigned.v1", 1)


def test_the_log_tells_what_became_of_each_and_one_is_posted_again(command: Command, receiver: Receiver) -> None:
    endpoint = the_id(command)
    shown = command.run("webhooks", "log", endpoint, "--state", "delivered").stdout
    assert "support.ticket.created.v1" in shown
    [ping] = [
        item for item in json.loads(command.run("webhooks", "log", endpoint, "--json").stdout) if item["type"] == PING
    ]
    assert f"{PING} about webhook_ping/" in command.run("webhooks", "redeliver", endpoint, ping["event_id"]).stderr
    receiver.wait(PING, 2)
    assert "nothing was posted" in command.run("webhooks", "log", endpoint, "--subject", "ticket/none").stderr


def test_a_replay_posts_again_and_a_new_secret_signs(command: Command, receiver: Receiver) -> None:
    endpoint = the_id(command)
    rotated = command.run("webhooks", "rotate", endpoint, "--overlap-s", "0")
    assert "signs too for 0 s" in rotated.stderr
    receiver.start(rotated.stdout.strip())
    command.run("webhooks", "replay", endpoint, "--since", "2020-01-01T00:00:00")
    receiver.wait("support.ticket.created.v1", 2)


def test_a_disabled_endpoint_gets_nothing_until_it_is_enabled(command: Command, receiver: Receiver) -> None:
    endpoint = the_id(command)
    command.run("webhooks", "disable", endpoint)
    assert "disabled by client:development" in command.run("webhooks", "list").stdout
    assert "the endpoint is disabled" in command.run("webhooks", "test", endpoint, expect=1).stderr
    command.run("ticket", "open", "The fire is out")
    command.run("webhooks", "enable", endpoint)
    receiver.wait("support.ticket.created.v1", 3)
    assert "v1a" in command.run("webhooks", "show", endpoint).stdout


def test_a_deleted_endpoint_is_gone_and_what_is_no_id_is_said(command: Command) -> None:
    endpoint = the_id(command)
    command.run("webhooks", "delete", endpoint)
    assert endpoints(command) == []
    assert "there is no webhook endpoint" in command.run("webhooks", "show", endpoint, expect=1).stderr
    assert "../tickets is no id" in command.run("webhooks", "show", "../tickets", expect=1).stderr
