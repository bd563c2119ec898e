"""`frontline webhooks` on intake's API: each command does what its name says, and tells what came of it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from common.errors import FrontlineError
from devstack.cli.app import app
from tests.integration.intake.conftest import Intake
from tests.integration.intake.test_webhooks import body_of, verify
from tests.integration.intake.webhooks import all_delivered, attempted, feed, sending
from tests.support.eventually import eventually
from tests.support.peers import Peer
from tests.support.serving import serving

SCOPES = ("events:read", "webhooks:write")
PING = "support.webhook.ping.v1"


@dataclass(frozen=True)
class Shell:
    """Somebody who types commands."""

    environment: dict[str, str]

    async def run(self, *words: str) -> Result:
        """What a command printed; the test fails unless it succeeds."""
        done = await self._invoke(*words)
        assert done.exit_code == 0, (words, done.output, done.exception)
        return done

    async def endpoints(self) -> list[dict[str, Any]]:
        """All endpoints."""
        return json.loads((await self.run("list", "--json")).stdout)

    async def refused(self, *words: str) -> str:
        """Why a command does not do what it is asked."""
        done = await self._invoke(*words)
        assert isinstance(done.exception, FrontlineError), (words, done.output, done.exception)
        return done.exception.detail

    async def _invoke(self, *words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["webhooks", *words], env=self.environment)


@pytest.fixture
async def shell(intake: Intake) -> AsyncGenerator[Shell]:
    """A client's shell, with the address of intake and a key in its environment."""
    key = intake.key(*SCOPES)["authorization"].removeprefix("Bearer ")
    async with serving(intake.app) as url:
        yield Shell({"FRONTLINE_CLI_INTAKE_URL": url, "FRONTLINE_CLI_KEY": key, "COLUMNS": "240"})


async def test_an_endpoint_is_made_tested_rotated_and_deleted(intake: Intake, shell: Shell) -> None:
    receiver = Peer()
    async with serving(receiver) as url, sending(intake):
        assert "no endpoints" in (await shell.run("list")).stderr
        made = await shell.run("create", url, "--type", "support.ticket.created.v1", "--asymmetric")
        assert "public key whpk_" in made.stderr
        [hook] = await shell.endpoints()
        assert hook["types"] == ["support.ticket.created.v1"]
        assert "v1a" in (await shell.run("show", hook["id"])).stdout
        rotated = await shell.run("rotate", hook["id"], "--overlap-s", "60")
        assert "signs too for 60 s" in rotated.stderr
        assert f"frontline webhooks log {hook['id']}" in (await shell.run("test", hook["id"])).stderr
        await all_delivered(intake, hook, 1)
        assert f"to {url} is deleted" in (await shell.run("delete", hook["id"])).stderr
        assert await shell.endpoints() == []
        assert "there is no webhook endpoint" in await shell.refused("show", hook["id"])
    [seen] = receiver.seen
    for secret in (made.stdout.strip(), rotated.stdout.strip()):
        assert verify(secret, seen)["type"] == PING, "the secret stands alone on standard output"


async def test_the_log_tells_what_became_of_each_and_what_was_posted_is_posted_again(
    intake: Intake, shell: Shell
) -> None:
    receiver = Peer(answers=[(500, {}, b"")])

    async def came(count: int) -> bool:
        return len(receiver.seen) == count

    async with serving(receiver) as url, sending(intake):
        await shell.run("create", url, "--type", "support.ticket.created.v1")
        [hook] = await shell.endpoints()
        assert "nothing was posted" in (await shell.run("log", hook["id"])).stderr
        ticket = await intake.open()
        await feed(intake)
        event = (await attempted(intake, hook, 1))["event_id"]
        shown = (await shell.run("log", hook["id"], "--subject", f"ticket/{ticket['id']}")).stdout
        assert event in shown
        assert "status 500" in shown
        assert "nothing was posted" in (await shell.run("log", hook["id"], "--state", "delivered")).stderr
        intake.clock.move(timedelta(seconds=6))
        await all_delivered(intake, hook, 1)
        [delivered] = json.loads((await shell.run("log", hook["id"], "--state", "delivered", "--json")).stdout)
        assert (delivered["event_id"], delivered["attempts"]) == (event, 2)
        assert "is posted again" in (await shell.run("redeliver", hook["id"], event)).stderr
        await eventually(lambda: came(3))
        await all_delivered(intake, hook, 1)
        await shell.run("replay", hook["id"], "--since", "2026-03-01T00:00:00")
        await feed(intake)
        await eventually(lambda: came(4))
    assert {body_of(seen)["id"] for seen in receiver.seen} == {event}


async def test_a_disabled_endpoint_says_who_did_it_and_goes_on_when_it_is_enabled(intake: Intake, shell: Shell) -> None:
    receiver = Peer()
    async with serving(receiver) as url, sending(intake):
        await shell.run("create", url, "--type", "support.ticket.created.v1")
        [hook] = await shell.endpoints()
        await shell.run("disable", hook["id"])
        listed = (await shell.run("list")).stdout
        assert "disabled by client:" in listed
        assert "the endpoint is disabled" in await shell.refused("test", hook["id"])
        await intake.open()
        await feed(intake)
        assert receiver.seen == []
        await shell.run("enable", hook["id"])
        await feed(intake)
        await all_delivered(intake, hook, 1)


async def test_wrong_words_are_refused_before_anything_is_asked(shell: Shell) -> None:
    assert await shell.refused("show", "../tickets") == (
        "../tickets is no id: the list shows those of endpoints, the log those of events"
    )
    assert "the URL cannot be used" in await shell.refused("create", "https://10.0.0.1/")
