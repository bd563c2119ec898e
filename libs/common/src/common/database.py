"""A service's database: transactions that carry events out, read-only ones, and foreign errors said in our words.

Only this module commits. A use case gets a `Transaction` and leaves by returning (commit) or raising (rollback).

SQLAlchemy compiles statements and keeps the pool; for it every connection is in autocommit. Transactions are begun and
ended here, at the driver, so that `Transaction.fetch` and `Transaction.connection` are in the same one.
"""

import logging
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
from opentelemetry import metrics
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidRequestError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from common.bells import OUTBOX, Bells
from common.clock import Clock
from common.errors import Misconfigured, Unavailable
from common.outbox import flush_events
from common.pool import is_silence, watch_pool
from common.settings import DatabaseSettings
from common.statement import driver_of
from common.transaction import Origin, Transaction

_log = logging.getLogger(__name__)
_waits = metrics.get_meter("frontline.database").create_histogram(
    "frontline.database.connection_wait", "s", "waits of more than a millisecond for a connection of the pool"
)
_WAITED_S = 0.001
"""Shorter ones are the rule, and counting them would cost as much as they take."""
CLIENT_MARGIN = timedelta(seconds=5)
"""How much later than the server our own limit on a statement strikes: it is for a server that is gone."""
_ROLLBACK_LIMIT = timedelta(seconds=2)
"""A server that answers at all rolls back at once."""
_IDLE_IN_TRANSACTION = timedelta(seconds=15)
_TRANSACTION_LIMIT = timedelta(seconds=60)
"""Bounds how long one transaction can hold back the feed and the relay's floor (PostgreSQL 17 and later)."""
_PASSING_CLASSES = ("08", "40", "53", "57", "58")
"""SQLSTATE classes of trouble that passes: connection, rollback, resources, operator intervention, system error."""
_REMEDIES = {
    "28": "mend the role or the password in FRONTLINE_DATABASE_URL or FRONTLINE_DATABASE_PASSWORD",
    "3D": "create the database or mend FRONTLINE_DATABASE_URL",
}
"""By SQLSTATE class, what no waiting cures: invalid authorization, invalid catalog name."""
_PASSING_STATES = ("55P03", "25P03", "25P04")
"""Lock not available, idle-in-transaction time-out, transaction time-out."""
_INVALID_PARAMETER_VALUE = "22023"


class UnknownOutcome(Unavailable):
    """The connection was lost during COMMIT: the transaction happened or it did not; look before you repeat it."""

    code = "unknown_outcome"


