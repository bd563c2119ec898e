"""Notifications leave by real HTTP, signed, and to addresses that may be called alone."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from escalation.notifications.domain import MAX_ATTEMPTS, Channel
from tests.integration.escalation.conftest import Escalation
from tests.integration.escalation.notifying import SECRET, attempted, notifying, say, wanted
from tests.support.peers import Peer
from tests.support.serving import serving


async def test_a_webhook_is_signed_and_told_as_sent(escalation: Escalation) -> None:
    receiver = Peer()
    async with serving(receiver) as url, notifying(escalation):
        ticket_id = await say(escalation, wanted(Channel.WEBHOOK, f"{url}/hook", target="webhook:127.0.0.1"))
        item = await attempted(escalation, ticket_id, 1)
    [seen] = receiver.seen
    body = json.loads(seen.body)
    assert (seen.method, seen.path, body["type"]) == ("POST", "/hook", "escalation.notification")
    assert body["data"]["ticket_id"] == str(ticket_id)
    assert body["data"]["percent"] == 100
    signed = f"{seen.headers['webhook-id']}.{seen.headers['webhook-timestamp']}.".encode() + seen.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert seen.headers["webhook-signature"] == f"v1,{expected}"
    assert seen.headers["host"] == url.removeprefix("http://")
    assert (item["state"], item["attempts"][0]["fault"]) == ("sent", "")
    assert "address" not in item
    [told] = await escalation.bodies(ticket_id, "notification")
    assert (told.channel, told.target, told.attempt, told.step) == ("webhook", "webhook:127.0.0.1", 1, 2)


async def test_a_receiver_that_fails_is_asked_again_with_the_same_id_and_given_up_in_the_end(
    escalation: Escalation,
) -> None:
    receiver = Peer(answers=[(500, {}, b"")] * 99)
    async with serving(receiver) as url, notifying(escalation):
        ticket_id = await say(escalation, wanted(Channel.WEBHOOK, url))
        for number in range(1, MAX_ATTEMPTS + 1):
            item = await attempted(escalation, ticket_id, number)
            escalation.clock.move(timedelta(minutes=30))
    assert (item["state"], len(item["attempts"])) == ("failed", MAX_ATTEMPTS)
    assert len(receiver.seen) == MAX_ATTEMPTS
    assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 1
    assert len({seen.headers["webhook-timestamp"] for seen in receiver.seen}) == MAX_ATTEMPTS
    told = await escalation.bodies(ticket_id, "notification")
    assert [(body.attempt, body.reason, body.is_final) for body in told] == [
        (number, "status 500", number == MAX_ATTEMPTS) for number in range(1, MAX_ATTEMPTS + 1)
    ]


@pytest.mark.parametrize("answer", [(400, {}, b""), (410, {}, b""), (302, {"location": "http://127.0.0.1:1/"}, b"")])
async def test_a_refusal_or_a_redirect_is_final(escalation: Escalation, answer: Any) -> None:
    receiver = Peer(answers=[answer])
    async with serving(receiver) as url, notifying(escalation):
        item = await attempted(escalation, await say(escalation, wanted(Channel.WEBHOOK, url)), 1)
    assert (item["state"], item["attempts"][0]["fault"]) == ("failed", f"status {answer[0]}")
    assert len(receiver.seen) == 1


async def test_addresses_that_are_not_public_are_never_called(escalation: Escalation) -> None:
    receiver = Peer()
    async with serving(receiver) as url, notifying(escalation, allow_private=False):
        plain = await attempted(escalation, await say(escalation, wanted(Channel.WEBHOOK, url)), 1)
        secure = url.replace("http:", "https:")
        private = await attempted(escalation, await say(escalation, wanted(Channel.WEBHOOK, secure)), 1)
    assert (plain["state"], plain["attempts"][0]["fault"]) == ("failed", "plain HTTP is not allowed")
    assert (private["state"], private["attempts"][0]["fault"]) == ("failed", "the host's address is not public")
    assert receiver.seen == []


@pytest.mark.parametrize(
    "url", ["https://a..b/hook", "https://[x", f"https://{'a' * 64}.example/", "https://8.8.8.8/\x7f"]
)
async def test_a_url_that_cannot_be_called_is_refused_for_good(escalation: Escalation, url: str) -> None:
    async with notifying(escalation, allow_private=False):
        item = await attempted(escalation, await say(escalation, wanted(Channel.WEBHOOK, url)), 1)
    assert item["state"] == "failed"
