"""One post to receivers that do everything but take it: each attempt ends in time, and says what it met."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from common.webhooks import Answer, Poster, addresses
from tests.support.peers import Peer
from tests.support.ports import free_ports
from tests.support.receivers import (
    Behaviour,
    accepting_nothing,
    babble,
    behaving,
    cut_short,
    drip,
    hang_up,
    make_certificate,
    pour,
    pour_headers,
    reset,
    say_nothing,
    take,
)
from tests.support.serving import serving

LOCAL = (ip_network("127.0.0.0/8"),)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHORT = timedelta(seconds=4)
"""So long that a machine which stands still for a moment does not let another limit strike first."""
AMPLE = timedelta(seconds=20)


def posting(*, timeout: timedelta = AMPLE, allowed: Any = LOCAL, trusted: ssl.SSLContext | None = None) -> Poster:
    """What posts to receivers on this machine."""
    return Poster(timeout=timeout, allowed=allowed, places=2, trusted=trusted)


async def post(url: str, **given: Any) -> Answer:
    """What one attempt meets."""
    async with posting(**given) as poster:
        return await attempt(poster, url)


async def attempt(poster: Poster, url: str) -> Answer:
    """The same, of one of several attempts."""
    return await poster.post(url, b'{"type": "test"}', {"webhook-id": "1"}, at=NOW)


def resolve_to(monkeypatch: pytest.MonkeyPatch, answer: Callable[[], list[str]]) -> None:
    """Let every name have the addresses that `answer` gives, or raises."""

    def ask(_host: str, port: int) -> list[tuple[object, object, int, str, tuple[object, ...]]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer()]

    monkeypatch.setattr(addresses, "_ask_resolver", ask)


async def test_an_attempt_ends_in_time_whatever_the_receiver_drags_out() -> None:
    dragging: tuple[Behaviour, ...] = (say_nothing, drip, babble)

    async def meet(behaviour: Behaviour) -> Answer:
        async with behaving(behaviour) as port:
            return await attempt(poster, f"http://127.0.0.1:{port}/")

    async with posting(timeout=SHORT) as poster:
        answers = await asyncio.gather(*map(meet, dragging))
    assert dict(zip(dragging, answers, strict=True)) == dict.fromkeys(dragging, Answer(fault="no answer within 4 s"))


async def test_half_the_time_of_an_attempt_is_enough_to_connect_or_to_shake_hands() -> None:
    async with behaving(say_nothing) as silent:
        with accepting_nothing() as full:
            shaking, connecting = await asyncio.gather(
                post(f"https://127.0.0.1:{silent}/", timeout=SHORT), post(f"http://127.0.0.1:{full}/", timeout=SHORT)
            )
    assert shaking == connecting == Answer(fault="no connection within 2 s")


@pytest.mark.parametrize(
    ("behaviour", "fault"),
    [(reset, "ReadError"), (hang_up, "RemoteProtocolError"), (pour_headers, "RemoteProtocolError")],
)
async def test_a_connection_that_breaks_is_a_failure_without_a_status(behaviour: Behaviour, fault: str) -> None:
    async with behaving(behaviour) as port:
        answer = await post(f"http://127.0.0.1:{port}/")
    assert (answer.ok, answer.status, answer.is_unusable) == (False, None, False)
    assert answer.fault.startswith(fault)


@pytest.mark.parametrize("behaviour", [pour, cut_short])
async def test_once_the_status_is_said_nothing_takes_it_back(behaviour: Behaviour) -> None:
    async with behaving(behaviour) as port:
        assert await post(f"http://127.0.0.1:{port}/") == Answer(status=200)


async def test_nobody_listening_is_a_failure() -> None:
    answer = await post(f"http://127.0.0.1:{free_ports(1)[0]}/")
    assert answer.fault.startswith("ConnectError")
    assert not answer.is_unusable


async def test_only_a_certificate_of_the_host_by_somebody_trusted_will_do(tmp_path: Path) -> None:
    ours, authority = make_certificate(tmp_path, "localhost")
    wrong, wrong_authority = make_certificate(tmp_path, "elsewhere.example.com")
    trusted = ssl.create_default_context(cafile=authority)
    trusted.load_verify_locations(wrong_authority)
    async with (
        behaving(take, tls=ours) as right_port,
        behaving(take, tls=wrong) as wrong_port,
        behaving(babble) as plain_port,
    ):
        right = f"https://localhost:{right_port}/"
        assert "CERTIFICATE_VERIFY_FAILED" in (await post(right)).fault
        assert await post(right, trusted=trusted) == Answer(status=200)
        mismatch = await post(f"https://localhost:{wrong_port}/", trusted=trusted)
        assert "Hostname mismatch" in mismatch.fault
        assert "SSL" in (await post(f"https://localhost:{plain_port}/")).fault


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_AGAIN])
async def test_a_name_that_cannot_be_looked_up_is_a_failure_that_may_pass(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail() -> list[str]:
        raise socket.gaierror(number, "not known")

    resolve_to(monkeypatch, fail)
    answer = await post("https://hooks.example.com/")
    assert answer.fault.startswith("gaierror")
    assert not answer.is_unusable


async def test_a_resolver_that_answers_nothing_holds_up_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    until = threading.Event()

    def hang() -> list[str]:
        until.wait()
        return []

    resolve_to(monkeypatch, hang)
    try:
        answer = await post("https://hooks.example.com/", timeout=timedelta(seconds=0.4))
        assert answer.fault == "no answer within 0.4 s"
    finally:
        until.set()


async def test_one_private_address_among_public_ones_is_enough_to_post_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, lambda: ["8.8.8.8", "169.254.169.254"])
    answer = await post("https://hooks.example.com/")
    assert answer == Answer(fault="the host's address is not public", is_unusable=True)


async def test_of_several_addresses_the_first_that_accepts_is_posted_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with localhost, whose first address is often ::1 and whose server listens on 127.0.0.1."""
    receiver = Peer()
    resolve_to(monkeypatch, lambda: ["127.0.0.9", "127.0.0.1"])
    async with serving(receiver) as url:
        url = url.replace("127.0.0.1", "hooks.example.com")
        assert (await post(url)).status == 200, "where nobody listens, the next address is tried"
        with accepting_nothing("127.0.0.9", int(url.rpartition(":")[2])):
            assert (await post(url, timeout=SHORT)).status == 200, "and where nobody answers too"
    assert [seen.headers["host"] for seen in receiver.seen] == [url.removeprefix("http://")] * 2


