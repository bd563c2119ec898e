"""Consumers that are replaced without knowing it, lose their database, or do not learn whether COMMIT happened."""
# pyright: reportPrivateUsage=false

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from common.backbone.applying import Applier, Fenced
from common.backbone.consume import consume_events
from common.backbone.decoding import decode_record
from common.backbone.inbox_store import PostgresInbox
from common.backbone.kafka import KafkaIncoming, open_incoming
from common.backbone.protocols import Claim, Delivery, Place, Record
from common.backbone.reading import open_reading, read_range
from common.database import Database, UnknownOutcome
from common.errors import Unavailable
from common.ids import new_id
from common.transaction import Transaction
from tests.support.backbone import (
    ORIGIN,
    PARTITIONS,
    Inbox,
    add_dequeued,
    count,
    event_of,
    headers_of,
    inbox,
    no_beat,
    open_database,
    running,
    write_records,
)
from tests.support.eventually import eventually
from tests.support.proxy import Moment, proxy
from tests.support.servers import Servers


async def has_effects(service: Inbox, expected: dict[str, list[int]]) -> bool:
    try:
        effects = await service.effects()
    except Unavailable as killed:
        raise AssertionError("a connection that this test killed") from killed
    assert effects == expected
    return True


def applier_of(service: Inbox) -> Applier:
    return Applier(store=PostgresInbox(service.database, service="routing"), handlers=service.handlers)


async def consume_from(service: Inbox, open_log: Callable[[], Awaitable[KafkaIncoming]], stop: asyncio.Event) -> None:
    """The consumer of a service, over logs that a test opens."""
    producers = {service.topic: "intake"}
    await consume_events(open_log, applier_of(service), producers=producers, bootstrap=False, beat=no_beat, stop=stop)


def deliveries(topic: str, tickets: list[UUID]) -> list[Delivery]:
    """One event about each ticket, as the first records of partition 0."""
    found: list[Delivery] = []
    for offset, ticket in enumerate(tickets):
        event = event_of(ticket, 1)
        record = Record(
            place=Place(topic, 0),
            offset=offset,
            key=b"",
            value=event.data,
            headers=headers_of(event),
            written_at_ms=0,
        )
        item = decode_record(record, {topic: "intake"})
        assert isinstance(item, Delivery)
        found.append(item)
    return found


