"""What the service can do with webhooks. Attempts are settled in `settling`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from uuid import UUID

import msgspec

from common.errors import Conflict, InvalidInput, NotFound, StaleVersion
from common.ids import new_id
from common.transaction import Transaction
from common.webhooks import ForbiddenAddress, Network, UnusableUrl, check_address, read_url
from contracts.envelope import Event, as_json, format_time, subject_of
from intake.webhooks import log, queue, store
from intake.webhooks.domain import (
    MAX_BODY_BYTES,
    MAX_ENDPOINTS,
    MAX_GENERATIONS,
    PING,
    PING_KIND,
    Delivery,
    Endpoint,
    EndpointEdit,
    Letter,
    Scheme,
    check_types,
    edited,
)
from intake.webhooks.keys import Sealed, Sealer, SigningKey

_log = logging.getLogger(__name__)
_REPLAY_MARGIN = timedelta(minutes=1)
"""Longer than a transaction can take: so far the archive's order may differ from that of the facts' times."""
_PRUNE_AT_ONCE = 5_000


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """What the settings say.

    Attributes:
        sealer: None where no key is set up: then there are no webhooks.
        allowed: networks that may be called though they are not public, and by plain HTTP.
        source: our own `ce_source`.
        keep: how long deliveries stay, and how long a disabled endpoint collects other services' events.
    """

    sealer: Sealer | None
    allowed: tuple[Network, ...]
    source: str
    keep: timedelta

    def require_sealer(self) -> Sealer:
        """Raises: Conflict: webhooks are not set up."""
        if self.sealer is None:
            raise Conflict(
                "webhooks are not set up here: an operator sets FRONTLINE_INTAKE_WEBHOOKS_KEY", code="webhooks_disabled"
            )
        return self.sealer


@dataclass(frozen=True, kw_only=True, slots=True)
class NewEndpoint:
    """What a client asks for."""

    client_id: str
    url: str
    types: tuple[str, ...]
    description: str
    with_pair: bool


async def create_endpoint(tx: Transaction, house: House, wanted: NewEndpoint) -> tuple[Endpoint, list[SigningKey], str]:
    """Make an endpoint; it gets what is told from now on.

    Returns:
        The endpoint, its keys, and the secret as it is shown this once.
    Raises:
        Conflict: webhooks are not set up, or the client has as many as it may.
        InvalidInput: the URL or a type cannot be used.
    """
    sealer = house.require_sealer()
    _check_url(wanted.url, house.allowed)
    types = check_types(wanted.types)
    if await store.lock_client(tx.connection, wanted.client_id) >= MAX_ENDPOINTS:
        raise Conflict(f"a client has at most {MAX_ENDPOINTS} endpoints: delete one", code="too_many_endpoints")
    endpoint = Endpoint(
        endpoint_id=new_id(),
        client_id=wanted.client_id,
        url=wanted.url,
        types=types,
        description=wanted.description,
        version=1,
        created_at=tx.now,
        updated_at=tx.now,
    )
    await store.add_endpoint(tx.connection, endpoint)
    keys, secret = await _add_keys(tx, sealer, endpoint.endpoint_id, with_pair=wanted.with_pair)
    return endpoint, keys, secret


async def edit_endpoint(
    tx: Transaction,
    house: House,
    endpoint_id: UUID,
    edit: EndpointEdit,
    *,
    client_id: str | None,
    expected_version: int,
) -> Endpoint:
    """Change an endpoint. One that is enabled again goes on with the first event that it has not taken.

    Args:
        client_id: whose it must be; None where anybody's will do.
    Raises:
        NotFound, StaleVersion.
        InvalidInput: the URL or a type cannot be used.
    """
    if edit.url is not None:
        _check_url(edit.url, house.allowed)
    if edit.types is not None:
        edit = replace(edit, types=check_types(edit.types))
    before = await store.lock_endpoint(tx.connection, endpoint_id, client_id=client_id)
    if before.version != expected_version:
        raise StaleVersion(f"the endpoint is at version {before.version}, not {expected_version}")
    after = edited(before, edit, by=tx.origin.actor, now=tx.now)
    await store.save_endpoint(tx.connection, after)
    if before.disabled_at is not None and after.disabled_at is None:
        await queue.begin_anew(tx, endpoint_id)
    return after


async def delete_endpoint(tx: Transaction, endpoint_id: UUID, *, client_id: str | None) -> Endpoint:
    """Delete an endpoint with all that waits for it; returns it as it was.

    Raises:
        NotFound: there is none.
    """
    endpoint = await store.lock_endpoint(tx.connection, endpoint_id, client_id=client_id)
    await store.delete_endpoint(tx.connection, endpoint_id)
    await queue.delete_lines(tx, endpoint_id)
    return endpoint


async def list_keys(tx: Transaction, endpoint_id: UUID) -> list[SigningKey]:
    """The keys of an endpoint that sign now, the newest first."""
    return await store.list_keys(tx.connection, [endpoint_id], now=tx.now)


async def rotate_keys(
    tx: Transaction, house: House, endpoint_id: UUID, *, client_id: str, overlap: timedelta
) -> tuple[Endpoint, list[SigningKey], str]:
    """Make new keys of the schemes that the endpoint has; the former ones sign beside them for `overlap`.

    Returns:
        The endpoint, its keys that sign now, and the new secret as it is shown this once.
    Raises:
        NotFound: there is none of that id, or it is another client's.
        Conflict: too many secrets would sign at once; or webhooks are not set up.
    """
    sealer = house.require_sealer()
    before = await store.lock_endpoint(tx.connection, endpoint_id, client_id=client_id)
    after = replace(before, version=before.version + 1, updated_at=tx.now)
    await store.save_endpoint(tx.connection, after)
    with_pair = any(key.scheme is Scheme.V1A for key in await store.list_keys(tx.connection, [endpoint_id], now=tx.now))
    await store.retire_keys(tx.connection, endpoint_id, at=tx.now + overlap)
    former = await store.list_keys(tx.connection, [endpoint_id], now=tx.now)
    if sum(key.scheme is Scheme.V1 for key in former) >= MAX_GENERATIONS:
        detail = "too many secrets would sign at once: wait, or rotate with a shorter overlap"
        raise Conflict(detail, code="too_many_secrets")
    keys, secret = await _add_keys(tx, sealer, endpoint_id, with_pair=with_pair)
    return after, [*keys, *former], secret


async def ping(tx: Transaction, house: House, endpoint_id: UUID, *, client_id: str | None) -> Delivery:
    """Put an event into a line of its own that says no more than that it came.

    Raises:
        NotFound: there is none of that id, or it is another client's.
        Conflict: the endpoint is disabled, or a test waits already.
    """
    # Locked, so that of two at once the second one sees the first.
    endpoint = await store.lock_endpoint(tx.connection, endpoint_id, client_id=client_id)
    _check_enabled(endpoint)
    if await log.has_waiting_ping(tx.connection, endpoint_id):
        raise Conflict("a test of this endpoint waits already: the log shows what it met", code="test_waits")
    event_id = new_id()
    # A subject for each, so that a test neither waits for another one nor for an event.
    letter = Letter(
        event_id=event_id,
        source=house.source,
        subject=subject_of(PING_KIND, event_id),
        seq=1,
        type=PING,
        body=msgspec.json.encode(
            {
                "specversion": "1.0",
                "id": str(event_id),
                "source": house.source,
                "type": PING,
                "subject": subject_of(PING_KIND, event_id),
                "time": format_time(tx.now),
                "subjectseq": 1,
                "datacontenttype": "application/json",
                "data": {"endpoint_id": str(endpoint_id)},
            }
        ),
    )
    await queue.add_letters(tx, [(endpoint_id, letter)])
    return await _get_delivery(tx, endpoint_id, event_id)


async def redeliver(tx: Transaction, endpoint_id: UUID, event_id: UUID, *, client_id: str | None) -> Delivery:
    """Let one delivery be made again, with the same id. It keeps its place in its line.

    Raises:
        NotFound: there is no such endpoint, or its log has no such event.
        Conflict: the endpoint is disabled.
    """
    endpoint = await store.get_endpoint(tx.connection, endpoint_id, client_id=client_id)
    _check_enabled(endpoint)
    if not await queue.put_back(tx, endpoint_id, event_id):
        raise NotFound(f"the log of the endpoint has no event {event_id}")
    return await _get_delivery(tx, endpoint_id, event_id)


async def replay(
    tx: Transaction, house: House, endpoint_id: UUID, *, client_id: str | None, since: datetime
) -> Endpoint:
    """Let our own events be posted again from that time on, in their order, and then go on.

    What waits of them is taken out of the lines and comes back with the rest: else a later one that waits could go
    before an earlier one that the feed has put behind it.

    Raises:
        NotFound: there is none of that id, or it is another client's.
        InvalidInput: the time lies ahead.
    """
    if since > tx.now:
        raise InvalidInput("a replay begins in the past", pointers=[("/since", "lies ahead")])
    endpoint = await store.lock_endpoint(tx.connection, endpoint_id, client_id=client_id)
    # From year 1 there is no minute back.
    start = max(since, datetime.min.replace(tzinfo=since.tzinfo) + _REPLAY_MARGIN) - _REPLAY_MARGIN
    position = await store.find_position(tx.connection, since=start)
    fed_to = await store.set_back(tx.connection, endpoint_id, position=position)
    await queue.take_out(tx, endpoint_id, own_source=house.source, behind=fed_to)
    return endpoint


async def hear_events(tx: Transaction, events: Sequence[Event], *, keep: timedelta) -> None:
    """Put other services' events into the lines of all endpoints that want them, in the order given."""
    endpoints = await store.list_listening(tx.connection, disabled_after=tx.now - keep)
    if not endpoints:
        return
    letters = [letter_of(event) for event in events]
    wanted = [
        (endpoint.endpoint_id, letter)
        for letter in letters
        for endpoint in endpoints
        if not endpoint.types or letter.type in endpoint.types
    ]
    await queue.add_letters(tx, wanted)


