"""Routes of webhooks. An endpoint belongs to the client that made it; others do not learn that it is there.

Reading needs `events:read`, since an endpoint is sent what that scope lets one read; changing needs `webhooks:write`
beside it. Who looks after the installation (`ops:read`, `ops:write`) sees and mends everybody's, but for secrets.
"""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from common.web import (
    Client,
    CurrentClient,
    CurrentConnection,
    CurrentDatabase,
    CurrentTransaction,
    Cursor,
    IfMatch,
    Limit,
    OnceResponse,
    Page,
    ReadRoute,
    TransactionalRoute,
    needs_scope,
    set_etag,
)
from intake import queries
from intake.webhooks import usecases
from intake.webhooks.domain import Endpoint
from intake.webhooks.keys import SigningKey
from intake.webhooks.schemas import (
    CreateEndpointBody,
    DeliveryShown,
    EditEndpointBody,
    EndpointShown,
    EndpointWithSecret,
    ListDeliveriesQuery,
    ReplayBody,
    RotateBody,
)
from intake.webhooks.usecases import House

READ = needs_scope("events:read")
WRITE = needs_scope("events:read", "webhooks:write")

commands = APIRouter(prefix="/v1/webhooks", route_class=TransactionalRoute, tags=["webhooks"])
reads = APIRouter(prefix="/v1/webhooks", route_class=ReadRoute, tags=["webhooks"])


def housed_commands(house: House) -> APIRouter:
    """The commands that depend on what the settings say."""
    router = APIRouter(prefix="/v1/webhooks", route_class=TransactionalRoute, tags=["webhooks"])

    @router.post("", status_code=201, dependencies=[WRITE], response_model=EndpointWithSecret)
    async def create_webhook(command: CreateEndpointBody, tx: CurrentTransaction, client: CurrentClient) -> Response:
        """Make an endpoint for the calling client; it gets what is told from now on. Its secret is shown this once."""
        made = await usecases.create_endpoint(tx, house, command.wanted(client.client_id))
        return _with_secret(*made, status_code=201)

    @router.patch("/{endpoint_id}", dependencies=[WRITE])
    async def edit_webhook(
        endpoint_id: UUID,
        command: EditEndpointBody,
        tx: CurrentTransaction,
        client: CurrentClient,
        version: IfMatch,
        response: Response,
    ) -> EndpointShown:
        """Change an endpoint, disable it or enable it again."""
        endpoint = await usecases.edit_endpoint(
            tx, house, endpoint_id, command.wanted(), client_id=_writes(client), expected_version=version
        )
        set_etag(response, endpoint.version)
        return EndpointShown.of(endpoint, await usecases.list_keys(tx, endpoint_id))

    @router.post("/{endpoint_id}/rotate", dependencies=[WRITE], response_model=EndpointWithSecret)
    async def rotate_webhook(
        endpoint_id: UUID, command: RotateBody, tx: CurrentTransaction, client: CurrentClient
    ) -> Response:
        """Make a new secret, shown this once; the former one signs beside it for a while. Its owner alone may."""
        made = await usecases.rotate_keys(tx, house, endpoint_id, client_id=client.client_id, overlap=command.overlap)
        return _with_secret(*made, status_code=200)

    @router.post("/{endpoint_id}/test", status_code=202, dependencies=[WRITE])
    async def test_webhook(endpoint_id: UUID, tx: CurrentTransaction, client: CurrentClient) -> DeliveryShown:
        """Post an event that says no more than that it came; the log shows what became of it.

        409 `test_waits` while an earlier one waits to be taken.
        """
        return DeliveryShown.of(await usecases.ping(tx, house, endpoint_id, client_id=_writes(client)))

    @router.post("/{endpoint_id}/replay", status_code=202, dependencies=[WRITE])
    async def replay_webhook(
        endpoint_id: UUID, command: ReplayBody, tx: CurrentTransaction, client: CurrentClient
    ) -> EndpointShown:
        """Post intake's own events again from a time on, in their order and with their ids, and then go on."""
        endpoint = await usecases.replay(tx, house, endpoint_id, client_id=_writes(client), since=command.since)
        return EndpointShown.of(endpoint, await usecases.list_keys(tx, endpoint_id))

    return router


@commands.delete("/{endpoint_id}", dependencies=[WRITE])
async def delete_webhook(endpoint_id: UUID, tx: CurrentTransaction, client: CurrentClient) -> EndpointShown:
    """Delete an endpoint with its log and all that waits for it; shows it as it was."""
    return EndpointShown.of(await usecases.delete_endpoint(tx, endpoint_id, client_id=_writes(client)), [])


@commands.post("/{endpoint_id}/deliveries/{event_id}/redeliver", status_code=202, dependencies=[WRITE])
async def redeliver_webhook(
    endpoint_id: UUID, event_id: UUID, tx: CurrentTransaction, client: CurrentClient
) -> DeliveryShown:
    """Post one event again at once, with the same id."""
    return DeliveryShown.of(await usecases.redeliver(tx, endpoint_id, event_id, client_id=_writes(client)))


@reads.get("", dependencies=[READ])
async def list_webhooks(
    connection: CurrentConnection,
    database: CurrentDatabase,
    client: CurrentClient,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EndpointShown]:
    """The caller's endpoints, oldest first."""
    found, keys, following = await queries.list_webhooks(
        connection, client_id=_reads(client), now=database.clock.now(), cursor=cursor, limit=limit
    )
    return Page(items=[EndpointShown.of(endpoint, keys) for endpoint in found], next_cursor=following)


@reads.get("/{endpoint_id}", dependencies=[READ])
async def get_webhook(
    endpoint_id: UUID,
    connection: CurrentConnection,
    database: CurrentDatabase,
    client: CurrentClient,
    response: Response,
) -> EndpointShown:
    """One endpoint."""
    endpoint, keys = await queries.get_webhook(
        connection, endpoint_id, client_id=_reads(client), now=database.clock.now()
    )
    set_etag(response, endpoint.version)
    return EndpointShown.of(endpoint, keys)


@reads.get("/{endpoint_id}/deliveries", dependencies=[READ])
async def list_deliveries(
    endpoint_id: UUID,
    connection: CurrentConnection,
    client: CurrentClient,
    query: Annotated[ListDeliveriesQuery, Query()],
) -> Page[DeliveryShown]:
    """The log of an endpoint, the newest first: what was delivered, what is retried and what waits."""
    found, following = await queries.list_deliveries(connection, endpoint_id, query, client_id=_reads(client))
    return Page(items=[DeliveryShown.of(delivery) for delivery in found], next_cursor=following)


def _reads(client: Client) -> str | None:
    return None if "ops:read" in client.scopes else client.client_id


def _writes(client: Client) -> str | None:
    return None if "ops:write" in client.scopes else client.client_id


def _with_secret(endpoint: Endpoint, keys: Sequence[SigningKey], secret: str, *, status_code: int) -> Response:
    return OnceResponse(
        EndpointWithSecret.made(endpoint, keys, secret).model_dump_json().encode(),
        repeated=EndpointWithSecret.made(endpoint, keys, None).model_dump_json().encode(),
        status_code=status_code,
        headers={"etag": f'"{endpoint.version}"', "location": f"/v1/webhooks/{endpoint.endpoint_id}"},
    )
