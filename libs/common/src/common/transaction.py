"""One open database transaction: its connection, its time, who acts, and the events it will publish.

Use cases take a `Transaction`, run SQL on `connection` and hand their events to `add_events`. They never commit:
whoever opened the transaction flushes the events once, at its end, and commits (see `common.database.Database`).
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from common.ids import new_id
from contracts.registry import Body


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Why a transaction runs: who acts, which conversation it belongs to, and which event or call caused it.

    `actor` is "agent:<id>", "client:<id>", "requester:<id>" or "service:<name>"; `traceparent` is W3C trace context.
    """

    actor: str
    correlation_id: str = ""
    causation_id: str = ""
    traceparent: str = ""

    @property
    def agent_id(self) -> UUID | None:
        """The agent who acts, if one does."""
        kind, _, identifier = self.actor.partition(":")
        return UUID(identifier) if kind == "agent" else None


class PendingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that waits for its transaction to end."""

    id: UUID
    subject: str
    body: Body
    occurred_at: datetime
    origin: Origin


class PublishedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that has its number: what `Support-Event` names."""

    id: UUID
    subject: str
    seq: int


@dataclass(kw_only=True, slots=True)
class Transaction:
    """See the module. `driver` is the connection below `connection`; `bells` (`common.bells`) ring after the commit."""

    connection: AsyncConnection
    driver: asyncpg.Connection
    now: datetime
    origin: Origin
    pending: list[PendingEvent] = field(default_factory=list[PendingEvent])
    published: list[PublishedEvent] = field(default_factory=list[PublishedEvent])
    bells: set[str] = field(default_factory=set[str])

    async def fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Run a prepared statement at the driver: for the few that every command needs, and for texts that are always
        the same. SQLAlchemy's way costs five times as much of the processor.

        Args:
            statement: with `$1` and so on for the values, each cast to its type where PostgreSQL cannot tell.
        Raises:
            asyncpg.PostgresError: as the server says it; whoever opened the transaction knows which of them pass.
        """
        return await self.driver.fetch(statement, *values)

    def add_events(
        self,
        subject: str,
        bodies: Sequence[Body],
        *,
        origin: Origin | None = None,
        at: datetime | None = None,
    ) -> None:
        """Note events about one subject, in their order. They are written when the transaction's owner flushes.

        Args:
            subject: "<kind>/<id>", see `contracts.envelope.subject_of`.
            origin: who caused them, where one transaction carries several causes (a consumer's batch).
            at: when the fact happened, by default the transaction's time.
        """
        self.pending.extend(
            PendingEvent(
                id=new_id(),
                subject=subject,
                body=body,
                occurred_at=at or self.now,
                origin=origin or self.origin,
            )
            for body in bodies
        )

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """A part that may fail alone: an exception rolls its rows back and drops its events, then goes on up."""
        mark = len(self.pending)
        try:
            async with self.connection.begin_nested():
                yield
        except BaseException:
            del self.pending[mark:]
            raise
