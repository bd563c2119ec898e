"""Which connections of a pool are not to be trusted any more: those that the server closed, or older than a silence.

A silence is a statement on which our own limit struck. The server keeps a limit of its own, which is shorter: it, or
the way to it, is gone, and nobody told us. Whatever was connected before is as dead, and each would be waited for anew.
"""

import time
from math import inf
from typing import Any
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine


def is_silence(error: BaseException) -> bool:
    """Whether our own limit on a statement struck, by itself or under COMMIT."""
    return isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError)


def watch_pool(engine: AsyncEngine) -> None:
    """Let the pool of an engine replace what is dead, from now on."""
    watch = _Watch()
    event.listen(engine.sync_engine, "connect", watch.note_birth)
    event.listen(engine.sync_engine, "checkout", watch.refuse_unfit)
    event.listen(engine.sync_engine, "invalidate", watch.note_silence)
    event.listen(engine.sync_engine, "close", watch.leave_silent)


class _Watch:
    """What is called when something happens in a pool."""

    def __init__(self) -> None:
        self._born: WeakKeyDictionary[asyncpg.Connection, float] = WeakKeyDictionary()
        """When each connection was made, on the monotonic clock."""
        self._silent_at = -inf

    def note_birth(self, dbapi_connection: Any, _record: object) -> None:
        self._born[dbapi_connection.driver_connection] = time.monotonic()

    def refuse_unfit(self, dbapi_connection: Any, _record: object, _proxy: object) -> None:
        """Where one was closed while it was idle, all others are doubted too; after a silence those that are older."""
        if dbapi_connection.driver_connection.is_closed():
            raise InvalidatePoolError
        if self._is_doubted(dbapi_connection):
            raise DisconnectionError

    def note_silence(self, dbapi_connection: Any, _record: object, error: BaseException | None) -> None:
        """Where several fall silent at once, the first tells of all that were made before."""
        if error is not None and is_silence(error) and not self._is_doubted(dbapi_connection):
            self._silent_at = time.monotonic()

    def leave_silent(self, dbapi_connection: Any, _record: object) -> None:
        """Close at once what the pool would say good-bye to first, and wait seconds for the answer."""
        if self._is_doubted(dbapi_connection):
            dbapi_connection.driver_connection.terminate()

    def _is_doubted(self, dbapi_connection: Any) -> bool:
        return self._born.get(dbapi_connection.driver_connection, inf) <= self._silent_at
