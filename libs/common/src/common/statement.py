"""Statements that run at the driver, on the connection that a store function is given, in the same transaction.

SQLAlchemy's way costs five times as much of the processor (decision 7): these are for what every event or ticket runs.
"""

import re
from collections.abc import Mapping
from typing import cast

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

_NAME = re.compile(r"(?<![:\w]):([a-z_]+)")


def driver_of(connection: AsyncConnection) -> asyncpg.Connection:
    """The driver's connection below one that was checked out, without the greenlet of `get_raw_connection`."""
    assert connection.sync_connection is not None
    return cast("asyncpg.Connection", connection.sync_connection.connection.driver_connection)


class Statement:
    """One statement with named values, prepared once for each connection. JSON is given as text, and read as values."""

    def __init__(self, sql: str) -> None:
        """Args: sql: with `:name` for each value, cast to its type where PostgreSQL cannot tell."""
        self._names = tuple(dict.fromkeys(_NAME.findall(sql)))
        numbers = {name: number for number, name in enumerate(self._names, start=1)}
        self._sql = _NAME.sub(lambda found: f"${numbers[found[1]]}", sql)

    async def fetch(self, connection: AsyncConnection, values: Mapping[str, object]) -> list[asyncpg.Record]:
        """Run it and return its rows.

        Raises:
            asyncpg.PostgresError: as the server says it; whoever opened the transaction knows which of them pass.
        """
        return await driver_of(connection).fetch(self._sql, *(values[name] for name in self._names))
