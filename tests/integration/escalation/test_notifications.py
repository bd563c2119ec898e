"""Notifications leave by real HTTP, real SMTP and calls to a real intake's stand-in; every attempt is recorded."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr
from sqlalchemy import text

from common.calls import caller
from common.ids import new_id
from common.runtime import Runtime
from common.settings import PeersSettings
from escalation.notifications.domain import MAX_ATTEMPTS, Channel, Delivery, NewNotification, Notification
from escalation.notifications.mailing import Mail
from escalation.notifications.posting import Webhooks, open_client
from escalation.notifications.sender import Notifier
from escalation.notifications.signing import read_secret
from escalation.notifications.usecases import CALL_KINDS, cancel_notifications, notify
from tests.integration.escalation.conftest import Escalation
from tests.support.backbone import count, no_beat, running
from tests.support.eventually import eventually
from tests.support.peers import Peer, problem
from tests.support.ports import free_ports
from tests.support.serving import serving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NO_MAIL = Mail(host="", port=25, security="none", sender="frontline@example.com")


@dataclass(kw_only=True)
class Mailbox:
    """A mail server's handler: answers what `answers` holds to RCPT, then accepts everything."""

    answers: list[str] = field(default_factory=list[str])
    received: list[Message] = field(default_factory=list[Message])
    port: int = 0

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Sequence[str]
    ) -> str:
        """Accept or refuse a recipient."""
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Take a mail."""
        assert isinstance(envelope.content, bytes)
        self.received.append(message_from_bytes(envelope.content))
        return "250 OK"

    def mail(self) -> Mail:
        """How to reach it."""
        return Mail(host="127.0.0.1", port=self.port, security="none", sender="Frontline <frontline@example.com>")


@asynccontextmanager
async def mailbox() -> AsyncGenerator[Mailbox]:
    """A real SMTP server on a free port."""
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box, hostname="mail"), "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def notifying(
    escalation: Escalation, *, mail: Mail = NO_MAIL, secret: str = SECRET, allow_private: bool = True
) -> AsyncGenerator[None]:
    """The role at work while inside."""
    async with open_client() as client:
        webhooks = Webhooks(
            secret=read_secret(secret) if secret else None,
            allow_private=allow_private,
            client=client,
            clock=escalation.clock,
        )
        async with running(lambda stop: Notifier(escalation.database, mail, webhooks).run(beat=no_beat, stop=stop)):
            yield


def wanted(channel: Channel, address: str = "", **given: Any) -> NewNotification:
    """What shall be said."""
    values: dict[str, Any] = {
        "ticket_id": new_id(),
        "channel": channel,
        "address": address,
        "target": "team_lead",
        "subject": "FL-7: the time for the resolution is over",
        "text": "Escalation of FL-7: the time for the resolution is over.",
        "facts": {"trigger": "sla", "percent": 100},
        "run_id": new_id(),
        "step": 2,
    }
    return NewNotification(**{**values, **given})


async def say(escalation: Escalation, *notifications: NewNotification) -> UUID:
    """Write them down; returns the first one's ticket."""
    async with escalation.begin() as tx:
        await notify(tx, notifications)
    return notifications[0].ticket_id


async def shown(escalation: Escalation, ticket_id: UUID) -> Any:
    """The ticket's only notification by the API."""
    answer = await escalation.http.get("/v1/notifications", params={"ticket": str(ticket_id)})
    [item] = answer.json()["items"]
    return item


async def attempted(escalation: Escalation, ticket_id: UUID, number: int) -> Any:
    """The same, once so many attempts were settled."""

    async def settled() -> bool:
        return len((await shown(escalation, ticket_id))["attempts"]) == number

    await eventually(settled)
    return await shown(escalation, ticket_id)


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


async def test_what_is_not_set_up_fails_aloud(escalation: Escalation) -> None:
    async with notifying(escalation, secret=""):
        hook = await attempted(escalation, await say(escalation, wanted(Channel.WEBHOOK, "https://example.com")), 1)
        mail = await attempted(escalation, await say(escalation, wanted(Channel.EMAIL, "lead@example.com")), 1)
    assert (hook["state"], hook["attempts"][0]["fault"]) == ("failed", "no webhook secret is set up")
    assert (mail["state"], mail["attempts"][0]["fault"]) == ("failed", "no mail server is set up")


async def test_mail_arrives_with_a_message_id_of_its_own(escalation: Escalation) -> None:
    async with mailbox() as box, notifying(escalation, mail=box.mail()):
        ticket_id = await say(escalation, wanted(Channel.EMAIL, "lead@example.com", target="email"))
        item = await attempted(escalation, ticket_id, 1)
    [mail] = box.received
    assert (mail["To"], mail["Subject"]) == ("lead@example.com", "FL-7: the time for the resolution is over")
    assert mail["Message-ID"] == f"<{item['notification_id']}@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "the time for the resolution is over" in str(mail.get_payload())
    [told] = await escalation.bodies(ticket_id, "notification")
    assert (told.channel, told.target) == ("email", "email")


