"""FastStream's ways to the same effects, each idempotent: a dedupe insert, projection and outbox row per event.

One transaction a message, eight of them at once, and one transaction a batch; the record counts as read when its
transaction has committed. Events of one subject may overtake each other with eight workers: the projection only moves
forward, as it does in all of them.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from benchmarks.consumer.work import PROJECT, TOPIC, answer_to, check_effects, create_tables, project
from benchmarks.support.events import fresh_database
from common.ids import new_id
from contracts.envelope import Event, decode_event
from tests.support.servers import Servers

WAYS = ("a message", "8 workers", "a batch")
_CONNECTIONS = 8
_BATCH = 2_000
_DEDUPE = "insert into processed values ($1) on conflict do nothing returning 1"
_OUT = "insert into out_row (event_id, key, type, headers, payload, occurred_at) values ($1, $2, $3, $4, $5, $6)"


@dataclass
class _Progress:
    """How many events were applied, and when the first came and the last was committed."""

    wanted: int
    done: int = 0
    begun_at: float = 0.0
    ended_at: float = 0.0
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        self.begun_at = self.begun_at or time.perf_counter()

    def add(self, count: int) -> None:
        self.done += count
        if self.done >= self.wanted and not self.finished.is_set():
            self.ended_at = time.perf_counter()
            self.finished.set()


async def measure_framework(servers: Servers, prefix: str, count: int, way: str) -> float:
    """Events a second from the first one handled to the commit of the last, of the `count` that the topic holds."""
    logging.getLogger("faststream").setLevel(logging.CRITICAL)
    progress = _Progress(count)
    async with fresh_database(servers) as database:
        await create_tables(database)
        pool = [await database.connect_raw() for _ in range(_CONNECTIONS)]
        broker = KafkaBroker(servers.kafka_bootstrap, logger=None)
        _subscribe(broker, prefix, way, _connections(pool), progress)
        try:
            await broker.start()
            await asyncio.wait_for(progress.finished.wait(), 600)
            await broker.stop()
            await check_effects(pool[0], count)
        finally:
            await broker.stop()
            for connection in pool:
                connection.terminate()
    return count / (progress.ended_at - progress.begun_at)


Borrow = Callable[[], Any]


def _connections(pool: Sequence[asyncpg.Connection]) -> Borrow:
    free: asyncio.Queue[asyncpg.Connection] = asyncio.Queue()
    for each in pool:
        free.put_nowait(each)

    @asynccontextmanager
    async def borrow() -> AsyncGenerator[asyncpg.Connection]:
        connection = await free.get()
        try:
            async with connection.transaction():
                yield connection
        finally:
            free.put_nowait(connection)

    return borrow


def _subscribe(broker: KafkaBroker, prefix: str, way: str, borrow: Borrow, progress: _Progress) -> None:
    options: dict[str, Any] = {
        "group_id": f"{prefix}framework{new_id()}",
        "auto_offset_reset": "earliest",
        "ack_policy": AckPolicy.NACK_ON_ERROR,
        "decoder": _decode,
    }
    handler: Callable[[Any], Awaitable[None]]
    if way == "a batch":
        options |= {"batch": True, "max_records": _BATCH}

        async def handler(event: list[Event]) -> None:
            progress.begin()
            async with borrow() as connection:
                for each in event:
                    await _apply(connection, each)
            progress.add(len(event))

    else:
        options |= {"max_workers": _CONNECTIONS} if way == "8 workers" else {}

        async def handler(event: Event) -> None:
            progress.begin()
            async with borrow() as connection:
                await _apply(connection, event)
            progress.add(1)

    broker.subscriber(prefix + TOPIC, **options)(handler)


async def _decode(message: KafkaMessage) -> Event | list[Event]:
    raw = message.raw_message
    if isinstance(raw, tuple):
        return [decode_event(each.headers, each.value) for each in raw]
    return decode_event(raw.headers, raw.value)


async def _apply(connection: asyncpg.Connection, event: Event) -> None:
    if await connection.fetchval(_DEDUPE, event.id) is None:
        return
    await connection.execute(PROJECT, *project([event]))
    await connection.execute(_OUT, *answer_to(event))
