"""Endpoints, deliveries, and what follows from an answer: values and decisions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from common.errors import InvalidInput
from contracts.envelope import subject_of
from contracts.intake import WebhookEndpointDisabled
from contracts.registry import EVENT_TYPES

PING = "support.webhook.ping.v1"
"""The type of the event that tests an endpoint. It is posted only, so it is none of the contract's."""
PING_KIND = "webhook_ping"
"""Of its subject."""
MAX_ENDPOINTS = 20
"""Of one client."""
MAX_GENERATIONS = 3
"""Secrets of one endpoint that sign at once: each is a signature in every post."""
MAX_BODY_BYTES = 20_000
"""Source: Standard Webhooks 1.0.0, "Payload size"."""

_WAITS = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Before each attempt, 75 h 35 min in all. Source: Standard Webhooks 1.0.0, "Retry schedule"."""
MAX_ATTEMPTS = len(_WAITS)
JITTER = 0.1
"""A wait is up to so much of itself longer, so that what failed together is not repeated together."""
LONGEST_RETRY_AFTER = timedelta(hours=24)
"""No receiver can put us off for longer than the longest wait of our own."""
_SLOWER = frozenset({429, 502, 503, 504})
_SLOWER_FOR = timedelta(seconds=30)
"""How long an endpoint gets nothing at all where it asks for less, without saying how long."""
_GONE = 410


class Scheme(StrEnum):
    """How a post is signed: with a secret that both sides know, or with a key whose public half the receiver has."""

    V1 = "v1"
    V1A = "v1a"


class DeliveryState(StrEnum):
    """`waiting`: not yet tried since it was put there; `retrying`: tried in vain; `delivered`: a 2xx was met."""

    WAITING = "waiting"
    RETRYING = "retrying"
    DELIVERED = "delivered"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where a client wants events posted.

    Attributes:
        types: names on the wire; empty for all, also for those to come.
        disabled_reason: for people; empty while it is enabled.
        failing_since: of the first failure after its last success; None where the last attempt succeeded.
        resume_at: nothing is posted before, because the receiver asked for it.
    """

    endpoint_id: UUID
    client_id: str
    url: str
    types: tuple[str, ...]
    description: str
    version: int
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None = None
    disabled_reason: str = ""
    failing_since: datetime | None = None
    resume_at: datetime | None = None

    @property
    def event_subject(self) -> str:
        """The subject of its events."""
        return subject_of("endpoint", self.endpoint_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointEdit:
    """What to change; None stays."""

    url: str | None = None
    types: tuple[str, ...] | None = None
    description: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """One event on its way into lines: `body` is the CloudEvent as JSON, as every attempt posts it."""

    event_id: UUID
    source: str
    subject: str
    seq: int
    type: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One event for one endpoint, as the log shows it. `attempts` counts those since it was last put into its line."""

    event_id: UUID
    position: int
    source: str
    subject: str
    seq: int
    type: str
    state: DeliveryState
    attempts: int
    last_status: int | None
    error: str
    created_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """What one attempt met. `number` counts from 1; `error` is empty where it was taken."""

    number: int
    status: int | None
    error: str
    retry_after: timedelta | None = None

    @property
    def ok(self) -> bool:
        """Whether the receiver took it."""
        return not self.error


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What follows from an attempt that failed.

    Attributes:
        next_attempt_at: None where the endpoint is disabled: whoever enables it begins anew.
        disabled_reason: for people; empty where it stays enabled.
        disabled_code: the same for programs.
        resume_at: no other event is posted to the endpoint before; None where the others need not wait.
    """

    next_attempt_at: datetime | None
    disabled_reason: str = ""
    disabled_code: str = ""
    resume_at: datetime | None = None


def judge(attempt: Attempt, *, event: str, now: datetime, chance: float) -> Verdict:
    """What follows from an attempt that failed.

    Args:
        event: names the event, for the reason.
        chance: from 0 to 1, for the jitter.
    """
    if attempt.status == _GONE:
        reason = "the receiver answered 410: it is gone for good"
        return Verdict(next_attempt_at=None, disabled_reason=reason, disabled_code="gone")
    if attempt.number >= MAX_ATTEMPTS:
        reason = f"{event} was not taken in {attempt.number} attempts; the last one met: {attempt.error}"
        return Verdict(next_attempt_at=None, disabled_reason=reason, disabled_code="not_taken")
    asked = min(attempt.retry_after or timedelta(0), LONGEST_RETRY_AFTER)
    wait = _WAITS[attempt.number] * (1 + JITTER * chance)
    slower = now + max(asked, _SLOWER_FOR) if attempt.status in _SLOWER else None
    return Verdict(next_attempt_at=now + max(asked, wait), resume_at=slower)


def edited(endpoint: Endpoint, edit: EndpointEdit, *, by: str, now: datetime) -> Endpoint:
    """The endpoint with what was asked for; enabling one that is disabled forgets why it was.

    Args:
        by: who asks, as in `Origin.actor`: an operator may disable what is another's.
    """
    after = replace(
        endpoint,
        url=endpoint.url if edit.url is None else edit.url,
        types=endpoint.types if edit.types is None else edit.types,
        description=endpoint.description if edit.description is None else edit.description,
    )
    if edit.enabled and endpoint.disabled_at is not None:
        after = replace(after, disabled_at=None, disabled_reason="", failing_since=None, resume_at=None)
    if edit.enabled is False and endpoint.disabled_at is None:
        after = disabled(after, f"disabled by {by}", now=now)
    return endpoint if after == endpoint else replace(after, version=endpoint.version + 1, updated_at=now)


def failed(
    endpoint: Endpoint, verdict: Verdict, *, now: datetime
) -> tuple[Endpoint, Sequence[WebhookEndpointDisabled]]:
    """The endpoint after an attempt that failed, and what is told of it: one that is disabled by it is."""
    since = endpoint.failing_since or now
    after = replace(endpoint, failing_since=since, resume_at=verdict.resume_at or endpoint.resume_at)
    if not verdict.disabled_reason or endpoint.disabled_at is not None:
        return after, ()
    # The version rises: whoever decided to edit it has not seen this.
    after = replace(disabled(after, verdict.disabled_reason, now=now), version=endpoint.version + 1, updated_at=now)
    told = WebhookEndpointDisabled(endpoint_id=endpoint.endpoint_id, failing_since=since, reason=verdict.disabled_code)
    return after, (told,)


def disabled(endpoint: Endpoint, reason: str, *, now: datetime) -> Endpoint:
    """The endpoint, disabled for this reason; one that is disabled stays as it is."""
    if endpoint.disabled_at is not None:
        return endpoint
    return replace(endpoint, disabled_at=now, disabled_reason=reason)


def check_types(types: Sequence[str]) -> tuple[str, ...]:
    """The types in order, each once.

    Raises:
        InvalidInput: one is unknown to this release.
    """
    faults = [(f"/types/{at}", "is no event type") for at, name in enumerate(types) if name not in EVENT_TYPES]
    if faults:
        raise InvalidInput("an event type is unknown", pointers=faults)
    return tuple(sorted(set(types)))
