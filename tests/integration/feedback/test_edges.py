"""Whatever is sent to feedback: a clear refusal or the truth. And the schema is the one declared."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from feedback.metadata import METADATA
from tests.integration.feedback.conftest import Feedback
from tests.support.authorization import Keyring, cells, check_authorization, prepare

_OURS = ("ticket", "person", "known_agent", "survey", "followup")


async def test_every_cell_of_the_authorization_matrix(feedback: Feedback) -> None:
    """Each route lets in exactly the keys with its scopes; the survey page lets in everybody."""
    keyring = Keyring(feedback.clients_file, feedback.clock.now())
    prepare(feedback.app, keyring)
    feedback.key("feedback:read")
    feedback.http.headers.pop("authorization")
    assert await check_authorization(feedback.app, feedback.http, keyring) > 15 * 19


def test_the_survey_page_alone_is_public(feedback: Feedback) -> None:
    """No other route lets in a caller without a key."""
    open_ones = {cell.path for cell in cells(feedback.app) if cell.credential == "none" and cell.status is None}
    assert {path.split("/")[1] for path in open_ones} == {"s"}
    assert len(open_ones) == 3


async def test_the_migrations_make_the_declared_tables(feedback: Feedback) -> None:
    """The live schema differs from the metadata in nothing that Alembic can see."""

    def compare(connection: Connection) -> list[Any]:
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
        return [difference for difference in found if any(name in str(difference) for name in _OURS)]

    async with feedback.database.read() as connection:
        assert await connection.run_sync(compare) == []