async def test_mail_that_is_put_off_comes_later_and_a_refused_one_never(escalation: Escalation) -> None:
    async with mailbox() as box, notifying(escalation, mail=box.mail()):
        box.answers = ["451 4.7.1 greylisted"]
        ticket_id = await say(escalation, wanted(Channel.EMAIL, "lead@example.com"))
        item = await attempted(escalation, ticket_id, 1)
        assert (item["state"], item["attempts"][0]["fault"]) == ("pending", "451 4.7.1 greylisted")
        escalation.clock.move(timedelta(seconds=5))
        assert (await attempted(escalation, ticket_id, 2))["state"] == "sent"
        box.answers = ["550 5.1.1 no such user"]
        refused = await attempted(escalation, await say(escalation, wanted(Channel.EMAIL, "nobody@example.com")), 1)
        assert (refused["state"], refused["attempts"][0]["fault"]) == ("failed", "550 5.1.1 no such user")
    assert len(box.received) == 1


@pytest.mark.parametrize("address", ["lead@[", "lead@[1", "lead@example.com\u2028cc", "ü@example..com"])
async def test_an_odd_mail_address_is_refused_and_its_siblings_mail_arrives(
    escalation: Escalation, address: str
) -> None:
    async with mailbox() as box, notifying(escalation, mail=box.mail()):
        odd, sibling = wanted(Channel.EMAIL, address), wanted(Channel.EMAIL, "lead@example.com")
        await say(escalation, odd, sibling)
        assert (await attempted(escalation, odd.ticket_id, 1))["attempts"][0]["fault"] != ""
        assert (await attempted(escalation, sibling.ticket_id, 1))["state"] == "sent"
    assert len(box.received) == 1


@pytest.mark.parametrize(
    "url", ["https://a..b/hook", "https://[x", f"https://{'a' * 64}.example/", "https://8.8.8.8/\x7f"]
)
async def test_a_url_that_cannot_be_called_is_refused_for_good(escalation: Escalation, url: str) -> None:
    async with notifying(escalation, allow_private=False):
        item = await attempted(escalation, await say(escalation, wanted(Channel.WEBHOOK, url)), 1)
    assert item["state"] == "failed"


async def test_whatever_a_delivery_raises_is_the_end_of_that_one_alone(escalation: Escalation) -> None:
    class Broken(Mail):
        async def deliver(self, notification: Notification) -> Delivery:
            raise RuntimeError(notification.address)

    receiver = Peer()
    mail = Broken(host="mail", port=25, security="none", sender="frontline@example.com")
    async with serving(receiver) as url, notifying(escalation, mail=mail):
        odd = wanted(Channel.EMAIL, "lead@example.com")
        await say(escalation, odd, wanted(Channel.WEBHOOK, url))
        item = await attempted(escalation, odd.ticket_id, 1)
        later = await attempted(escalation, await say(escalation, wanted(Channel.WEBHOOK, url)), 1)
    fault = "RuntimeError: it cannot be delivered"
    assert (item["state"], item["attempts"][0]["fault"], later["state"]) == ("failed", fault, "sent")
    assert len(receiver.seen) == 2


async def test_servers_that_are_away_are_tried_again(escalation: Escalation) -> None:
    [closed] = free_ports(1)
    mail = Mail(host="127.0.0.1", port=closed, security="none", sender="frontline@example.com")
    async with notifying(escalation, mail=mail):
        hook = await attempted(
            escalation, await say(escalation, wanted(Channel.WEBHOOK, f"http://127.0.0.1:{closed}")), 1
        )
        mailed = await attempted(escalation, await say(escalation, wanted(Channel.EMAIL, "lead@example.com")), 1)
    assert (hook["state"], mailed["state"]) == ("pending", "pending")
    assert hook["attempts"][0]["fault"].startswith("ConnectError")
    assert "onnect" in mailed["attempts"][0]["fault"]


async def test_several_notifiers_deliver_each_once(escalation: Escalation) -> None:
    receiver = Peer()
    async with serving(receiver) as url, notifying(escalation), notifying(escalation):
        await say(escalation, *(wanted(Channel.WEBHOOK, url) for _ in range(60)))

        async def done() -> bool:
            return await count(escalation.database, "notification where state = 'sent'") == 60

        await eventually(done)
    assert len(receiver.seen) == 60
    assert receiver.most_inside <= 16


