"""Bringing a database to the schema of this release: `common`'s branch and the service's own, each to its head.

Revision ids are "<branch>_<number>", for instance "intake_0003"; a service's branch starts from nothing
(`down_revision = None`) and carries the service's name as its label.
"""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from common.database import Database, foreign_errors, read_url
from common.errors import Misconfigured, Unavailable
from common.settings import DatabaseSettings

_log = logging.getLogger(__name__)
_HOME = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x46524F4E544C4E45
"""Any fixed number; this one is "FRONTLNE" in ASCII."""
_TURN_LIMIT = timedelta(minutes=2)
"""How long one migrating process waits for another."""
_LOCK_LIMIT = timedelta(seconds=5)
"""A migration that waits longer for a table would itself hold up everybody behind it."""
_STATEMENT_LIMIT = timedelta(hours=1)
"""Rewriting or indexing a large table takes its time, and beginning anew takes it once more."""
_PATIENCE = timedelta(minutes=10)
"""For how long trouble that passes is met by beginning anew: longer than a server takes to fail over, or to be there in
a new cluster, and than a report takes that holds a table. After it whoever started us should hear of it."""
_PAUSE = timedelta(seconds=10)
"""Longer than the wait for a table, so that those who queued up behind us have their turn."""


async def migrate(
    settings: DatabaseSettings, service_migrations: Path | None = None, *, patience: timedelta = _PATIENCE
) -> None:
    """Bring the database to the newest schema; a second process at the same time waits, then finds nothing to do.

    Where the database is away or a lock is not to be had in time it begins anew: what was applied stays, and no
    revision is half done.

    Args:
        service_migrations: the service's `migrations` folder, which holds `versions`; None migrates `common` alone.
        patience: no attempt begins later than this; zero makes one.
    Raises:
        Unavailable: the trouble did not pass in time; run it again.
        Misconfigured: the database URL cannot be used, or the server refuses us.
    """
    time = asyncio.get_running_loop().time
    last_start = time() + patience.total_seconds()
    while True:
        try:
            await _attempt(settings, service_migrations)
            return
        except Unavailable as trouble:
            if time() + _PAUSE.total_seconds() > last_start:
                raise
            _log.warning("the migration begins anew in a moment: %s", trouble.detail)
        await asyncio.sleep(_PAUSE.total_seconds())


async def _attempt(settings: DatabaseSettings, service_migrations: Path | None) -> None:
    # One connection, closed at the end: the advisory lock goes with it, however this process ends.
    engine = create_async_engine(
        read_url(settings).set(drivername="postgresql+asyncpg"),
        pool_size=1,
        max_overflow=0,
        connect_args={"ssl": settings.tls(), "timeout": settings.connect_timeout.total_seconds()},
    )
    try:
        with foreign_errors():
            async with engine.connect() as connection:
                await connection.execute(text(f"set lock_timeout = {_milliseconds(_TURN_LIMIT)}"))
                await connection.execute(text(f"select pg_advisory_lock({_ADVISORY_LOCK})"))
                await connection.execute(text(f"set lock_timeout = {_milliseconds(_LOCK_LIMIT)}"))
                await connection.execute(text(f"set statement_timeout = {_milliseconds(_STATEMENT_LIMIT)}"))
                await connection.commit()
                await connection.run_sync(_upgrade, _config(service_migrations))
    finally:
        await engine.dispose()


async def check_schema(database: Database, service_migrations: Path | None = None) -> None:
    """Refuse to start on a database that is older than this code; a newer one is welcome (a rolling upgrade).

    Raises:
        Misconfigured: migrations are missing; names them.
        Unavailable: the database is away.
    """
    script = ScriptDirectory.from_config(_config(service_migrations))
    async with database.read() as connection:
        applied = await connection.run_sync(_applied)
    ours = {revision.revision for revision in script.walk_revisions()}
    ahead = {revision.partition("_")[0] for revision in applied - ours}
    missing = sorted(head for head in set(script.get_heads()) - applied if head.partition("_")[0] not in ahead)
    if missing:
        raise Misconfigured(f"the database lacks the migrations up to {', '.join(missing)}: run the migrate command")


def _config(service_migrations: Path | None) -> Config:
    config = Config()
    locations = [_HOME / "versions"] + ([service_migrations / "versions"] if service_migrations else [])
    config.set_main_option("script_location", str(_HOME))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(location) for location in locations))
    return config


def _upgrade(connection: Connection, config: Config) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")


def _applied(connection: Connection) -> set[str]:
    return set(MigrationContext.configure(connection).get_current_heads())


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
