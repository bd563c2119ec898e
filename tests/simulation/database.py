"""A database in memory with what matters of PostgreSQL: transactions at READ COMMITTED that see each other at commit,
row locks with a limit, transaction ids, a sequence that no rollback takes back, lost connections, crashes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

from common.database import UnknownOutcome
from common.errors import Unavailable
from common.transaction import Origin, Transaction
from tests.simulation.history import Entry, History
from tests.simulation.loop import Loop, Process

Key = tuple[Any, ...]
_LOCK_LIMIT_S = (1.0, 5.0)
"""A deadlock is found after one second, any other wait for a lock ends after five."""
_SLOW = 0.04
_HALF_OPEN_S = 3.0


class Gone:
    """Stands for a deleted row among what a transaction has written."""


GONE = Gone()


class Work:
    """The server's side of one transaction."""

    def __init__(self) -> None:
        self.open = True
        self.xid = 0
        self.writes: dict[Key, Any] = {}
        self.locks: list[Key] = []
        self.notes: list[Callable[[float], None]] = []
        """What to tell the history once it is committed."""


class MemoryTransaction(Transaction):
    """A transaction as handlers see it: rows instead of SQL."""

    work: Work
    process: Process


class Database:
    """See the module. Tables are dicts by key; `rows` holds what is committed."""

    def __init__(self, loop: Loop, history: History, *, name: str, slowness: float = 1.0) -> None:
        self.loop = loop
        self.history = history
        self.name = name
        self.slowness = slowness
        self.rows: dict[str, dict[Key, Any]] = {}
        self.last_id = 0
        self.last_finished = 0
        self.away = False
        self.trouble = 0.0
        """How probably a statement's connection breaks, and a commit's answer is lost."""
        self._next_xid = 1
        self._open: dict[Work, Process | None] = {}
        self._locks: dict[Key, tuple[Work, deque[tuple[Work, asyncio.Future[None]]]]] = {}

    def table(self, name: str) -> dict[Key, Any]:
        """Committed rows by key."""
        return self.rows.setdefault(name, {})

    def new_xid(self) -> int:
        """A new transaction id."""
        self._next_xid += 1
        return self._next_xid - 1

    def oldest_running(self) -> int:
        """No transaction with a lower id runs any more, nor ever will."""
        return min((work.xid for work in self._open if work.xid), default=self._next_xid)

    async def travel(self, process: Process | None, work: Work | None = None) -> None:
        """The way of one request to the server.

        Raises:
            Unavailable: it did not arrive, or the transaction is gone.
        """
        chance = self.loop.chance
        if process is not None:
            process.check()
        drawn = chance.random()
        await self.loop.wait(0.0 if drawn < 0.5 else drawn * (0.3 if drawn < _SLOW + 0.5 else 0.003 * self.slowness))
        if process is not None:
            process.check()
        if self.away or (work is not None and not work.open):
            raise Unavailable(f"{self.name} is away")
        if self.trouble and chance.random() < self.trouble:
            if work is not None:
                # A connection that is half open keeps its locks until the server finds out.
                self.loop.soon(lambda: self.abort(work), chance.choice((0.0, _HALF_OPEN_S * chance.random())))
            raise Unavailable(f"the connection to {self.name} broke")

    @asynccontextmanager
    async def begin(
        self, process: Process | None, finish: "Callable[[MemoryTransaction], Any] | None" = None
    ) -> AsyncGenerator[MemoryTransaction]:
        """As `common.database.Database.begin`; `finish` flushes the events."""
        await self.travel(process)
        work = Work()
        self._open[work] = process
        now = process.now() if process else None
        tx = MemoryTransaction(
            connection=cast("Any", None),
            driver=cast("Any", None),
            now=cast("Any", now),
            origin=Origin(actor="service:simulated"),
        )
        tx.work, tx.process = work, cast("Process", process)
        try:
            yield tx
            if finish is not None:
                await finish(tx)
            await self._finish(process, work)
        finally:
            if work in self._open:
                self.abort(work)

    async def _finish(self, process: Process | None, work: Work) -> None:
        chance = self.loop.chance
        try:
            await self.travel(process, work)
        except Unavailable as lost:
            if self.trouble and work.open and chance.random() < 0.5:
                self._settle(work)
            raise UnknownOutcome(lost.detail) from lost
        self._settle(work)
        if self.trouble and chance.random() < self.trouble:
            raise UnknownOutcome(f"{self.name} did not say whether it committed")
        await self.loop.wait(chance.choice((0.0, 0.001, 0.01)) * self.slowness)
        if self.away:
            raise UnknownOutcome(f"{self.name} went away after COMMIT")

    def _settle(self, work: Work) -> None:
        for (table, *key), row in work.writes.items():
            if row is GONE:
                self.table(table).pop(tuple(key), None)
            else:
                self.table(table)[tuple(key)] = row
        for note in work.notes:
            note(self.loop.time())
        self._end(work)

    def abort(self, work: Work) -> None:
        """Roll back; nothing happens where it ended before."""
        if work.open:
            self._end(work)

    def _end(self, work: Work) -> None:
        work.open = False
        self._open.pop(work, None)
        self.last_finished = max(self.last_finished, work.xid)
        for key in work.locks:
            self._hand_on(key)

    def _hand_on(self, key: Key) -> None:
        waiting = self._locks.pop(key)[1]
        while waiting:
            work, future = waiting.popleft()
            if work.open and not future.done():
                self._locks[key] = (work, waiting)
                work.locks.append(key)
                future.set_result(None)
                return

    async def lock(self, work: Work, key: Key) -> None:
        """Take a row lock; it is held until the transaction ends.

        Raises:
            Unavailable: it took too long, or a deadlock was broken.
        """
        work.xid = work.xid or self.new_xid()
        held = self._locks.get(key)
        if held is None:
            self._locks[key] = (work, deque())
            work.locks.append(key)
        elif held[0] is not work:
            future: asyncio.Future[None] = self.loop.create_future()
            held[1].append((work, future))
            limit = self.loop.call_later(self.loop.chance.uniform(*_LOCK_LIMIT_S), _give_up, future)
            try:
                await future
            finally:
                limit.cancel()
            if not work.open:
                raise Unavailable("the transaction was ended by the server")

    def is_locked(self, key: Key) -> bool:
        """Whether some transaction holds this row."""
        return key in self._locks

    def write(self, work: Work, key: Key, row: Any) -> None:
        """Change a row, seen by others after the commit."""
        work.xid = work.xid or self.new_xid()
        work.writes[key] = row

    def get(self, work: Work, key: Key) -> Any:
        """A row as this transaction sees it now; None where there is none."""
        row = work.writes.get(key)
        if row is None:
            return self.table(key[0]).get(key[1:])
        return None if row is GONE else row

    def scan(self, work: Work, table: str) -> Iterator[tuple[Key, Any]]:
        """All rows of a table as this transaction sees them now, in the order of their keys."""
        seen = dict(self.table(table))
        for (name, *key), row in work.writes.items():
            if name == table:
                seen[tuple(key)] = row
        return iter(sorted((item for item in seen.items() if item[1] is not GONE), key=lambda item: item[0]))

    def is_busy(self) -> bool:
        """Whether a transaction runs that has written something."""
        return any(work.writes for work in self._open)

    def crash(self) -> None:
        """Lose whatever is not committed, and go away until `recover`."""
        self.away = True
        for work in list(self._open):
            self.abort(work)
        self.last_id += self.loop.chance.randrange(3)

    def recover(self) -> None:
        """Take connections again."""
        self.away = False

    def forget(self, process: Process) -> None:
        """The server notices that a process is gone, or has left its transaction idle for too long."""
        for work, owner in list(self._open.items()):
            if owner is process:
                self.abort(work)

    def note(
        self, work: Work, kind: str, subject: str = "", seq: int = 0, event_id: Any = None, note: str = ""
    ) -> None:
        """Tell the history at commit."""
        work.notes.append(lambda at: self.history.note(Entry(at, kind, subject, seq, event_id, note)))


def _give_up(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_exception(Unavailable("a lock was not free in time"))