async def test_a_notifier_that_dies_is_followed_by_another_with_the_same_id(escalation: Escalation) -> None:
    receiver = Peer(hold=asyncio.Event())
    assert receiver.hold is not None
    async with serving(receiver) as url:
        ticket_id = await say(escalation, wanted(Channel.WEBHOOK, url))
        async with open_client() as client:
            hooks = Webhooks(secret=read_secret(SECRET), allow_private=True, client=client, clock=escalation.clock)
            doomed = asyncio.ensure_future(
                Notifier(escalation.database, NO_MAIL, hooks).run(beat=no_beat, stop=asyncio.Event())
            )

            async def inside() -> bool:
                return receiver.now_inside == 1

            await eventually(inside)
            doomed.cancel()
            with pytest.raises(asyncio.CancelledError):
                await doomed
        receiver.hold.set()
        await escalation.sql("update notification set lease_until = clock_timestamp() - interval '1 s'")
        async with notifying(escalation):
            assert (await attempted(escalation, ticket_id, 1))["state"] == "sent"
    assert len(receiver.seen) == 2
    assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 1


async def test_cancelled_ones_are_not_delivered(escalation: Escalation) -> None:
    run_id = new_id()
    hook = wanted(Channel.WEBHOOK, "http://127.0.0.1:1", run_id=run_id)
    message = wanted(Channel.MESSAGE, run_id=run_id)
    await say(escalation, hook, message)
    async with escalation.begin() as tx:
        await cancel_notifications(tx, [run_id])
        await cancel_notifications(tx, [])
    assert [(await shown(escalation, each.ticket_id))["state"] for each in (hook, message)] == ["cancelled"] * 2
    assert await count(escalation.database, "outgoing_call") == 0


@asynccontextmanager
async def calling(escalation: Escalation, intake: Peer) -> AsyncGenerator[None]:
    """The caller's role at work, towards this intake."""
    async with serving(intake) as url:
        peers = PeersSettings(intake_url=url, routing_url=url, key=SecretStr("fl_tests"))
        role = caller(CALL_KINDS, peers)

        async def run(stop: asyncio.Event) -> None:
            settings = escalation.service.settings
            await role(Runtime(settings=settings, database=escalation.database, clock=escalation.clock, stopping=stop))

        async with running(run):
            yield


async def test_a_message_goes_to_the_ticket_with_its_attempts_recorded(escalation: Escalation) -> None:
    intake = Peer(answers=[problem(503, "unavailable")])
    async with calling(escalation, intake):
        ticket_id = await say(escalation, wanted(Channel.MESSAGE))
        item = await attempted(escalation, ticket_id, 1)
        assert (item["state"], item["attempts"][0]["fault"]) == ("pending", "unavailable")
        escalation.clock.move(timedelta(seconds=1))
        item = await attempted(escalation, ticket_id, 2)
    assert item["state"] == "sent"
    assert [seen.path for seen in intake.seen] == [f"/v1/tickets/{ticket_id}/messages"] * 2
    assert {seen.key for seen in intake.seen} == {item["notification_id"]}
    assert json.loads(intake.seen[0].body)["direction"] == "internal"
    told = await escalation.told(ticket_id, "notification")
    assert told == ["notification.failed", "notification.sent"]


async def test_a_message_that_intake_refuses_has_failed(escalation: Escalation) -> None:
    intake = Peer(answers=[problem(409, "ticket_final")])
    async with calling(escalation, intake):
        ticket_id = await say(escalation, wanted(Channel.MESSAGE))
        item = await attempted(escalation, ticket_id, 1)
    assert (item["state"], item["attempts"][0]["fault"]) == ("failed", "ticket_final")
    [told] = await escalation.bodies(ticket_id, "notification")
    assert told.is_final


async def test_the_list_pages_and_filters(escalation: Escalation) -> None:
    ticket_id = new_id()
    await say(escalation, *(wanted(Channel.WEBHOOK, "https://example.com", ticket_id=ticket_id) for _ in range(3)))
    await say(escalation, wanted(Channel.WEBHOOK, "https://example.com"))
    query: dict[str, Any] = {"ticket": str(ticket_id), "state": "pending", "limit": 2}
    first = (await escalation.http.get("/v1/notifications", params=query)).json()
    rest = (await escalation.http.get("/v1/notifications", params={**query, "cursor": first["next_cursor"]})).json()
    found = [item["notification_id"] for item in first["items"] + rest["items"]]
    assert (len(found), found, rest["next_cursor"]) == (3, sorted(found), None)
    none = await escalation.http.get("/v1/notifications", params={"state": "sent"})
    assert none.json()["items"] == []
    async with escalation.database.read() as connection:
        assert (await connection.execute(text("select count(*) from notification"))).scalar_one() == 4
