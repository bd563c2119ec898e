"""A projection's second set of tables: temporary ones of the same names, in one session that can reach no other table.

Where each stream stands in the shadow is kept in a temporary `subject_cursor`, by the consumer's own statements.
"""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Table, TextClause, text

from common.backbone.applying import dispatch
from common.backbone.decoding import pack_headers
from common.backbone.inbox_store import PostgresInbox
from common.backbone.projections import Projection
from common.backbone.protocols import Cursor, Delivery, Place, Stream
from common.database import CLIENT_MARGIN, Database
from common.errors import Refused, Unavailable
from common.transaction import Origin, Transaction
from contracts.envelope import Event

# ruff: noqa: S608 - names of our own tables and of the schema they are in, quoted; never anything from outside

_POSITIONS = "select topic, partition, next_offset, bootstrap from {live}.consumer_offset where topic = any(:topics)"
_CURSORS = """
    select c.source, c.subject, c.last_seq from {live}.subject_cursor c
    join unnest(cast(:sources as text[]), cast(:subjects as text[])) as g (source, subject)
      on g.source = c.source and g.subject = c.subject
"""
_GIVEN_UP = """
    select a.source, a.subject, a.seq, a.action, a.headers, a.payload from {live}.parking_action a
    join unnest(cast(:sources as text[]), cast(:subjects as text[])) as g (source, subject)
      on g.source = a.source and g.subject = a.subject
    where a.action in ('discard', 'redrive_over_gap') and a.seq > 0 or a.action = 'discard_record'
"""
_KEEP_INCOMPLETE = """
    insert into pg_temp.left_alone (id)
    select distinct cast(split_part(l.subject, '/', 2) as uuid) from {live}.subject_cursor l
    left join pg_temp.subject_cursor s on s.source = l.source and s.subject = l.subject
    where l.source = any($1) and starts_with(l.subject, $2) and coalesce(s.last_seq, 0) < l.last_seq
    union select unnest(cast($3 as uuid[]))
    on conflict do nothing
"""
_HOLD_S = 60.0
"""The longest that a statement of the replacement may take. Consumers wait as long, and end after 120 s."""
_CLIENT_LIMIT_S = _HOLD_S + CLIENT_MARGIN.total_seconds()

Begin = Callable[[Origin], AbstractAsyncContextManager[Transaction]]


class Position(NamedTuple):
    """How far the service has read a partition, and whether it began late there."""

    next_offset: int
    bootstrap: bool


Number = tuple[str, str, int]
Told = tuple[str, str, bytes | None, bytes | None]
"""A record by its stream and its bytes."""


class GivenUp(NamedTuple):
    """What operators have given up of some streams.

    Attributes:
        numbers: given up for good, each with a record.
        with_number: those records.
        alone: records given up without their numbers, which are another event's, or nobody's yet.
        jumped_to: numbers that were let follow whatever was applied last.
    """

    numbers: Collection[Number]
    with_number: Collection[Told]
    alone: Collection[Told]
    jumped_to: Collection[Number]


