"""A consuming service whose log is a list and whose handler can be held: for what happens beside it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from common.backbone.applying import Applier, next_offsets
from common.backbone.decoding import decode_record
from common.backbone.inbox_store import PostgresInbox
from common.backbone.parking import discard_parked
from common.backbone.protocols import Broken, Claim, Delivery, Place, Record, RecordHeader
from common.backbone.redrive import redrive_next
from common.clock import MovableClock
from common.settings import KafkaSettings
from common.transaction import Transaction
from contracts.envelope import Event
from tests.support.backbone import (
    ORIGIN,
    Inbox,
    headers_of,
    make_effects,
    migrated,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = Place("support.intake.v1", 0)


@dataclass(kw_only=True)
class Bench:
    """A consuming service whose log is this list; a handler waits at the gate."""

    inbox: Inbox
    clock: MovableClock
    log: list[Delivery | Broken] = field(default_factory=list[Delivery | Broken])
    claims: dict[Place, Claim] = field(default_factory=dict[Place, Claim])
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def store(self) -> PostgresInbox:
        return PostgresInbox(self.inbox.database, service="routing")

    def add(self, *events: Event) -> None:
        self.add_raw(*((headers_of(event), event.data) for event in events))

    def add_raw(self, *records: tuple[Sequence[RecordHeader], bytes]) -> None:
        for headers, value in records:
            record = Record(place=PLACE, offset=len(self.log), key=b"k", value=value, headers=headers, written_at_ms=0)
            self.log.append(decode_record(record, {PLACE.topic: "intake"}))

    async def claim(self) -> None:
        self.claims = await self.store.claim({PLACE: 0}, lost={}, owner="test", bootstrap=False)

    async def consume(self) -> None:
        """All that is new, in one batch; what fails is parked."""
        items = self.log[self.claims[PLACE].next_offset :]
        handlers = [replace(handler, apply=self._apply) for handler in self.inbox.handlers]
        applier = Applier(store=self.store, handlers=handlers)
        try:
            await applier.apply(items, self.claims, {})
        except ValueError:
            await applier.apply(items, self.claims, {}, slice_of=len(items))
        self.claims[PLACE] = replace(self.claims[PLACE], next_offset=next_offsets(items)[PLACE])

    async def _apply(self, tx: Transaction, events: Sequence[Event]) -> None:
        self.entered.set()
        await self.gate.wait()
        await self.inbox.apply(tx, events)

    async def redrive(self) -> bool:
        self.clock.move(timedelta(hours=2))
        return await redrive_next(self.store, self.inbox.handlers)

    async def read_again(self) -> None:
        """A replay from the start."""
        async with self.inbox.database.begin(ORIGIN) as tx:
            await tx.connection.execute(text("update consumer_offset set next_offset = 0, epoch = epoch + 1"))
        await self.claim()
        await self.consume()

    async def discard(
        self, ticket: UUID, *, first: int | None = None, first_seq: int | None = None, count: int = 1
    ) -> int:
        """Args: first: the offset of the record that is meant."""
        stream = {"source": "intake", "subject": f"ticket/{ticket}"}
        async with self.inbox.database.begin(ORIGIN) as tx:
            return await discard_parked(
                tx,
                **stream,
                actor="client:ops",
                reason="a test",
                first=None if first is None else (PLACE, first),
                first_seq=first_seq,
                count=count,
            )


@asynccontextmanager
async def bench(url: str) -> AsyncGenerator[Bench]:
    clock = MovableClock(START)
    async with migrated(url, clock=clock) as database:
        await make_effects(database)
        kafka = KafkaSettings(bootstrap="nowhere:1")
        made = Bench(inbox=Inbox(database=database, kafka=kafka, topic=PLACE.topic), clock=clock)
        made.gate.set()
        await made.claim()
        yield made
