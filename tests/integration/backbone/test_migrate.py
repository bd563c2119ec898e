"""Migrations: once however many run them, an old database is refused, a newer one is welcome."""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, MetaData, text

import common.migrate
from common.clock import SystemClock
from common.database import Database
from common.errors import Misconfigured, Unavailable
from common.lifecycle import spawn
from common.migrate import check_schema, migrate
from common.settings import DatabaseSettings
from common.tables import add_common_tables
from tests.support.backbone import ORIGIN, count, database_settings, migrated, open_database
from tests.support.eventually import eventually
from tests.support.proxy import proxy

REVISION = """
from alembic import op
revision = "{revision}"
down_revision = {below}
branch_labels = {labels}
def upgrade():
    op.execute("create table {table} (id bigint primary key)")
"""


def write_revision(folder: Path, number: int, table: str) -> None:
    versions = folder / "versions"
    versions.mkdir(exist_ok=True)
    below = None if number == 1 else f"shop_{number - 1:04}"
    labels = ("shop",) if number == 1 else None
    revision = REVISION.format(revision=f"shop_{number:04}", below=repr(below), labels=repr(labels), table=table)
    (versions / f"shop_{number:04}.py").write_text(revision)


async def test_several_at_once_migrate_once_and_the_tables_are_those_declared(empty_database: str) -> None:
    settings = database_settings(empty_database)
    await asyncio.gather(*(migrate(settings) for _ in range(3)))

    def differences(connection: Connection) -> list[object]:
        metadata = MetaData()
        add_common_tables(metadata)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        return [found for found in compare_metadata(context, metadata) if "alembic_version" not in repr(found)]

    async with migrated(empty_database) as database, database.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_services_own_branch_goes_beside_the_common_one(empty_database: str, tmp_path: Path) -> None:
    write_revision(tmp_path, 1, "first")
    await migrate(database_settings(empty_database), tmp_path)
    database = open_database(empty_database)
    await check_schema(database, tmp_path)

    write_revision(tmp_path, 2, "second")
    with pytest.raises(Misconfigured, match="lacks the migrations up to shop_0002"):
        await check_schema(database, tmp_path)
    await migrate(database_settings(empty_database), tmp_path)
    await check_schema(database, tmp_path)
    assert await count(database, "second") == 0

    # The release before, in a rolling upgrade: it meets a database that is ahead of it.
    (tmp_path / "versions" / "shop_0002.py").unlink()
    await check_schema(database, tmp_path)
    await database.close()


async def test_an_empty_database_is_refused(empty_database: str) -> None:
    database = open_database(empty_database)
    with pytest.raises(Misconfigured, match="lacks the migrations up to common_0004: run the migrate command"):
        await check_schema(database)
    await database.close()


