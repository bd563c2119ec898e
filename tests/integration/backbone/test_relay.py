"""The relay on real servers: nothing lost, nothing overtaken, whoever commits late and however many relays run."""

import asyncio
import random
from uuid import UUID

import pytest
from sqlalchemy import text

from common.backbone.relay import run_relay
from common.database import Database
from common.errors import Misconfigured
from common.ids import new_id
from common.outbox import flush_events
from common.settings import KafkaSettings
from contracts.routing import AgentUpdated
from contracts.topics import topic_name
from tests.support.backbone import (
    ORIGIN,
    add_dequeued,
    count,
    create_topics,
    kafka_settings,
    migrated,
    no_beat,
    publish,
    running,
)
from tests.support.eventually import eventually
from tests.support.servers import Servers
from tests.support.topics import first_appearances, read_topic


def relay(database: Database, kafka: KafkaSettings, stop: asyncio.Event):
    return run_relay(database=database, kafka=kafka, service="routing", beat=no_beat, stop=stop)


async def is_drained(database: Database) -> bool:
    return await count(database, "outbox") == 0


async def test_what_is_committed_arrives_once_with_its_headers_and_leaves_the_outbox(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    kafka = kafka_settings(servers, topic_prefix)
    topic = topic_name("routing", topic_prefix)
    await create_topics(kafka, [topic])
    ticket = new_id()
    async with migrated(empty_database) as database, running(lambda stop: relay(database, kafka, stop)):
        published = await publish(database, [ticket] * 3)
        await eventually(lambda: is_drained(database))
        events = await read_topic(servers.kafka_bootstrap, topic)
    assert [(event.id, event.seq) for event in events] == [(event.id, event.seq) for event in published]
    first = events[0]
    assert first.source == "/frontline/test/routing"
    assert first.type == "support.work.dequeued.v1"
    assert (first.subject, first.actor, first.correlation_id) == (f"ticket/{ticket}", "service:test", "c-1")
    assert first.data == b'{"ticket_id":"%b","reason":"closed","kind":"own","handoff_id":null}' % str(ticket).encode()


async def test_a_transaction_that_commits_late_is_not_passed_over(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    """It holds a lower id than rows that were published long before, and longer than a floor takes to rise."""
    kafka = kafka_settings(servers, topic_prefix)
    topic = topic_name("routing", topic_prefix)
    await create_topics(kafka, [topic])
    late = new_id()
    async with migrated(empty_database) as database, running(lambda stop: relay(database, kafka, stop)):
        async with database.begin(ORIGIN) as tx:
            add_dequeued(tx, late)
            await flush_events(tx, database.source)
            deadline = asyncio.get_running_loop().time() + 2.5
            while asyncio.get_running_loop().time() < deadline:
                await publish(database, [new_id() for _ in range(5)])
                await eventually(lambda: is_drained(database))
        await eventually(lambda: is_drained(database))
        assert any(event.subject == f"ticket/{late}" for event in await read_topic(servers.kafka_bootstrap, topic))


async def test_two_relays_race_and_order_holds(servers: Servers, empty_database: str, topic_prefix: str) -> None:
    kafka = kafka_settings(servers, topic_prefix)
    topic = topic_name("routing", topic_prefix)
    await create_topics(kafka, [topic])
    tickets = [new_id() for _ in range(20)]
    async with (
        migrated(empty_database, patient=True) as database,
        running(lambda stop: relay(database, kafka, stop)),
        running(lambda stop: relay(database, kafka, stop)),
    ):
        await asyncio.gather(*(write_randomly(database, tickets, seed=seed, turns=40) for seed in range(6)))
        await eventually(lambda: is_drained(database))
        await assert_topic_is_complete(database, servers, topic)


async def test_another_partition_count_is_refused_in_words(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    kafka = kafka_settings(servers, topic_prefix, partitions=7)
    await create_topics(kafka, [topic_name("routing", topic_prefix)], partitions=3)
    async with migrated(empty_database) as database:
        with pytest.raises(Misconfigured, match=r"has 3 partitions, FRONTLINE_KAFKA_PARTITIONS says 7"):
            await relay(database, kafka, asyncio.Event())


async def test_stopping_publishes_what_was_committed_before_and_frees_the_shards(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    kafka = kafka_settings(servers, topic_prefix)
    await create_topics(kafka, [topic_name("routing", topic_prefix)])
    async with migrated(empty_database) as database:
        async with running(lambda stop: relay(database, kafka, stop)):
            await eventually(lambda: holds_shards(database))
            await publish(database, [new_id() for _ in range(200)])
        assert await is_drained(database)
        assert await count(database, "outbox_lease where expires_at > now()") == 0


async def holds_shards(database: Database) -> bool:
    return await count(database, "outbox_lease where expires_at > now()") == 8


async def write_randomly(database: Database, tickets: list[UUID], *, seed: int, turns: int) -> None:
    """Transactions with a few events each, some held open for a moment, some rolled back."""
    choice = random.Random(seed)  # noqa: S311 - reproducible
    for _ in range(turns):
        try:
            async with database.begin(ORIGIN) as tx:
                for ticket in choice.choices(tickets, k=choice.randint(1, 5)):
                    add_dequeued(tx, ticket)
                if choice.random() < 0.2:
                    await flush_events(tx, database.source)
                    await tx.connection.execute(text("select pg_sleep(:s)"), {"s": choice.random() * 0.05})
                if choice.random() < 0.1:
                    raise KeyError("rolled back on purpose")
        except KeyError:
            continue


async def assert_topic_is_complete(database: Database, servers: Servers, topic: str) -> None:
    """Per subject the topic has, in first appearances, exactly what the archive has."""
    appeared = first_appearances(await read_topic(servers.kafka_bootstrap, topic))
    assert sum(len(events) for events in appeared.values()) == await count(database, "event")


@pytest.mark.parametrize(("partitions", "teams"), [(1, 0), (3, 200)], ids=["1-partition-small", "3-partitions-wide"])
async def test_a_backlog_of_more_than_one_batch_a_partition_drains(
    servers: Servers, empty_database: str, topic_prefix: str, partitions: int, teams: int
) -> None:
    """2,000 events: of 0.3 kB in one partition, of 1.8 kB in three. A batch holds 512 KiB."""
    kafka = kafka_settings(servers, topic_prefix, partitions=partitions)
    topic = topic_name("routing", topic_prefix)
    await create_topics(kafka, [topic], partitions=partitions)
    async with migrated(empty_database) as database:
        async with database.begin(ORIGIN) as tx:
            for agent in [new_id() for _ in range(200)]:
                body = AgentUpdated(agent_id=agent, tier=1, max_weight=4, teams=tuple(f"t{n:03}" for n in range(teams)))
                tx.add_events(f"agent/{agent}", [body] * 10)
        async with running(lambda stop: relay(database, kafka, stop)):
            await eventually(lambda: is_drained(database))
        await assert_topic_is_complete(database, servers, topic)
