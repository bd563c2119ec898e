"""One post to receivers that do everything but take it: each attempt ends, and says what it met."""

import socket
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.webhooks import addresses
from tests.integration.intake.conftest import Intake
from tests.integration.intake.receivers import (
    Behaviour,
    babble,
    behaving,
    drip,
    make_certificate,
    pour,
    pour_headers,
    reset,
    say_nothing,
    take,
)
from tests.integration.intake.webhooks import all_delivered, attempted, create, ping, sending
from tests.support.peers import Peer
from tests.support.ports import free_ports
from tests.support.serving import serving


@pytest.mark.parametrize(
    ("behaviour", "fault"),
    [
        (say_nothing, "no answer within 0.5 s"),
        (drip, "no answer within 0.5 s"),
        (reset, "ReadError"),
        (babble, "no answer within 0.5 s"),
        (pour_headers, "RemoteProtocolError"),
    ],
)
async def test_whatever_a_receiver_does_an_attempt_ends(intake: Intake, behaviour: Behaviour, fault: str) -> None:
    async with behaving(behaviour) as port, sending(intake, timeout=timedelta(seconds=0.5)):
        hook = await create(intake, f"http://127.0.0.1:{port}/")
        await ping(intake, hook)
        item = await attempted(intake, hook, 1)
    assert (item["state"], item["last_status"]) == ("retrying", None)
    assert fault in item["error"]


async def test_an_answer_without_end_is_taken_by_its_status(intake: Intake) -> None:
    async with behaving(pour) as port, sending(intake):
        hook = await create(intake, f"http://127.0.0.1:{port}/")
        await ping(intake, hook)
        await all_delivered(intake, hook, 1)


async def test_nobody_listening_is_a_failure(intake: Intake) -> None:
    async with sending(intake):
        hook = await create(intake, f"http://127.0.0.1:{free_ports(1)[0]}/")
        await ping(intake, hook)
        item = await attempted(intake, hook, 1)
    assert "ConnectError" in item["error"]


async def test_of_several_addresses_the_first_that_accepts_is_posted_to(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with localhost, whose first address is often ::1 and whose server listens on 127.0.0.1."""
    receiver = Peer()
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.9", "127.0.0.1")]
    monkeypatch.setattr(addresses, "_ask_resolver", lambda _host, _port: found)
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url.replace("127.0.0.1", "hooks.example.com"))
        await ping(intake, hook)
        await all_delivered(intake, hook, 1)
    [seen] = receiver.seen
    assert seen.headers["host"].startswith("hooks.example.com:")


async def test_a_queue_that_nobody_accepts_from_is_a_failure(intake: Intake) -> None:
    """A listener whose backlog is full answers no more connections: connecting itself must have its limit."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = [_connect(full.getsockname()) for _ in range(4)]
        async with sending(intake, timeout=timedelta(seconds=0.5)):
            hook = await create(intake, f"http://127.0.0.1:{full.getsockname()[1]}/")
            await ping(intake, hook)
            item = await attempted(intake, hook, 1)
        for each in held:
            each.close()
    assert item["error"] == "no answer within 0.5 s"


def _connect(address: Any) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    made.connect_ex(address)
    return made


async def test_only_a_certificate_of_the_host_by_somebody_trusted_will_do(intake: Intake, tmp_path: Path) -> None:
    ours, authority = make_certificate(tmp_path, "localhost")
    trusted = ssl.create_default_context(cafile=authority)
    wrong, wrong_authority = make_certificate(tmp_path, "elsewhere.example.com")
    trusted.load_verify_locations(wrong_authority)
    async with behaving(take, tls=ours) as right_port, behaving(take, tls=wrong) as wrong_port:
        right = await create(intake, f"https://localhost:{right_port}/")
        other = await create(intake, f"https://localhost:{wrong_port}/")
        async with sending(intake, timeout=timedelta(seconds=5)):
            await ping(intake, right)
            unknown = await attempted(intake, right, 1)
        assert "CERTIFICATE_VERIFY_FAILED" in unknown["error"]
        intake.clock.move(timedelta(seconds=6))
        async with sending(intake, timeout=timedelta(seconds=5), trusted=trusted):
            await ping(intake, other)
            refused = await attempted(intake, other, 1)
            await all_delivered(intake, right, 1)
    assert "Hostname mismatch" in refused["error"]


async def test_an_address_is_judged_again_at_every_attempt(intake: Intake) -> None:
    """A name that led outside when the endpoint was made leads to this machine now: nothing is posted."""
    receiver = Peer()
    async with serving(receiver) as url, sending(intake, allowed=()):
        hook = await create(intake, "https://localhost:" + url.rpartition(":")[2])
        await ping(intake, hook)
        item = await attempted(intake, hook, 1)
    assert (item["state"], item["error"]) == ("retrying", "the host's address is not public")
    assert receiver.seen == []