def letter_of(event: Event) -> Letter:
    """The event as it is posted: in CloudEvents' JSON format, and without its data where that is too long for a post.

    Source: CloudEvents extension "dataref", for data that must be fetched from elsewhere.
    """
    shown = as_json(event)
    body = msgspec.json.encode(shown)
    if len(body) > MAX_BODY_BYTES:
        del shown["data"]
        body = msgspec.json.encode(shown | {"dataref": f"/v1/events?subject={event.subject}&types={event.type}"})
    return Letter(
        event_id=event.id,
        source=event.source,
        subject=event.subject,
        seq=event.seq,
        type=event.type,
        body=body,
    )


async def prune(tx: Transaction, house: House) -> None:
    """Forget deliveries that are older than we keep them, and keys that sign no more."""
    await log.prune(tx, own_source=house.source, before=tx.now - house.keep, limit=_PRUNE_AT_ONCE)
    await store.delete_retired_keys(tx.connection, now=tx.now)


async def reseal(tx: Transaction, *, sealer: Sealer) -> None:
    """Put every secret under the first of our keys, so that a former one can go.

    One that none of our keys opens holds up no other, or all would be lost when the former key goes.
    """
    for key_id, sealed in await store.list_sealed(tx.connection):
        try:
            anew = sealer.resealed(sealed)
        except Sealed as lost:
            _log.error("key %s of a webhook: %s", key_id, lost)
            continue
        if anew is not None:
            await store.save_sealed(tx.connection, key_id, anew)


