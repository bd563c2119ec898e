"""All SQL of endpoints and their keys; that of lines and deliveries stands in `queue`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from intake.webhooks.domain import Endpoint, Scheme
from intake.webhooks.keys import SigningKey
from intake.webhooks.tables import webhook_endpoint, webhook_feed, webhook_key

_LAST_DRAWN = text("select coalesce(pg_sequence_last_value(pg_get_serial_sequence('event', 'id')::regclass), 0)")
_ADD_FEED = text(
    """
    insert into webhook_feed (endpoint_id, position)
    select :endpoint_id, coalesce(pg_sequence_last_value(pg_get_serial_sequence('event', 'id')::regclass), 0)
    """
)
_OCCURRED = text("select id, occurred_at from event where id >= :id order by id limit 1")
_LIVE = webhook_key.c.retires_at


async def get_endpoint(connection: AsyncConnection, endpoint_id: UUID, *, client_id: str | None) -> Endpoint:
    """One endpoint.

    Args:
        client_id: whose it must be; None where anybody's will do.
    Raises:
        NotFound: there is none of that id, or it is another client's.
    """
    return _found(await _read(connection, endpoint_id, client_id, locked=False), endpoint_id)


async def lock_endpoint(connection: AsyncConnection, endpoint_id: UUID, *, client_id: str | None) -> Endpoint:
    """The same, locked until the transaction ends."""
    return _found(await _read(connection, endpoint_id, client_id, locked=True), endpoint_id)


async def lock_endpoint_if_there(connection: AsyncConnection, endpoint_id: UUID) -> Endpoint | None:
    """The endpoint, locked; None where it was deleted."""
    return await _read(connection, endpoint_id, None, locked=True)


async def list_endpoints(
    connection: AsyncConnection, *, client_id: str | None, after: UUID | None, limit: int
) -> Sequence[Endpoint]:
    """A client's endpoints, or everybody's, behind an id and in the order of ids."""
    wanted = select(webhook_endpoint)
    if client_id is not None:
        wanted = wanted.where(webhook_endpoint.c.client_id == client_id)
    if after is not None:
        wanted = wanted.where(webhook_endpoint.c.endpoint_id > after)
    rows = await connection.execute(wanted.order_by(webhook_endpoint.c.endpoint_id).limit(limit))
    return [_endpoint(row) for row in rows.mappings()]


async def list_listening(connection: AsyncConnection, *, disabled_after: datetime) -> Sequence[Endpoint]:
    """The endpoints that are enabled, or were disabled after that time."""
    listening = webhook_endpoint.c.disabled_at.is_(None) | (webhook_endpoint.c.disabled_at > disabled_after)
    rows = await connection.execute(select(webhook_endpoint).where(listening))
    return [_endpoint(row) for row in rows.mappings()]


async def lock_client(connection: AsyncConnection, client_id: str) -> int:
    """How many endpoints a client has; nobody else makes one for it until the transaction ends."""
    await connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended('webhooks/' || :client_id, 0))"), {"client_id": client_id}
    )
    count = select(func.count()).where(webhook_endpoint.c.client_id == client_id)
    return (await connection.execute(count)).scalar_one()


async def add_endpoint(connection: AsyncConnection, endpoint: Endpoint) -> None:
    """Write a new endpoint down; it is fed what is told from now on."""
    await connection.execute(insert(webhook_endpoint), _row(endpoint))
    await connection.execute(_ADD_FEED, {"endpoint_id": endpoint.endpoint_id})


async def save_endpoint(connection: AsyncConnection, endpoint: Endpoint) -> None:
    """Write a locked endpoint back."""
    await connection.execute(
        update(webhook_endpoint).where(webhook_endpoint.c.endpoint_id == endpoint.endpoint_id), _row(endpoint)
    )


async def delete_endpoint(connection: AsyncConnection, endpoint_id: UUID) -> None:
    """Delete a locked endpoint with its keys and its feed."""
    for table in (webhook_endpoint, webhook_key, webhook_feed):
        await connection.execute(delete(table).where(table.c.endpoint_id == endpoint_id))


async def add_key(connection: AsyncConnection, key: SigningKey) -> None:
    """Keep a new key."""
    await connection.execute(insert(webhook_key), asdict(key) | {"scheme": key.scheme.value})


async def list_keys(connection: AsyncConnection, endpoint_ids: Sequence[UUID], *, now: datetime) -> list[SigningKey]:
    """The keys of these endpoints that sign now, the newest first."""
    wanted = (
        select(webhook_key)
        .where(webhook_key.c.endpoint_id.in_(endpoint_ids), _LIVE.is_(None) | (now < _LIVE))
        .order_by(webhook_key.c.created_at.desc(), webhook_key.c.scheme)
    )
    rows = await connection.execute(wanted)
    return [_key(row) for row in rows.mappings()]


async def retire_keys(connection: AsyncConnection, endpoint_id: UUID, *, at: datetime) -> None:
    """Let the keys of a locked endpoint sign until `at` at the longest."""
    own = webhook_key.c.endpoint_id == endpoint_id
    await connection.execute(update(webhook_key).where(own, _LIVE.is_(None) | (at < _LIVE)).values(retires_at=at))


async def delete_retired_keys(connection: AsyncConnection, *, now: datetime) -> None:
    """Forget keys that sign no more."""
    await connection.execute(delete(webhook_key).where(now >= _LIVE))


async def list_sealed(connection: AsyncConnection) -> Sequence[tuple[UUID, bytes]]:
    """Every secret as it is kept, locked, by the id of its key."""
    wanted = select(webhook_key.c.key_id, webhook_key.c.sealed).order_by(webhook_key.c.key_id).with_for_update()
    return [(row.key_id, row.sealed) for row in await connection.execute(wanted)]


async def save_sealed(connection: AsyncConnection, key_id: UUID, sealed: bytes) -> None:
    """Keep a secret under another seal."""
    await connection.execute(update(webhook_key).where(webhook_key.c.key_id == key_id).values(sealed=sealed))


async def set_back(connection: AsyncConnection, endpoint_id: UUID, *, position: int) -> int:
    """Let a locked endpoint be fed again from behind a position; one that is fed from further back stays so.

    Returns:
        Behind which position it is fed.
    """
    feed = webhook_feed.c
    earlier = update(webhook_feed).values(position=func.least(feed.position, position))
    return (
        await connection.execute(earlier.where(feed.endpoint_id == endpoint_id).returning(feed.position))
    ).scalar_one()


async def find_position(connection: AsyncConnection, *, since: datetime) -> int:
    """The position in the archive behind which lies everything that happened from that time on.

    Ids grow with time but for transactions side by side, so it is found by halves.
    """
    low, high = 0, (await connection.execute(_LAST_DRAWN)).scalar_one()
    while low < high:
        middle = (low + high) // 2
        row = (await connection.execute(_OCCURRED, {"id": middle + 1})).one_or_none()
        if row is None or row.occurred_at >= since:
            high = middle
        else:
            low = row.id
    return low


async def _read(
    connection: AsyncConnection, endpoint_id: UUID, client_id: str | None, *, locked: bool
) -> Endpoint | None:
    wanted = select(webhook_endpoint).where(webhook_endpoint.c.endpoint_id == endpoint_id)
    if client_id is not None:
        wanted = wanted.where(webhook_endpoint.c.client_id == client_id)
    if locked:
        wanted = wanted.with_for_update()
    row = (await connection.execute(wanted)).mappings().one_or_none()
    return None if row is None else _endpoint(row)


def _found(endpoint: Endpoint | None, endpoint_id: UUID) -> Endpoint:
    if endpoint is None:
        raise NotFound(f"there is no webhook endpoint {endpoint_id}")
    return endpoint


def _endpoint(row: RowMapping) -> Endpoint:
    given: dict[str, Any] = dict(row)
    given["types"] = tuple(row["types"])
    return Endpoint(**given)


def _key(row: RowMapping) -> SigningKey:
    given: dict[str, Any] = dict(row)
    given["scheme"] = Scheme(row["scheme"])
    return SigningKey(**given)


def _row(endpoint: Endpoint) -> dict[str, Any]:
    return asdict(endpoint) | {"types": list(endpoint.types)}
