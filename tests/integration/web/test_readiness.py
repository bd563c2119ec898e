"""When a process counts as able to serve: crowded it is, without its database it is not."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

import common.admin
from common.admin import ping_of
from common.clock import MovableClock
from common.database import Database
from common.errors import Unavailable
from tests.support.backbone import ORIGIN, database_settings
from tests.support.proxy import proxy


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(datetime(2026, 1, 5, 9, tzinfo=UTC))


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ping that has to connect may take longer than its second on a busy machine."""
    monkeypatch.setattr(common.admin, "_PING_WITHIN_S", 30.0)


@asynccontextmanager
async def single(url: str, clock: MovableClock) -> AsyncGenerator[Database]:
    """A database that is reached by one connection alone."""
    settings = database_settings(url).model_copy(update={"pool_size": 1})
    database = Database.from_settings(settings, clock=clock, source="/frontline/test/x", application_name="test")
    try:
        yield database
    finally:
        await database.close()


async def use(database: Database, statement: str = "select 1", meanwhile: Callable[[], None] = lambda: None) -> None:
    async with database.read() as connection:
        meanwhile()
        await connection.execute(text(statement))


async def test_a_crowded_process_is_ready_as_long_as_its_database_answers(
    empty_database: str, clock: MovableClock
) -> None:
    async with single(empty_database, clock) as database:
        await use(database)  # connecting may take longer than the second that a ping has
        ping = ping_of(database)
        await ping()
        async with database.begin(ORIGIN):
            clock.move(timedelta(seconds=14))
            await ping()
            clock.move(timedelta(seconds=2))
            with pytest.raises(Unavailable, match="did not answer within 1 s"):
                await ping()
        await ping()


@pytest.mark.usefixtures("unhurried")
async def test_what_fails_is_no_sign_of_life(empty_database: str, clock: MovableClock) -> None:
    async with proxy(empty_database) as server, single(server.url, clock) as database:
        ping = ping_of(database)
        await ping()
        clock.move(timedelta(seconds=10))
        with pytest.raises(Unavailable):
            await use(database, meanwhile=server.go_away)
        with pytest.raises(Unavailable):
            await use(database)
        await ping()
        clock.move(timedelta(seconds=6))
        with pytest.raises(Unavailable):
            await ping()
        server.away = False
        await ping()


@pytest.mark.usefixtures("unhurried")
async def test_a_statement_that_is_refused_is_a_sign_of_life_all_the_same(
    empty_database: str, clock: MovableClock
) -> None:
    async with proxy(empty_database) as server, single(server.url, clock) as database:
        ping = ping_of(database)
        with pytest.raises(Exception, match="does not exist"):
            await use(database, "select * from nothing_of_the_kind")
        server.go_away()
        await ping()
