"""A rebuild of the figures on real servers: the same as before, whatever was damaged, and not a word to anybody."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from common.backbone.consume import run_consumer
from common.backbone.consumer import Handler
from common.backbone.operating import Operator, operate_next
from common.backbone.operations import Operation, add_operation, get_operation
from common.settings import KafkaSettings
from common.transaction import Origin, Transaction
from contracts.envelope import Event
from contracts.routing import WorkDequeued
from contracts.topics import topic_name
from feedback.app import FIGURES_PROJECTION, OWNERSHIP_PROJECTION
from tests.integration.figures.conftest import HANDLERS, Figures
from tests.integration.figures.test_topics import _stories
from tests.support.backbone import create_topics, kafka_settings, no_beat, running
from tests.support.eventually import eventually
from tests.support.servers import Servers
from tests.support.stories import SERVICES, as_events, publish_streams

TICKETS = 25
PROJECTIONS = (FIGURES_PROJECTION, OWNERSHIP_PROJECTION)
TABLES = ("ticket_facts", "observation", "ownership_interval")


async def consume_stories(figures: Figures, servers: Servers, prefix: str) -> tuple[KafkaSettings, list[UUID]]:
    """Publish stories and read them all."""
    kafka = kafka_settings(servers, prefix)
    topics = {service: topic_name(service, prefix) for service in SERVICES}
    await create_topics(kafka, list(topics.values()))
    stories = _stories(TICKETS)
    told = [as_events(story, ticket_id) for ticket_id, story in stories.items()]
    for service in SERVICES:
        await publish_streams(kafka.bootstrap, topics[service], [each[service] for each in told], seed=3)
    expected = sum(len(events) for each in told for events in each.values())

    async def all_read() -> bool:
        assert (await figures.sql("select coalesce(sum(last_seq), 0) as n from subject_cursor"))[0].n == expected
        return True

    consume = partial(
        run_consumer, database=figures.database, kafka=kafka, service="feedback", sources=SERVICES, handlers=HANDLERS
    )
    async with running(lambda stop: consume(beat=no_beat, stop=stop)):
        await eventually(all_read, within=60)
    return kafka, list(stories)


async def rebuild(figures: Figures, kafka: KafkaSettings, name: str, projections: Any = PROJECTIONS) -> Operation:
    """Ask for it and have a worker do it."""
    async with figures.database.begin(Origin(actor="client:ops")) as tx:
        asked = await add_operation(tx, "rebuild", {"projection": name}, reason="a test")
    operator = Operator(
        database=figures.database, kafka=kafka, service="feedback", sources=SERVICES, projections=projections
    )
    assert await operate_next(operator)

    async def ended() -> Operation:
        async with figures.database.read() as connection:
            found = await get_operation(connection, asked.id)
        assert found.outcome, "it has not ended"
        return found

    # Of two that ask at once, each may have done what the other asked for.
    return await eventually(ended, within=60)


async def rows_of(figures: Figures) -> dict[str, set[Any]]:
    """Everything in the projections."""
    return {name: {str(tuple(row)) for row in await figures.sql(f"select * from {name}")} for name in TABLES}  # noqa: S608 - our own names


async def test_damage_is_undone_and_nothing_is_published(figures: Figures, servers: Servers, topic_prefix: str) -> None:
    kafka, tickets = await consume_stories(figures, servers, topic_prefix)
    before = await rows_of(figures)
    untouched = await rebuild(figures, kafka, "figures")
    assert (untouched.outcome, untouched.result["changed"]) == ("done", {"ticket_facts": 0, "observation": 0})
    await figures.sql("delete from ticket_facts where ticket_id = :id", id=tickets[0])
    await figures.sql("update observation set microseconds = microseconds + 1, agent_id = null")
    await figures.sql(
        "delete from ownership_interval where ticket_id = (select ticket_id from ownership_interval limit 1)"
    )
    await figures.sql(
        "insert into ticket_facts select gen_random_uuid(), facts, rule_version from ticket_facts limit 1"
    )
    offsets = await figures.sql("select topic, partition, next_offset, epoch from consumer_offset order by 1, 2")
    for name in ("figures", "ownership"):
        done = await rebuild(figures, kafka, name)
        assert done.outcome == "done", done.result
        assert done.result["left_alone"] == 0
    assert await rows_of(figures) == before
    assert (
        await figures.sql("select topic, partition, next_offset, epoch from consumer_offset order by 1, 2") == offsets
    )
    for silent in ("event", "outbox", "timer", "outgoing_call"):
        assert await figures.sql(f"select from {silent}") == []
    acted = await figures.sql("select subject, actor from parking_action where action = 'rebuild' order by id")
    assert [tuple(row) for row in acted] == [("figures", "client:ops")] * 2 + [("ownership", "client:ops")]


async def test_tickets_that_the_topics_no_longer_hold_whole_are_left_as_they_are(
    figures: Figures, servers: Servers, topic_prefix: str
) -> None:
    """As after the retention: what was applied of a ticket is more than what can be read."""
    kafka, tickets = await consume_stories(figures, servers, topic_prefix)
    await figures.sql(
        "update subject_cursor set last_seq = last_seq + 1 where source = 'intake' and subject = :subject",
        subject=f"ticket/{tickets[0]}",
    )
    await figures.sql("update ticket_facts set facts = '{}' where ticket_id in (:a, :b)", a=tickets[0], b=tickets[1])
    done = await rebuild(figures, kafka, "figures")
    assert (done.outcome, done.result["left_alone"]) == ("done", 1), done.result
    emptied = await figures.sql("select ticket_id from ticket_facts where facts = '{}'")
    assert [row.ticket_id for row in emptied] == [tickets[0]]


async def test_what_is_parked_stays_out_until_its_redrive(
    figures: Figures, servers: Servers, topic_prefix: str
) -> None:
    """The live tables do not hold it, so the rebuilt ones must not: the redrive would apply it twice."""
    kafka, _ = await consume_stories(figures, servers, topic_prefix)
    owned = "select from ownership_interval where ticket_id = :id"
    ticket = (await figures.sql("select ticket_id from ownership_interval limit 1"))[0].ticket_id
    subject = f"ticket/{ticket}"
    await figures.sql("delete from subject_cursor where source = 'routing' and subject = :s", s=subject)
    done = await rebuild(figures, kafka, "ownership")
    assert done.outcome == "done", done.result
    assert await figures.sql(owned, id=ticket) == []
    assert len(await figures.sql("select distinct ticket_id from ownership_interval")) > 1


async def publishing(tx: Transaction, events: Sequence[Event]) -> None:
    """No projection: it tells others."""
    for event in events:
        tx.add_events(event.subject, [WorkDequeued(ticket_id=UUID(event.subject_id), reason="closed")])


async def writing(tx: Transaction, _events: Sequence[Event]) -> None:
    """No projection: it writes a table that is not its own."""
    await tx.driver.execute("delete from survey")


@pytest.mark.parametrize(("apply", "says"), [(publishing, "would be published"), (writing, '"survey" does not exist')])
async def test_a_handler_with_effects_is_refused_before_it_has_any(
    figures: Figures, servers: Servers, topic_prefix: str, apply: Any, says: str
) -> None:
    kafka, _ = await consume_stories(figures, servers, topic_prefix)
    before = await rows_of(figures)
    types = frozenset(FIGURES_PROJECTION.handlers[0].types)
    tainted = replace(FIGURES_PROJECTION, handlers=[Handler(name="tainted", types=types, apply=apply)])
    done = await rebuild(figures, kafka, "figures", [tainted])
    assert done.outcome in ("refused", "failed")
    assert says in done.result["detail"]
    assert await rows_of(figures) == before
    assert await figures.sql("select from event") == []


async def test_the_service_goes_on_while_it_is_rebuilt(figures: Figures, servers: Servers, topic_prefix: str) -> None:
    """A consumer that reads the same topics beside it; whoever comes first, the end is the same."""
    kafka, _ = await consume_stories(figures, servers, topic_prefix)
    before = await rows_of(figures)
    await figures.sql("update consumer_offset set next_offset = 0, epoch = epoch + 1")
    await figures.sql("delete from observation")
    consume = partial(
        run_consumer, database=figures.database, kafka=kafka, service="feedback", sources=SERVICES, handlers=HANDLERS
    )
    async with running(lambda stop: consume(beat=no_beat, stop=stop)):
        done, again = await asyncio.gather(*(rebuild(figures, kafka, "figures") for _ in range(2)))
    assert {done.outcome, again.outcome} == {"done"}, (done.result, again.result)
    assert await rows_of(figures) == before
