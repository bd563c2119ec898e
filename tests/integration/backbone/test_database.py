"""Where transactions begin and end, and what becomes of their connections."""

import asyncio
import traceback
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection

import common.database
from common.bells import OUTBOX
from common.clock import SystemClock
from common.database import Database
from common.errors import Refused, Unavailable
from common.ids import new_id
from common.settings import DatabaseSettings
from common.transaction import Transaction
from tests.support.backbone import ORIGIN, add_dequeued, count, migrated
from tests.support.eventually import eventually
from tests.support.ports import free_ports
from tests.support.wire import at_port, wire

_SILENCE_S = 60.0
"""Bounds a hang: a second silence that is waited for is told as Unavailable."""
_WRITTEN = "my dog ate the router"


async def test_statements_at_the_driver_and_through_sqlalchemy_are_in_one_transaction(empty_database: str) -> None:
    async with migrated(empty_database) as database:
        with pytest.raises(Refused):
            await _write_both_ways(database, refuse=True)
        assert await count(database, "timer") == 0
        await _write_both_ways(database, refuse=False)
        assert await count(database, "timer") == 2


async def test_a_savepoint_takes_back_what_the_driver_wrote_in_it(empty_database: str) -> None:
    async with migrated(empty_database) as database:
        async with database.begin(ORIGIN) as tx:
            await _set_timer(tx)
            with pytest.raises(Refused):
                await _set_and_take_back(tx)
        assert await count(database, "timer") == 1


async def test_bells_ring_after_a_commit_and_after_nothing_else(empty_database: str) -> None:
    async with migrated(empty_database) as database:
        outbox, own = database.bells.listen(OUTBOX), database.bells.listen("own")
        with pytest.raises(Refused):
            await _ring_and_refuse(database)
        assert (outbox.is_set(), own.is_set()) == (False, False)
        async with database.begin(ORIGIN) as tx:
            tx.bells |= {"own", "nobody listens"}
            assert not own.is_set()
        assert (outbox.is_set(), own.is_set()) == (False, True)
        async with database.begin(ORIGIN) as tx:
            add_dequeued(tx, new_id())
        assert outbox.is_set()


async def _ring_and_refuse(database: Database) -> None:
    async with database.begin(ORIGIN) as tx:
        tx.bells.add("own")
        add_dequeued(tx, new_id())
        raise Refused


async def test_an_error_does_not_show_what_was_written(empty_database: str) -> None:
    """Whoever logs it with its causes shows the statement, and none of its values."""
    async with migrated(empty_database) as database:
        with pytest.raises(DBAPIError) as failed:
            await _divide(database, secret=_WRITTEN)
    shown = "".join(traceback.format_exception(failed.value))
    assert "division by zero" in shown
    assert _WRITTEN not in shown


async def _divide(database: Database, *, secret: str) -> None:
    async with database.begin(ORIGIN) as tx:
        await tx.connection.execute(
            text("select 1 / length(cast(:none as text)), :secret"), {"none": "", "secret": secret}
        )


async def test_a_swallowed_failure_is_no_commit(empty_database: str) -> None:
    async with migrated(empty_database) as database:
        with pytest.raises(AssertionError, match="swallowed"):
            await _swallow(database)
        assert await count(database, "timer") == 0


async def test_a_read_cannot_write(empty_database: str) -> None:
    async with migrated(empty_database) as database, database.read() as connection:
        with pytest.raises(DBAPIError, match="read-only"):
            await connection.execute(text("delete from timer"))


async def test_a_connection_that_was_closed_while_idle_is_replaced(empty_database: str) -> None:
    async with migrated(empty_database) as database:
        async with database.read() as connection:
            ended = await _pid(connection)
        admin = await asyncpg.connect(empty_database)
        await admin.execute("select pg_terminate_backend($1)", ended)

        async def has_gone() -> bool:
            return not await admin.fetch("select from pg_stat_activity where pid = $1", ended)

        await eventually(has_gone)
        await admin.close()
        async with database.begin(ORIGIN) as tx:
            add_dequeued(tx, new_id())
        assert await count(database, "event") == 1


async def test_a_pool_that_finds_every_connection_dead_says_that_it_passes(empty_database: str) -> None:
    """As while a server is killed again and again: each new connection is gone before it is handed out."""

    def find_dead(*_: object) -> None:
        raise DisconnectionError

    async with migrated(empty_database) as database:
        event.listen(database.engine.sync_engine, "checkout", find_dead)
        with pytest.raises(Unavailable, match="cuts every connection"):
            async with database.read():
                pass
        event.remove(database.engine.sync_engine, "checkout", find_dead)
        assert await count(database, "timer") == 0


