"""The service's composition."""

from pathlib import Path

from sqlalchemy import MetaData

from common.service import Service
from common.settings import ServiceSettings
from common.tables import add_common_tables
from tests.support.notes.api import commands, queries


class NotesSettings(ServiceSettings):
    """Nothing of its own."""


metadata = MetaData()
add_common_tables(metadata)


def build(settings: NotesSettings) -> Service:
    """The notes service."""
    return Service(
        name="notes",
        settings=settings,
        metadata=metadata,
        migrations=Path(__file__).parent / "migrations",
        routers=[commands, queries],
    )