async def test_an_unreachable_server_and_a_wrong_name_are_told_apart(empty_database: str) -> None:
    nobody = DatabaseSettings(url=SecretStr("postgresql://postgres@127.0.0.1:1/x"))
    with pytest.raises(Unavailable):
        await migrate(nobody, patience=timedelta(0))
    database = open_database(empty_database + "x")
    with pytest.raises(Misconfigured, match="does not exist"):
        await count(database, "event")
    await database.close()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is said while a migration begins anew again and again, without the pauses that a real one makes."""
    monkeypatch.setattr(common.migrate, "_PAUSE", timedelta(milliseconds=10))
    monkeypatch.setattr(common.migrate, "_LOCK_LIMIT", timedelta(milliseconds=50))
    caplog.set_level(logging.WARNING, logger="common.migrate")
    return caplog


def begun_anew(said: pytest.LogCaptureFixture, *, because: str) -> int:
    return sum("begins anew" in record.getMessage() and because in record.getMessage() for record in said.records)


async def test_a_table_that_others_hold_is_waited_for(
    empty_database: str, tmp_path: Path, soon: pytest.LogCaptureFixture
) -> None:
    write_revision(tmp_path, 1, "first")
    settings = database_settings(empty_database)
    await migrate(settings, tmp_path)
    write_revision(tmp_path, 2, "second")
    path = tmp_path / "versions" / "shop_0002.py"
    path.write_text(path.read_text() + '    op.execute("alter table first add column late int")\n')

    async def twice() -> bool:
        return begun_anew(soon, because="lock timeout") >= 2

    database = open_database(empty_database)
    async with asyncio.TaskGroup() as group, database.begin(ORIGIN) as holder:
        await holder.connection.execute(text("lock table first in access share mode"))
        spawn(group, migrate(settings, tmp_path), name="migrating")
        await eventually(twice)
    await check_schema(database, tmp_path)
    async with database.read() as connection:
        assert await connection.scalar(text("select count(late) from first")) == 0
    await database.close()


async def test_a_server_that_is_not_there_yet_is_waited_for(
    empty_database: str, tmp_path: Path, soon: pytest.LogCaptureFixture
) -> None:
    write_revision(tmp_path, 1, "first")

    async def noticed() -> bool:
        return begun_anew(soon, because="did not finish") >= 2

    async with proxy(empty_database) as server:
        server.away = True
        async with asyncio.TaskGroup() as group:
            spawn(group, migrate(database_settings(server.url), tmp_path), name="migrating")
            await eventually(noticed)
            server.away = False
    database = open_database(empty_database)
    await check_schema(database, tmp_path)
    await database.close()


async def test_patience_with_a_server_that_does_not_come_ends(
    soon: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common.migrate, "_PAUSE", timedelta(milliseconds=100))
    nobody = DatabaseSettings(url=SecretStr("postgresql://postgres@127.0.0.1:1/x"))
    with pytest.raises(Unavailable):
        await migrate(nobody, patience=timedelta(seconds=1))
    assert 1 <= begun_anew(soon, because="did not finish") <= 10


async def test_a_statement_of_a_migration_may_take_an_hour_and_a_lock_seconds(
    empty_database: str, tmp_path: Path
) -> None:
    write_revision(tmp_path, 1, "first")
    path = tmp_path / "versions" / "shop_0001.py"
    limits = "select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as wait"
    path.write_text(path.read_text() + f'    op.execute("create table limits as {limits}")\n')
    await migrate(database_settings(empty_database), tmp_path)
    database = open_database(empty_database)
    async with database.read() as connection:
        assert tuple((await connection.execute(text("select statement, wait from limits"))).one()) == ("1h", "5s")
    await database.close()


async def test_reading_cannot_write_and_times_are_bounded(empty_database: str) -> None:
    async with migrated(empty_database) as database:
        async with database.read() as connection:
            assert await connection.scalar(text("show transaction_read_only")) == "on"
            limits = {
                name: await connection.scalar(text(f"show {name}"))
                for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
            }
        assert limits == {
            "statement_timeout": "10s",
            "lock_timeout": "2s",
            "idle_in_transaction_session_timeout": "15s",
        }
        async with database.begin(ORIGIN) as holder:
            await holder.connection.execute(text("lock table subject in access exclusive mode"))
            with pytest.raises(Unavailable, match="lock timeout"):
                await count(database, "subject")
        async with database.begin(ORIGIN) as tx:
            assert await tx.connection.scalar(text("show transaction_read_only")) == "off"


async def test_migrating_and_running_refuse_a_server_without_the_tls_that_is_asked_for(empty_database: str) -> None:
    """The tests' servers speak no TLS."""
    settings = database_settings(empty_database).model_copy(update={"ssl_mode": "require"})
    with pytest.raises(Unavailable, match="SSL"):
        await migrate(settings, patience=timedelta(0))
    database = Database.from_settings(settings, clock=SystemClock(), source="/frontline/test/x", application_name="x")
    with pytest.raises(Unavailable, match="SSL"):
        await database.connect_raw()
    await database.close()
