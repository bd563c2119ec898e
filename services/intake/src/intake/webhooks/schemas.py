"""What clients send and get about webhooks."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, StrictBool

from common.web import CommandModel, Moment, ResponseModel
from intake.webhooks.domain import Delivery, DeliveryState, Endpoint, EndpointEdit, Scheme
from intake.webhooks.keys import SigningKey
from intake.webhooks.usecases import NewEndpoint

Url = Annotated[str, Field(pattern=r"^https?://[!-~]{1,1990}$", description="https, in ASCII")]
Type = Annotated[str, Field(max_length=100)]
Types = Annotated[list[Type], Field(max_length=100, description="names of event types; none means all")]
Description = Annotated[str, Field(max_length=500)]


class CreateEndpointBody(CommandModel):
    """A new endpoint. With `asymmetric` each post carries a `v1a` signature too, to be checked by a public key."""

    url: Url
    types: Types = Field(default=[])
    description: Description = ""
    asymmetric: StrictBool = False

    def wanted(self, client_id: str) -> NewEndpoint:
        """What the use case takes."""
        return NewEndpoint(
            client_id=client_id,
            url=self.url,
            types=tuple(self.types),
            description=self.description,
            with_pair=self.asymmetric,
        )


class EditEndpointBody(CommandModel):
    """Fields to change; absent ones stay. `enabled` true goes on with the first event that was not taken."""

    url: Url | None = None
    types: Types | None = None
    description: Description | None = None
    enabled: StrictBool | None = None

    def wanted(self) -> EndpointEdit:
        """What the use case takes."""
        return EndpointEdit(
            url=self.url,
            types=None if self.types is None else tuple(self.types),
            description=self.description,
            enabled=self.enabled,
        )


class RotateBody(CommandModel):
    """For how long the former secrets sign beside the new one; 0 where they have leaked."""

    overlap_s: int = Field(default=86_400, ge=0, le=7 * 86_400, strict=True)

    @property
    def overlap(self) -> timedelta:
        """As the use case takes it."""
        return timedelta(seconds=self.overlap_s)


class ReplayBody(CommandModel):
    """From when on intake's own events are posted again; up to a minute of earlier ones may come too."""

    since: Moment


class ListDeliveriesQuery(CommandModel):
    """Filters of the log, joined."""

    state: DeliveryState | None = None
    subject: Annotated[str, Field(max_length=100, pattern=r"^([a-z_]{1,32}/[A-Za-z0-9-]{1,64})?$")] = ""
    cursor: str | None = Field(default=None, max_length=512, description="`next_cursor` of the page before")
    limit: Annotated[int, Field(ge=1, le=200, description="Items in one page")] = 50


class KeyShown(ResponseModel):
    """A key that signs. `public_key` is empty with `v1`, whose secret is shown once only."""

    scheme: Scheme
    public_key: str
    created_at: datetime
    retires_at: datetime | None


class EndpointShown(ResponseModel):
    """An endpoint. `failing_since` is when its first failure was after its last success."""

    id: UUID
    client_id: str
    url: str
    types: list[str]
    description: str
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str
    failing_since: datetime | None
    resume_at: datetime | None
    keys: list[KeyShown]
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, endpoint: Endpoint, keys: Sequence[SigningKey]) -> Self:
        """The endpoint with the keys that are its own."""
        return cls(**_shown(endpoint, keys))


class EndpointWithSecret(EndpointShown):
    """An endpoint with its new secret, which is never shown again: a repeat of the request gets null."""

    secret: str | None

    @classmethod
    def made(cls, endpoint: Endpoint, keys: Sequence[SigningKey], secret: str | None) -> Self:
        """The endpoint with the keys that are its own."""
        return cls(secret=secret, **_shown(endpoint, keys))


class DeliveryShown(ResponseModel):
    """One event for one endpoint. `next_attempt_at` is null where an earlier event of the subject goes first, or where
    the next attempt is about to be made."""

    event_id: UUID
    source: str
    subject: str
    subjectseq: int
    type: str
    state: DeliveryState
    attempts: int
    last_status: int | None
    error: str
    created_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """The delivery."""
        given = asdict(delivery)
        del given["position"]
        return cls(subjectseq=given.pop("seq"), **given)


def _shown(endpoint: Endpoint, keys: Sequence[SigningKey]) -> dict[str, Any]:
    given: dict[str, Any] = asdict(endpoint)
    return given | {
        "id": given.pop("endpoint_id"),
        "enabled": endpoint.disabled_at is None,
        "keys": [
            KeyShown(scheme=key.scheme, public_key=key.public_key, created_at=key.created_at, retires_at=key.retires_at)
            for key in keys
            if key.endpoint_id == endpoint.endpoint_id
        ],
    }