async def test_a_cancelled_transaction_gives_its_locks_back(empty_database: str) -> None:
    async with migrated(empty_database) as database:
        holding = asyncio.Event()
        holder = asyncio.ensure_future(_hold(database, holding))
        await holding.wait()
        holder.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holder
        async with database.begin(ORIGIN) as tx:
            await tx.fetch("lock table timer in access exclusive mode")


async def _write_both_ways(database: Database, *, refuse: bool) -> None:
    async with database.begin(ORIGIN) as tx:
        await _set_timer(tx)
        await tx.connection.execute(
            text("insert into timer (kind, aggregate_id, generation, due_at) values ('t', :id, 1, now())"),
            {"id": new_id()},
        )
        if refuse:
            raise Refused("changed my mind")


async def _set_timer(tx: Transaction) -> None:
    await tx.fetch("insert into timer (kind, aggregate_id, generation, due_at) values ('t', $1, 1, now())", new_id())


async def _set_and_take_back(tx: Transaction) -> None:
    async with tx.savepoint():
        await _set_timer(tx)
        raise Refused("not this one")


async def _swallow(database: Database) -> None:
    async with database.begin(ORIGIN) as tx:
        await _set_timer(tx)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await tx.fetch("select 1 / 0")


async def _hold(database: Database, holding: asyncio.Event) -> None:
    async with database.begin(ORIGIN) as tx:
        await tx.fetch("lock table timer in access exclusive mode")
        holding.set()
        await asyncio.Event().wait()


async def _pid(connection: AsyncConnection) -> int:
    return (await connection.execute(text("select pg_backend_pid()"))).scalar_one()


async def test_a_server_that_knows_no_time_zone_is_away(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one whose files are being removed answers a new connection; a zone named by a statement is another matter."""
    async with migrated(empty_database) as database:
        with pytest.raises(DBAPIError, match="TimeZone"):
            await _name_a_strange_zone(database)
    usual = common.database._connect_arguments

    def strange(settings: DatabaseSettings, application_name: str) -> dict[str, Any]:
        arguments = usual(settings, application_name)
        arguments["server_settings"]["timezone"] = "Nowhere/Land"
        return arguments

    monkeypatch.setattr(common.database, "_connect_arguments", strange)
    settings = DatabaseSettings(url=SecretStr(empty_database))
    away = Database.from_settings(settings, clock=SystemClock(), source="/frontline/test/x", application_name="t")
    with pytest.raises(Unavailable, match="TimeZone"):
        await _name_a_strange_zone(away)
    with pytest.raises(Unavailable, match="TimeZone"):
        await away.connect_raw()
    await away.close()


async def _name_a_strange_zone(database: Database) -> None:
    async with database.begin(ORIGIN) as tx:
        await tx.connection.execute(text("set local timezone = 'Nowhere/Land'"))


@pytest.mark.parametrize("how", ["read", "look", "begin"])
async def test_a_silence_of_the_network_is_waited_for_once_and_not_for_each_connection(
    empty_database: str, how: str
) -> None:
    port = free_ports(1)[0]
    settings = DatabaseSettings(
        url=SecretStr(at_port(empty_database, port)), statement_timeout=timedelta(milliseconds=100)
    )
    database = Database.from_settings(settings, clock=SystemClock(), source="/frontline/test/x", application_name="t")
    async with wire(port) as line:
        line.target_port = urlsplit(empty_database).port or 0
        try:
            async with database.read(), database.read(), database.read():
                assert line.connections == 3
            line.hush()
            async with asyncio.timeout(_SILENCE_S):
                with pytest.raises(Unavailable):
                    await _name_ourselves(database, how)
                # The two that are left in the pool are as dead, and nobody waits for them.
                await _name_ourselves(database, how)
                await asyncio.gather(*(_name_ourselves(database, how) for _ in range(3)))
        finally:
            await database.close()


async def _name_ourselves(database: Database, how: str) -> None:
    if how == "begin":
        async with database.begin(ORIGIN) as tx:
            assert await _pid(tx.connection)
    else:
        async with database.read() if how == "read" else database.look() as connection:
            assert await _pid(connection)
