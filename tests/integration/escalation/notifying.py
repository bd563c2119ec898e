"""Notifications at work in tests: a mail server, the roles that deliver, and what the API shows."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any
from uuid import UUID

from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr

from common.calls import caller
from common.ids import new_id
from common.runtime import Runtime
from common.settings import PeersSettings
from escalation.notifications.domain import Channel, NewNotification
from escalation.notifications.mailing import Mail
from escalation.notifications.posting import Webhooks, open_poster
from escalation.notifications.sender import Notifier
from escalation.notifications.signing import read_secret
from escalation.notifications.usecases import CALL_KINDS, notify
from tests.integration.escalation.conftest import Escalation
from tests.support.backbone import no_beat, running
from tests.support.eventually import eventually
from tests.support.peers import Peer
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
    async with open_poster(allow_private=allow_private, places=8) as poster:
        webhooks = Webhooks(secret=read_secret(secret) if secret else None, poster=poster, clock=escalation.clock)
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
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert len(items) == 1, items
    return items[0]


async def attempted(escalation: Escalation, ticket_id: UUID, number: int) -> Any:
    """The same, once so many attempts were settled."""

    async def settled() -> bool:
        return len((await shown(escalation, ticket_id))["attempts"]) == number

    await eventually(settled)
    return await shown(escalation, ticket_id)


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