class Database:
    """One service's database.

    Attributes:
        clock: gives every transaction its `now`.
        source: "/frontline/<installation>/<service>", the `ce_source` of everything published from here.
        bells: rung after commits of this process.
    """

    def __init__(self, engine: AsyncEngine, *, clock: Clock, source: str, connect_arguments: dict[str, Any]) -> None:
        """Use `from_settings`."""
        self.engine = engine
        self.clock = clock
        self.source = source
        self.bells = Bells()
        self._connect_arguments = connect_arguments
        watch_pool(engine)

    @classmethod
    def from_settings(
        cls, settings: DatabaseSettings, *, clock: Clock, source: str, application_name: str
    ) -> "Database":
        """Describe the database; the first use connects.

        Args:
            application_name: what `pg_stat_activity` shows, for instance "frontline-intake-worker".
        Raises:
            Misconfigured: the URL or a certificate file cannot be used.
        """
        url = read_url(settings)
        arguments = _connect_arguments(settings, application_name)
        engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=settings.pool_size,
            max_overflow=0,
            pool_timeout=settings.pool_timeout.total_seconds(),
            connect_args=arguments,
            isolation_level="AUTOCOMMIT",
            # What a person wrote, or the secret of a link, is no part of an error: those are logged.
            hide_parameters=True,
        )
        event.listen(engine.sync_engine, "connect", _limit_transactions)
        raw = {
            "host": url.host,
            "port": url.port,
            "user": url.username,
            "password": url.password,
            "database": url.database,
        }
        return cls(engine, clock=clock, source=source, connect_arguments=raw | arguments)

    @asynccontextmanager
    async def begin(self, origin: Origin) -> AsyncGenerator[Transaction]:
        """One transaction. Leaving normally writes its events and commits; an exception rolls everything back.

        Raises:
            Unavailable: the database is away, too slow, or chose this transaction to break a deadlock; repeat it.
            UnknownOutcome: the connection was lost during COMMIT.
        """
        with foreign_errors():
            async with self._connected() as connection, self._begin_on(connection, origin) as tx:
                yield tx

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[Callable[[Origin], AbstractAsyncContextManager[Transaction]]]:
        """One connection for several transactions, which share what lives in its session: temporary tables. It is
        closed in the end, and they are gone.

        Returns:
            what `begin` is, on this connection. Where the server closed it meanwhile, another session is met: look.
        Raises:
            Unavailable: see `begin`.
        """
        with foreign_errors():
            async with self._connected() as connection:
                try:
                    yield partial(self._begin_on, connection)
                finally:
                    await connection.invalidate()

    @asynccontextmanager
    async def _begin_on(self, connection: AsyncConnection, origin: Origin) -> AsyncGenerator[Transaction]:
        with foreign_errors():
            async with self._begun(connection, "BEGIN;") as driver:
                tx = Transaction(connection=connection, driver=driver, now=self.clock.now(), origin=origin)
                yield tx
                await flush_events(tx, self.source)
                await _commit(driver)
        self.bells.ring({OUTBOX, *tx.bells} if tx.published else tx.bells)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """One read-only transaction at READ COMMITTED: each statement sees what was committed when it began.

        Raises:
            Unavailable: the database is away or too slow; repeat.
        """
        with foreign_errors():
            async with self._connected() as connection, self._begun(connection, "BEGIN READ ONLY;") as driver:
                yield connection
                # A read has nothing to lose: its connection may be gone by now, after a time-out within a statement.
                await self._roll_back(connection, driver)

    @asynccontextmanager
    async def look(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for queries that stand alone: outside a transaction, which saves its beginning and its end.

        Raises:
            Unavailable: the database is away or too slow; repeat.
        """
        with foreign_errors():
            async with self._connected() as connection, self._lent(connection):
                yield connection

    async def connect_raw(self) -> asyncpg.Connection:
        """A driver connection of its own, outside the pool; the caller closes it. Only the relay needs this.

        Raises:
            Unavailable: the database does not answer.
        """
        with foreign_errors(), _connecting():
            return await asyncpg.connect(**self._connect_arguments)

    async def close(self) -> None:
        """Close the pool."""
        await self.engine.dispose()

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[AsyncConnection]:
        async with AsyncExitStack() as held:
            asked = time.perf_counter()
            with _connecting():
                connection = await held.enter_async_context(self.engine.connect())
            waited = time.perf_counter() - asked
            if waited > _WAITED_S:
                _waits.record(waited)
            yield connection

    @asynccontextmanager
    async def _begun(self, connection: AsyncConnection, begin: str) -> AsyncGenerator[asyncpg.Connection]:
        """A transaction on a pooled connection, to be committed by the caller; an exception rolls it back."""
        driver = driver_of(connection)
        async with self._lent(connection):
            try:
                await driver.execute(begin)
                yield driver
            except Exception as error:
                if not is_silence(error):
                    await self._roll_back(connection, driver)
                raise

    @asynccontextmanager
    async def _lent(self, connection: AsyncConnection) -> AsyncGenerator[None]:
        """Give the connection back in the end, but close it after a cancellation, which may have come within a
        statement, and after a silence: closing rolls back, and waits for no answer of the server."""
        try:
            yield
        except Exception as error:
            if is_silence(error):
                await connection.invalidate(error)
            raise
        except BaseException:
            await connection.invalidate()
            raise

    async def _roll_back(self, connection: AsyncConnection, driver: asyncpg.Connection) -> None:
        try:
            await driver.execute("ROLLBACK;", timeout=_ROLLBACK_LIMIT.total_seconds())
        except Exception as error:
            # It is of no more use; the server rolls back what a closed connection leaves.
            _log.info("closing a connection that cannot roll back: %s", _first_line(error))
            await connection.invalidate(error)


@contextmanager
def foreign_errors() -> Generator[None]:
    """Turn errors of the driver into ours: `Unavailable` where they pass by themselves, `Misconfigured` where the
    server refuses our name, password or database. All others go through unchanged."""
    try:
        yield
    except Exception as error:
        remedy = _REMEDIES.get(_sqlstate(error)[:2])
        if remedy:
            raise Misconfigured(f"the database refuses us ({_first_line(error)}): {remedy}") from error
        if not _passes(error):
            raise
        raise Unavailable(f"the database did not finish: {type(error).__name__}: {_first_line(error)}") from error


@contextmanager
def _connecting() -> Generator[None]:
    """What passes while connecting only: a server whose files are going away knows no time zone any more, not even UTC,
    and the pool gives up after a few connections that were all found dead."""
    try:
        yield
    except InvalidRequestError as dead:
        raise Unavailable(f"the database cuts every connection: {dead}") from dead
    except Exception as error:
        if _sqlstate(error) == _INVALID_PARAMETER_VALUE and '"TimeZone"' in str(error):
            raise Unavailable(f"the database cannot take connections: {_first_line(error)}") from error
        raise


def read_url(settings: DatabaseSettings) -> URL:
    """The URL with the separately given password in it.

    Raises:
        Misconfigured: it is no PostgreSQL URL.
    """
    try:
        url = make_url(settings.url.get_secret_value())
    except Exception as error:
        raise Misconfigured("the database URL must look like postgresql://user@host:5432/name") from error
    if url.get_backend_name() != "postgresql" or not url.database:
        raise Misconfigured("the database URL must look like postgresql://user@host:5432/name")
    return url.set(password=settings.password.get_secret_value()) if settings.password else url


async def _commit(driver: asyncpg.Connection) -> None:
    try:
        done = await driver.execute("COMMIT;")
    except Exception as error:
        if _passes(error) and not _sqlstate(error).startswith("40"):
            raise UnknownOutcome(f"lost the connection during COMMIT: {_first_line(error)}") from error
        raise
    assert done == "COMMIT", "a statement failed and its exception was swallowed: PostgreSQL rolled everything back"


def _passes(error: BaseException) -> bool:
    if isinstance(error, asyncpg.InternalClientError) or isinstance(_driver_error(error), asyncpg.InternalClientError):
        # What the driver says when the server ended an idle connection and told so: the next use meets a strange state.
        return True
    if isinstance(error, DBAPIError):
        state = _sqlstate(error)
        if state:
            return state[:2] in _PASSING_CLASSES or state in _PASSING_STATES
        return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state[:2] in _PASSING_CLASSES or state in _PASSING_STATES
    return isinstance(error, PoolTimeout | asyncpg.InterfaceError | OSError | TimeoutError)


def _sqlstate(error: BaseException) -> str:
    origin = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(origin, "sqlstate", None) or "")


def _driver_error(error: BaseException) -> BaseException | None:
    return error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else None


def _first_line(error: BaseException) -> str:
    """What the server said, without the names of the classes that carried it."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return str(origin).partition("\n")[0].rpartition("'>: ")[2]


def _connect_arguments(settings: DatabaseSettings, application_name: str) -> dict[str, Any]:
    return {
        "timeout": settings.connect_timeout.total_seconds(),
        "command_timeout": (settings.statement_timeout + CLIENT_MARGIN).total_seconds(),
        "ssl": settings.tls(),
        "server_settings": {
            "application_name": application_name,
            "timezone": "UTC",
            # Our statements are short; compiling them costs more than running them.
            "jit": "off",
            # Plans are kept, and those that were made while a table was small must not be to read all of it. With the
            # usual cost of a page, meant for disks that turn, they are.
            "random_page_cost": "1.1",
            "statement_timeout": _milliseconds(settings.statement_timeout),
            "lock_timeout": _milliseconds(settings.lock_timeout),
            "idle_in_transaction_session_timeout": _milliseconds(_IDLE_IN_TRANSACTION),
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
        },
    }


def _milliseconds(duration: timedelta) -> str:
    return str(int(duration.total_seconds() * 1000))


def _limit_transactions(dbapi_connection: Any, _record: object) -> None:
    """Set `transaction_timeout` where the server has it: PostgreSQL 15 and 16 refuse the name at start-up."""

    async def limit(connection: asyncpg.Connection) -> None:
        if connection.get_server_version().major >= 17:
            await connection.execute(f"set transaction_timeout = {_milliseconds(_TRANSACTION_LIMIT)}")

    dbapi_connection.run_async(limit)
