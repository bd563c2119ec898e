"""A notification: one thing said by one channel to one address, and what becomes of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from contracts.escalation import NotificationFailed, NotificationSent

CALL_KIND = "notification"
"""Of the calls by which internal messages reach intake."""

_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1_800))
"""After each failed attempt but the last: who must be told of an hour-old trouble was told by then or never will be."""
MAX_ATTEMPTS = len(_DELAYS) + 1
MAX_FAULT = 200

_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_MAIL_ADDRESS = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>[^\s@]{{1,190}})")
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_MAX_LOCAL = 64


class UnusableAddress(Exception):
    """No mail could ever be delivered to this address. Its text says why, without repeating the address."""


class Channel(StrEnum):
    """How it leaves: an internal message on the ticket, a signed webhook, or mail."""

    MESSAGE = "message"
    WEBHOOK = "webhook"
    EMAIL = "email"


class State(StrEnum):
    """`pending` until it was delivered, refused or given up, or until nobody needs it any more."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True)
class NewNotification:
    """What shall be said.

    Attributes:
        address: a URL or a mail address; empty with `MESSAGE`, which goes to the ticket.
        target: who is meant, without anything personal: it goes into events.
        subject: one line.
        text: for people; holds nothing that a customer said.
        facts: for systems, as JSON values.
    """

    ticket_id: UUID
    channel: Channel
    address: str
    target: str
    subject: str
    text: str
    facts: Mapping[str, object]
    run_id: UUID | None = None
    step: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """One notification. `attempts` counts those that were settled; `fault` is of the last one that failed."""

    notification_id: UUID
    ticket_id: UUID
    run_id: UUID | None
    step: int | None
    channel: Channel
    address: str
    target: str
    subject: str
    text: str
    facts: Mapping[str, object]
    state: State
    attempts: int
    fault: str
    due_at: datetime
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One attempt that was settled. `fault` is empty where it succeeded."""

    notification_id: UUID
    attempt: int
    at: datetime
    fault: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What one attempt came to: delivered where `fault` is empty, refused for good where `is_refusal`."""

    fault: str = ""
    is_refusal: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """The notification after an attempt, the attempt, and what is told of it."""

    notification: Notification
    attempt: Attempt
    told: NotificationSent | NotificationFailed


def check_mail_address(address: str) -> None:
    """Refuse what no mail server could take: the part before the @ must be words with dots between, then a host.

    Quoted words and addresses in brackets are refused too, though mail knows them: nobody is paged by them.

    Raises:
        UnusableAddress: it is something else.
    Source: RFC 5321, 4.1.2 (Dot-string, Domain), with the letters of RFC 6531.
    """
    found = _MAIL_ADDRESS.fullmatch(address)
    if found is None or len(found["local"].encode()) > _MAX_LOCAL:
        raise UnusableAddress("the mail address is malformed")
    try:
        domain = found["domain"].encode("idna").decode("ascii")
    except ValueError as malformed:
        raise UnusableAddress("the mail address is malformed") from malformed
    if not _DOMAIN.fullmatch(domain):
        raise UnusableAddress("the mail address is malformed")


def settle(notification: Notification, *, delivery: Delivery, at: datetime, is_final: bool | None = None) -> Settled:
    """The notification after one more attempt.

    Args:
        is_final: whether no more follow, where somebody else decides it; None decides by refusal and number.
    """
    number = notification.attempts + 1
    attempt = Attempt(
        notification_id=notification.notification_id, attempt=number, at=at, fault=delivery.fault[:MAX_FAULT]
    )
    if not delivery.fault:
        sent = replace(notification, state=State.SENT, attempts=number, fault="", ended_at=at)
        return Settled(notification=sent, attempt=attempt, told=_tell_sent(sent))
    last = (delivery.is_refusal or number >= MAX_ATTEMPTS) if is_final is None else is_final
    cancelled = notification.state is State.CANCELLED
    failed = replace(
        notification,
        state=State.FAILED if last else notification.state,
        attempts=number,
        fault=attempt.fault,
        due_at=at if last else at + _DELAYS[min(number, len(_DELAYS)) - 1],
        ended_at=at if last or cancelled else None,
    )
    return Settled(notification=failed, attempt=attempt, told=_tell_failed(failed, is_final=last or cancelled))


def _tell_sent(sent: Notification) -> NotificationSent:
    return NotificationSent(
        ticket_id=sent.ticket_id,
        notification_id=sent.notification_id,
        channel=sent.channel.value,
        target=sent.target,
        attempt=sent.attempts,
        run_id=sent.run_id,
        step=sent.step,
    )


def _tell_failed(failed: Notification, *, is_final: bool) -> NotificationFailed:
    return NotificationFailed(
        ticket_id=failed.ticket_id,
        notification_id=failed.notification_id,
        channel=failed.channel.value,
        target=failed.target,
        attempt=failed.attempts,
        reason=failed.fault,
        is_final=is_final,
        run_id=failed.run_id,
        step=failed.step,
    )