async def _add_keys(
    tx: Transaction, sealer: Sealer, endpoint_id: UUID, *, with_pair: bool
) -> tuple[list[SigningKey], str]:
    key, secret = sealer.make_secret(endpoint_id, now=tx.now)
    keys = [key, sealer.make_pair(endpoint_id, now=tx.now)] if with_pair else [key]
    for each in keys:
        await store.add_key(tx.connection, each)
    return keys, secret


async def _get_delivery(tx: Transaction, endpoint_id: UUID, event_id: UUID) -> Delivery:
    found = await log.find_delivery(tx.connection, endpoint_id, event_id)
    if found is None:
        raise NotFound(f"the log of the endpoint has no event {event_id}")
    return found


def _check_enabled(endpoint: Endpoint) -> None:
    if endpoint.disabled_at is not None:
        raise Conflict(f"the endpoint is disabled: {endpoint.disabled_reason}", code="endpoint_disabled")


def _check_url(url: str, allowed: Sequence[Network]) -> None:
    """Refuse what could never be posted to. Names are looked up at every attempt, not here."""
    try:
        parts = read_url(url)
        if parts.scheme == "http" and not allowed:
            raise ForbiddenAddress("it must be https")
        if _is_address(parts.host):
            check_address(parts.host, allowed=allowed, scheme=parts.scheme)
    except (UnusableUrl, ForbiddenAddress) as unusable:
        raise InvalidInput(
            "the URL cannot be used", code="url_not_allowed", pointers=[("/url", str(unusable))]
        ) from unusable


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False  # a name, or a number that only a resolver takes for an address: judged when it was asked
    return True
