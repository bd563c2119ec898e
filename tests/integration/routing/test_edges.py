"""Whatever is sent to routing: a clear refusal or the truth. And the schema is the one declared."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from routing.metadata import METADATA
from tests.integration.routing.conftest import Routing
from tests.support.authorization import Keyring, check_authorization, prepare
from tests.support.openapi import check_openapi
from tests.support.serving import serving

_OURS = ("agent", "skill", "queue", "ticket", "work_item", "assignment", "offer", "decision", "routing_")


@pytest.mark.timeout(600)
async def test_nothing_breaks_the_document(routing: Routing) -> None:
    """schemathesis finds no 5xx and no answer that the document does not describe."""
    await routing.agent()
    await routing.open()
    await (await routing.decider()).decide_once()
    scopes = ("agents:read", "agents:write", "routing:read", "routing:write", "routing:admin")
    async with serving(routing.app) as url:
        assert await check_openapi(url, routing.key(*scopes, "act-as", "events:read", "ops:read", "ops:write")) >= 30


async def test_every_cell_of_the_authorization_matrix(routing: Routing) -> None:
    """Each route lets in exactly the keys with its scopes."""
    keyring = Keyring(routing.clients_file, routing.clock.now())
    prepare(routing.app, keyring)
    routing.key("routing:read")
    routing.http.headers.pop("authorization")
    assert await check_authorization(routing.app, routing.http, keyring) > 30 * 19


async def test_the_migrations_make_the_declared_tables(routing: Routing) -> None:
    """The live schema differs from the metadata in nothing that Alembic can see."""

    def compare(connection: Connection) -> list[Any]:
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
        return [difference for difference in found if any(name in str(difference) for name in _OURS)]

    async with routing.database.read() as connection:
        assert await connection.run_sync(compare) == []