async def test_of_many_addresses_four_are_tried_and_the_last_has_the_time_that_the_others_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receiver = Peer()
    resolve_to(monkeypatch, lambda: ["127.0.0.6", "127.0.0.7", "127.0.0.8", "127.0.0.9", *["127.0.0.1"] * 28])
    async with serving(receiver) as url:
        url = url.replace("127.0.0.1", "hooks.example.com")
        with accepting_nothing("127.0.0.9", int(url.rpartition(":")[2])):
            began = time.monotonic()
            answer = await post(url, timeout=SHORT)
            took_s = time.monotonic() - began
    assert answer == Answer(fault="no connection within 2 s")
    assert took_s > 1.8, "a fourth of the time was not all that the others had left"
    assert receiver.seen == []


async def test_of_many_addresses_of_one_kind_one_of_the_other_kind_is_tried_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where there is no IPv6 and the resolver does not know it."""
    receiver = Peer()
    resolve_to(monkeypatch, lambda: ["::1"] * 5 + ["127.0.0.1"])
    async with serving(receiver) as url:
        answer = await post(url.replace("127.0.0.1", "hooks.example.com"), allowed=addresses.EVERYWHERE)
    assert answer.status == 200


async def test_only_2xx_is_a_success_and_no_redirect_is_followed() -> None:
    elsewhere = Peer()
    async with serving(elsewhere) as other:
        statuses = (200, 202, 204, 299, 301, 302, 303, 304, 307, 308, 400, 404, 410, 429, 500, 503)
        receiver = Peer(answers=[(status, {"location": other}, b"") for status in statuses])
        async with serving(receiver) as url, posting() as poster:
            met = [await attempt(poster, url) for _ in statuses]
    assert [answer.status for answer in met] == list(statuses)
    assert [answer.status for answer in met if answer.ok] == [200, 202, 204, 299]
    assert all(answer.fault == f"status {answer.status}" for answer in met if not answer.ok)
    assert elsewhere.seen == []


async def test_retry_after_is_read_in_both_forms_and_nonsense_is_ignored() -> None:
    said = {
        "120": timedelta(minutes=2),
        "0": timedelta(0),
        "99999999999": timedelta(seconds=10**7),
        "9" * 5_000: None,
        "Sun, 01 Mar 2026 12:30:00 GMT": timedelta(minutes=30),
        "Sun, 01 Mar 2026 11:30:00 GMT": None,
        "Sun, 01 Mar 2026 12:30:00": None,
        "Sun, 99 Mar 2026 12:30:00 GMT": None,
        "-1": None,
        "1.5": None,
        "soon": None,
        "": None,
    }
    receiver = Peer(answers=[(503, {"retry-after": text}, b"") for text in said])
    async with serving(receiver) as url, posting() as poster:
        assert {text: (await attempt(poster, url)).retry_after for text in said} == said