class Shadow:
    """See the module. Make one by `open_shadow`."""

    def __init__(self, begin: Begin, store: PostgresInbox, projection: Projection, *, live: str) -> None:
        """Args: live: the schema of the service's tables, quoted."""
        self._begin = begin
        self._store = store
        self._projection = projection
        self._live = live
        self._late: set[Place] = set()
        self._incomplete: set[Stream] = set()
        """Streams of which the topics no longer hold all that the service has applied."""

    async def list_positions(self, tx: Transaction, topics: Collection[str]) -> dict[Place, Position]:
        """How far the service itself has read, by partition."""
        rows = await tx.connection.execute(self._sql(_POSITIONS), {"topics": list(topics)})
        found = {
            Place(topic, partition): Position(next_offset, bootstrap)
            for topic, partition, next_offset, bootstrap in rows
        }
        self._late = {place for place, position in found.items() if position.bootstrap}
        return found

    @asynccontextmanager
    async def begin(self, origin: Origin) -> AsyncGenerator[Transaction]:
        """A transaction that sees the shadow's tables alone, as far as names without a schema go.

        Raises:
            Unavailable: the session was lost, and the shadow with it.
        """
        async with self._begin(origin) as tx:
            await tx.driver.execute("set local search_path = pg_temp")
            if await tx.driver.fetchval("select to_regclass('pg_temp.subject_cursor')") is None:
                raise Unavailable("the rebuild's session was lost, and what it had made with it")
            yield tx

    @asynccontextmanager
    async def hold_consumers(self, origin: Origin, topics: Collection[str]) -> AsyncGenerator[Transaction]:
        """The same while nobody else can write the live tables: consumers, redrives and timers wait.

        Taken in the order in which a consumer takes them, so that none of them can wait for the other.
        """
        async with self.begin(origin) as tx:
            limit = str(int(_HOLD_S * 1000))
            await tx.driver.fetch(
                "select set_config(name, $1, true) from pg_settings"
                " where name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')",
                limit,
            )
            offsets = (
                f"select 1 from {self._live}.consumer_offset where topic = any($1) order by topic, partition for update"
            )
            await tx.driver.fetch(offsets, list(topics))
            await tx.driver.execute(f"lock table {self._live}.parked_subject in exclusive mode")
            for table in self._projection.tables:
                await tx.driver.execute(f"lock table {self._named(table)} in share row exclusive mode")
            yield tx

    async def apply(
        self, tx: Transaction, deliveries: Sequence[Delivery], *, behind: Collection[Stream] = ()
    ) -> list[Delivery]:
        """Apply what the service itself has applied, in order; repeats are dropped, and what was discarded is left out.

        Args:
            behind: streams of which something is ahead already.
        Returns:
            what is ahead of the service: it is parked, or came only now.
        Raises:
            Refused: a handler publishes.
            Exception: of a handler.
        """
        concerned = [each for each in deliveries if each.event.subject.startswith(f"{self._projection.kind}/")]
        streams = sorted({each.stream for each in concerned})
        names = {"sources": [source for source, _ in streams], "subjects": [subject for _, subject in streams]}
        reached = {
            (source, subject): seq for source, subject, seq in await tx.connection.execute(self._sql(_CURSORS), names)
        }
        given_up = await self._list_given_up(tx, names)
        cursors = await self._store.list_cursors(tx, streams)
        moved: dict[Stream, Cursor] = {}
        events: list[Event] = []
        ahead: list[Delivery] = []
        waiting = set(behind)
        for each in concerned:
            stream, event = each.stream, each.event
            number, told = (*stream, event.seq), (*stream, pack_headers(each.record.headers), each.record.value)
            if told in given_up.alone:
                continue
            last = moved.get(stream) or cursors.get(stream)
            if stream in waiting or event.seq > reached.get(stream, 0):
                ahead.append(each)
                waiting.add(stream)
            elif stream in self._incomplete or (last is not None and event.seq <= last.seq):
                continue
            elif not self._follows(each, last, given_up):
                self._incomplete.add(stream)
            elif number in given_up.numbers and told not in given_up.with_number:
                # Not what was given up under this number: earlier releases noted it of the second event of a fork too.
                self._incomplete.add(stream)
            else:
                moved[stream] = Cursor(event.seq, event.id)
                if number not in given_up.numbers:
                    events.append(event)
        await dispatch(tx, self._projection.handlers, events)
        if tx.pending:
            raise Refused(
                f"{self._projection.name} is no projection: {tx.pending[0].body.event_type} would be published"
            )
        await self._store.save_cursors(tx, moved)
        return ahead

    async def _list_given_up(self, tx: Transaction, names: Mapping[str, Sequence[str]]) -> GivenUp:
        rows = await tx.connection.execute(self._sql(_GIVEN_UP), names)
        numbers, with_number, alone, jumped_to = set[Number](), set[Told](), set[Told](), set[Number]()
        for row in rows:
            number, told = (row.source, row.subject, row.seq), (row.source, row.subject, row.headers, row.payload)
            if row.action == "discard_record":
                alone.add(told)
            elif row.action == "discard":
                numbers.add(number)
                with_number.add(told)
            else:
                jumped_to.add(number)
        return GivenUp(numbers, with_number, alone, jumped_to)

    def _follows(self, item: Delivery, last: Cursor | None, given_up: GivenUp) -> bool:
        """Whether nothing that the service applied lies between; what operators gave up does not count.

        Where an operator went over a gap is known, not from where: without anything before it, it cannot be told from
        what the topic has lost since.
        """
        if last is None and item.record.place in self._late:
            return True
        if last is not None and (*item.stream, item.event.seq) in given_up.jumped_to:
            return True
        first = last.seq + 1 if last else 1
        return item.event.seq - first <= len(given_up.numbers) and all(
            (*item.stream, seq) in given_up.numbers for seq in range(first, item.event.seq)
        )

    async def replace_live(self, tx: Transaction, sources: Collection[str]) -> tuple[dict[str, int], int]:
        """Make the live tables what the shadow is, but for subjects that the topics no longer hold whole.

        Returns:
            how many rows differed by table, and how many subjects were left alone.
        """
        known = sorted({UUID(subject.partition("/")[2]) for _, subject in self._incomplete})
        keep = _KEEP_INCOMPLETE.format(live=self._live)
        await tx.driver.execute(keep, list(sources), f"{self._projection.kind}/", known, timeout=_CLIENT_LIMIT_S)
        changed: dict[str, int] = {}
        for table in self._projection.tables:
            changed[table.name] = await self._replace(tx, table)
        alone: int = await tx.driver.fetchval("select count(*) from pg_temp.left_alone")
        return changed, alone

    async def leave(self, tx: Transaction) -> None:
        """Let names without a schema mean the service's own tables for the rest of the transaction."""
        await tx.driver.execute(f"set local search_path = {self._live}")

    async def _replace(self, tx: Transaction, table: Table) -> int:
        live, shadow = self._named(table), f'pg_temp."{table.name}"'
        names = [f'"{column.name}"' for column in table.columns]
        keys = [f'"{column.name}"' for column in table.primary_key]
        moved = [f"{name} = excluded.{name}" for name in names if name not in keys]
        on_conflict = f"do update set {', '.join(moved)}" if moved else "do nothing"
        alone = f'exists (select 1 from pg_temp.left_alone a where a.id = t."{self._projection.key}")'
        same = " and ".join(f"s.{key} = t.{key}" for key in keys)
        gone = f"delete from {live} t where not {alone} and not exists (select 1 from {shadow} s where {same})"
        differing = f"""
            insert into {live} ({", ".join(names)})
            select {", ".join(names)} from (
              select {", ".join(names)} from {shadow} t where not {alone}
              except select {", ".join(names)} from {live}
            ) as given
            on conflict ({", ".join(keys)}) {on_conflict}
        """
        tags = [await tx.driver.execute(statement, timeout=_CLIENT_LIMIT_S) for statement in (gone, differing)]
        return sum(map(_count, tags))

    def _named(self, table: Table) -> str:
        return f'{self._live}."{table.name}"'

    def _sql(self, statement: str) -> TextClause:
        return text(statement.format(live=self._live))


@asynccontextmanager
async def open_shadow(database: Database, projection: Projection, *, service: str) -> AsyncGenerator[Shadow]:
    """Make empty shadows of a projection's tables; they are gone in the end.

    Raises:
        Refused: the database's role may make no temporary tables.
        Unavailable: the database is away.
    """
    origin = Origin(actor=f"service:{service}")
    async with database.hold() as begin:
        async with begin(origin) as tx:
            if not await tx.driver.fetchval("select has_database_privilege(current_database(), 'TEMPORARY')"):
                raise Refused("the service's role may make no temporary tables: grant it TEMPORARY on its database")
            live: str = await tx.driver.fetchval("select quote_ident(current_schema())")
            for name in ("subject_cursor", *(table.name for table in projection.tables)):
                await tx.driver.execute(f'create temporary table "{name}" (like {live}."{name}" including all)')
            await tx.driver.execute("create temporary table left_alone (id uuid primary key)")
        yield Shadow(begin, PostgresInbox(database, service=service), projection, live=live)


def _count(status: str) -> int:
    """The rows in a command's status, for instance "DELETE 3"."""
    return int(status.rpartition(" ")[2])
