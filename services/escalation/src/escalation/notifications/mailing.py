"""One attempt to deliver by mail, where an SMTP server is set up."""

import re
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib

from escalation.notifications.domain import Delivery, Notification

TIMEOUT = timedelta(seconds=15)
"""Of one step of the conversation with the server."""
_ENHANCED_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\S)")
"""What a server may say before its text. Source: RFC 2034, 4."""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """How mail leaves. An empty `host`: it is not set up.

    Attributes:
        security: "none", "starttls" or "tls".
        sender: the From address.
        username: empty signs in as nobody.
    """

    host: str
    port: int
    security: str
    sender: str
    username: str = ""
    password: str = ""

    async def deliver(self, notification: Notification) -> Delivery:
        """Send a notification once. Raises nothing: what goes wrong is the delivery's fault."""
        if not self.host:
            return Delivery(fault="no mail server is set up", is_refusal=True)
        try:
            message = compose(notification, sender=self.sender)
        except (ValueError, TypeError, AttributeError, LookupError) as unusable:
            # The parser of headers stumbles over odd addresses in all these ways, and will do so tomorrow.
            return Delivery(fault=f"{type(unusable).__name__}: the mail cannot be written", is_refusal=True)
        try:
            await aiosmtplib.send(
                message,
                sender=self.sender,
                recipients=[notification.address],
                hostname=self.host,
                port=self.port,
                username=self.username or None,
                password=self.password or None,
                use_tls=self.security == "tls",
                start_tls=self.security == "starttls",
                timeout=TIMEOUT.total_seconds(),
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            first = refused.recipients[0]
            return Delivery(fault=_codes(first), is_refusal=first.code >= 500)
        except aiosmtplib.SMTPResponseException as answered:
            # A server that will not know us is ours to mend; what it says of this message is for good.
            of_message = not isinstance(answered, aiosmtplib.SMTPAuthenticationError | aiosmtplib.SMTPConnectError)
            return Delivery(fault=_codes(answered), is_refusal=of_message and answered.code >= 500)
        except (aiosmtplib.SMTPException, OSError, ValueError) as failed:
            return Delivery(fault=type(failed).__name__)
        return Delivery()


def compose(notification: Notification, *, sender: str) -> EmailMessage:
    """The mail. Its Message-ID is the same for every attempt, so that a repeat can be told."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = notification.address
    message["Subject"] = notification.subject
    message["Date"] = format_datetime(notification.created_at)
    message["Message-ID"] = f"<{notification.notification_id}@{sender.rpartition('@')[2].rstrip('>') or 'frontline'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(notification.text)
    return message


def _codes(answered: aiosmtplib.SMTPResponseException) -> str:
    """The server's codes without its text, which as a rule repeats the address: faults are told to everybody."""
    status = _ENHANCED_STATUS.match(answered.message)
    return f"{answered.code} {status[0]}" if status else str(answered.code)
