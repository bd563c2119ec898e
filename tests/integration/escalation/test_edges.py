"""Who is let in, and that the schema is the one declared."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from escalation.metadata import METADATA
from tests.integration.escalation.conftest import Escalation
from tests.support.authorization import Keyring, check_authorization, prepare

_OURS = frozenset(METADATA.tables)


async def test_every_cell_of_the_authorization_matrix(escalation: Escalation) -> None:
    """Each route lets in exactly the keys with its scopes."""
    keyring = Keyring(escalation.clients_file, escalation.clock.now())
    prepare(escalation.app, keyring)
    escalation.key("escalation:read")
    escalation.http.headers.pop("authorization")
    assert await check_authorization(escalation.app, escalation.http, keyring) > 20 * 19


async def test_the_migrations_make_the_declared_tables(escalation: Escalation) -> None:
    """The live schema differs from the metadata in nothing that Alembic can see."""

    def compare(connection: Connection) -> list[Any]:
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
        return [difference for difference in found if any(name in str(difference) for name in _OURS)]

    async with escalation.database.read() as connection:
        assert await connection.run_sync(compare) == []