async def test_a_replaced_owner_is_fenced_and_writes_nothing(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    async with inbox(servers, empty_database, topic_prefix) as service:
        place = Place(service.topic, 0)
        applier = applier_of(service)
        items = deliveries(service.topic, [new_id(), new_id()])
        claim = partial(applier.store.claim, {place: 0}, lost={}, bootstrap=False)
        zombies_claims = await claim(owner="zombie")
        owners_claims = await claim(owner="owner")
        with pytest.raises(Fenced):
            await applier.apply(items, zombies_claims, {})
        assert await service.effects() == {}
        assert await count(service.database, "outbox") == 0
        await applier.apply(items, owners_claims, {})
        with pytest.raises(Fenced):
            await applier.apply(items, zombies_claims, {})
        with pytest.raises(Fenced):
            await applier.apply(items, owners_claims, {})
        assert await service.effects() == {item.event.subject: [1] for item in items}


async def test_of_many_who_apply_the_same_batch_under_one_claim_one_wins(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    async with inbox(servers, empty_database, topic_prefix) as service:
        applier = applier_of(service)
        items = deliveries(service.topic, [new_id() for _ in range(20)])
        claims: dict[Place, Claim] = await applier.store.claim(
            {Place(service.topic, 0): 0}, lost={}, owner="o", bootstrap=False
        )
        outcomes = await asyncio.gather(*(applier.apply(items, claims, {}) for _ in range(8)), return_exceptions=True)
        assert sum(outcome is None for outcome in outcomes) == 1
        assert sum(isinstance(outcome, Fenced) for outcome in outcomes) == 7
        assert await service.effects() == {item.event.subject: [1] for item in items}


async def test_three_consumers_that_all_believe_they_own_everything_apply_each_event_once_and_in_order(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    """Each in a group of its own: Kafka gives every partition to all three, and only the fence stands between them."""
    tickets = [new_id() for _ in range(12)]
    async with inbox(servers, empty_database, topic_prefix) as service:

        async def read(group: str, stop: asyncio.Event) -> None:
            async def open_log() -> KafkaIncoming:
                return await open_incoming(service.kafka, [service.topic], group=f"{topic_prefix}{group}")

            await consume_from(service, open_log, stop)

        async with running(partial(read, "a")), running(partial(read, "b")), running(partial(read, "c")):
            rounds = 0
            # Every claim of a partition raises its epoch: go on until they have robbed each other often.
            while await count(service.database, "consumer_offset where epoch >= 10") < PARTITIONS:
                rounds += 1
                await write_records(service, [event_of(ticket, rounds) for ticket in tickets])
            expected = {f"ticket/{ticket}": list(range(1, rounds + 1)) for ticket in tickets}
            await eventually(lambda: has_effects(service, expected), within=60)
        assert await service.parked() == {}
        assert await count(service.database, "outbox") == 12 * rounds


async def test_connections_killed_at_random_never_park_and_never_repeat_an_effect(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    choice = random.Random(5)
    tickets = [new_id() for _ in range(100)]
    async with inbox(servers, empty_database, topic_prefix) as service, administrator(servers) as admin:
        async with running(service.consume):
            for seq in range(1, 13):
                await write_records(service, [event_of(ticket, seq) for ticket in tickets])
                reached = choice.randint((seq - 1) * 100, seq * 100 - 50)
                await eventually(partial(has_at_least, service, reached))
                await kill_connections(admin, service)
            expected = {f"ticket/{ticket}": list(range(1, 13)) for ticket in tickets}
            await eventually(lambda: has_effects(service, expected), within=30)
        assert await service.parked() == {}


async def test_a_client_that_reads_no_more_is_replaced(
    servers: Servers, empty_database: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka's fetching task can be ended by an assertion of its own; nobody else would notice."""
    ticket, opened = new_id(), list[KafkaIncoming]()

    def fail(_assignment: object) -> None:
        raise AssertionError

    async with inbox(servers, empty_database, topic_prefix) as service:

        async def open_log() -> KafkaIncoming:
            opened.append(await open_incoming(service.kafka, [service.topic], group=f"{topic_prefix}routing"))
            return opened[-1]

        async with running(partial(consume_from, service, open_log)):
            await write_records(service, [event_of(ticket, 1)])
            await eventually(lambda: has_effects(service, {f"ticket/{ticket}": [1]}))
            fetcher = opened[0]._consumer._fetcher
            assert fetcher is not None
            monkeypatch.setattr(fetcher, "_get_actions_per_node", fail)
            await asyncio.wait([fetcher._fetch_task], timeout=10)
            await write_records(service, [event_of(ticket, 2)])
            await eventually(lambda: has_effects(service, {f"ticket/{ticket}": [1, 2]}), within=20)
        assert len(opened) == 2
        assert not any(each.connected() for each in opened[0]._consumer._client._conns.values())


async def test_a_reading_that_reads_no_more_says_so(servers: Servers, empty_database: str, topic_prefix: str) -> None:
    async with inbox(servers, empty_database, topic_prefix) as service:
        place = Place(service.topic, 0)
        async with open_reading(service.kafka, [place]) as reading:
            fetcher = reading._consumer._fetcher
            assert fetcher is not None
            fetcher._fetch_task.cancel()
            await asyncio.wait([fetcher._fetch_task])
            with pytest.raises(Unavailable, match="to be read anew"):
                await anext(read_range(reading, {place: (0, 1)}))


async def has_at_least(service: Inbox, effects: int) -> bool:
    try:
        return await count(service.database, "effect") >= effects
    except Unavailable:
        # The pool still holds connections that this test killed; each is found out by its next use.
        return False


async def kill_connections(admin: Database, service: Inbox) -> None:
    async with admin.begin(ORIGIN) as tx:
        kill = text("select pg_terminate_backend(pid) from pg_stat_activity where datname = :name")
        await tx.connection.execute(kill, {"name": service.database.engine.url.database})


@asynccontextmanager
async def administrator(servers: Servers) -> AsyncGenerator[Database]:
    database = open_database(servers.postgres_url)
    try:
        yield database
    finally:
        await database.close()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_lost_commit_is_reported_as_unknown(
    servers: Servers, empty_database: str, topic_prefix: str, moment: Moment
) -> None:
    ticket = new_id()
    async with inbox(servers, empty_database, topic_prefix) as service, proxy(empty_database) as way:
        database = open_database(way.url)
        way.plan.append(moment)

        async def write(tx: Transaction) -> None:
            add_dequeued(tx, ticket)

        with pytest.raises(UnknownOutcome):
            await in_transaction(database.begin, write)
        await database.close()

        async def is_settled() -> bool:
            return await count(service.database, "event") == (1 if moment == "after" else 0)

        await eventually(is_settled)


async def in_transaction(begin: Callable[..., Any], write: Callable[[Transaction], Coroutine[Any, Any, None]]) -> None:
    async with begin(ORIGIN) as tx:
        await write(tx)


async def test_after_an_unknown_commit_the_consumer_looks_and_neither_repeats_nor_skips(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    choice = random.Random(9)
    tickets = [new_id() for _ in range(50)]
    async with inbox(servers, empty_database, topic_prefix) as service, proxy(empty_database) as way:
        through = Inbox(database=open_database(way.url), kafka=service.kafka, topic=service.topic)
        async with running(through.consume):
            for seq in range(1, 11):
                way.plan.append(choice.choice(["before", "after"]))
                await write_records(service, [event_of(ticket, seq) for ticket in tickets])
                expected = {f"ticket/{ticket}": list(range(1, seq + 1)) for ticket in tickets}
                await eventually(partial(has_effects, service, expected), within=20)
        await through.database.close()
        assert way.lost >= 8
        assert await service.parked() == {}
        assert await count(service.database, "outbox") == 500


async def test_a_database_that_is_away_is_waited_for(servers: Servers, empty_database: str, topic_prefix: str) -> None:
    """The batch in hand is kept, nothing is parked, and when the database is back everything goes on."""
    tickets = [new_id() for _ in range(20)]
    async with inbox(servers, empty_database, topic_prefix) as service, proxy(empty_database) as way:
        through = Inbox(database=open_database(way.url), kafka=service.kafka, topic=service.topic)
        async with running(through.consume):
            await write_records(service, [event_of(ticket, 1) for ticket in tickets])
            await eventually(lambda: has_effects(service, {f"ticket/{ticket}": [1] for ticket in tickets}))
            way.go_away()
            await write_records(service, [event_of(ticket, 2) for ticket in tickets])
            with pytest.raises(Unavailable):
                await count(through.database, "effect")
            way.away = False
            await eventually(partial(has_at_least, service, 40), within=20)
        await through.database.close()
        assert await service.effects() == {f"ticket/{ticket}": [1, 2] for ticket in tickets}
        assert await service.parked() == {}
