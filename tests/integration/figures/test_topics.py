"""The figures on real servers: whatever the order of the topics, they are what an independent reader counts."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from common.backbone.consume import run_consumer
from common.ids import new_id
from common.transaction import Origin
from contracts.topics import topic_name
from feedback.figures.facts import Facts, follow
from feedback.figures.observing import RULE_VERSION, observe
from feedback.figures.timers import PERIODIC
from feedback.figures.usecases import observe_anew
from tests.integration.figures.conftest import HANDLERS, Figures
from tests.support.backbone import create_topics, kafka_settings, no_beat, running
from tests.support.eventually import eventually
from tests.support.figures import assert_figures_equal
from tests.support.recount import read_streams
from tests.support.servers import Servers
from tests.support.stories import BEGIN, END, SERVICES, Story, Teller, as_events, chance, publish_streams

TICKETS = 60


async def test_every_figure_is_what_the_topics_say(figures: Figures, servers: Servers, topic_prefix: str) -> None:
    """Two consumers share twelve partitions of four topics, which hold 60 stories, interleaved and repeated."""
    kafka = kafka_settings(servers, topic_prefix)
    topics = {service: topic_name(service, topic_prefix) for service in SERVICES}
    await create_topics(kafka, list(topics.values()))
    told = [as_events(story, ticket_id) for ticket_id, story in _stories(TICKETS).items()]
    await asyncio.gather(
        *(
            publish_streams(kafka.bootstrap, topics[service], [each[service] for each in told], seed=7)
            for service in SERVICES
        )
    )
    expected = sum(len(events) for each in told for events in each.values())

    async def all_read() -> bool:
        assert (await figures.sql("select coalesce(sum(last_seq), 0) as n from subject_cursor"))[0].n == expected
        return True

    consume = partial(
        run_consumer,
        database=figures.database,
        kafka=kafka,
        service="feedback",
        sources=SERVICES,
        handlers=HANDLERS,
        beat=no_beat,
    )
    async with AsyncExitStack() as consumers:
        for _ in range(2):
            await consumers.enter_async_context(running(lambda stop: consume(stop=stop)))
        await eventually(all_read, within=60)
    assert await figures.sql("select from parked_subject") == []
    streams = await read_streams(servers.kafka_bootstrap, topics)
    totals = await assert_figures_equal(figures.http, streams, since=BEGIN - timedelta(days=1), until=END)
    assert all(any(totals[figure].values()) for figure in totals), totals
    middle = BEGIN + timedelta(minutes=30)
    await assert_figures_equal(figures.http, streams, since=middle, until=middle + timedelta(minutes=17))


async def test_a_reader_notices_an_event_that_is_missing(servers: Servers, topic_prefix: str) -> None:
    """A figure that both sides count without it would be equal, and wrong."""
    kafka = kafka_settings(servers, topic_prefix)
    topic = topic_name("intake", topic_prefix)
    await create_topics(kafka, [topic])
    [(ticket_id, story)] = _stories(1).items()
    events = as_events(story, ticket_id)["intake"]
    await publish_streams(kafka.bootstrap, topic, [events[:1] + events[2:]], seed=7)
    with pytest.raises(AssertionError, match="3 follows 1"):
        await read_streams(servers.kafka_bootstrap, {"intake": topic})


async def test_topics_that_race_for_new_tickets_lose_nothing(figures: Figures) -> None:
    """Four transactions tell of the same unknown tickets at once, each of another service, again and again."""
    stories = _stories(25)
    told = [as_events(story, ticket_id) for ticket_id, story in stories.items()]

    async def tell(service: str) -> None:
        longest = max(len(each[service]) for each in told)
        for place in range(longest):
            batch = [each[service][place] for each in told if place < len(each[service])]
            await figures.apply(*batch)

    await asyncio.gather(*(tell(service) for service in SERVICES))
    assert await _kept(figures) == _expected(stories)


async def test_ownership_is_kept_in_the_order_in_which_routing_told_of_it(figures: Figures) -> None:
    """The table of intervals equals the pure fold."""
    stories = _stories(25)
    for ticket_id, story in stories.items():
        for event in as_events(story, ticket_id)["routing"]:
            await figures.apply(event)
    rows = await figures.sql(
        "select ticket_id, assignment_id, agent_id, ended_at from ownership_interval order by ticket_id, place"
    )
    expected = [
        (ticket_id, each.assignment_id, each.agent_id, each.ended_at)
        for ticket_id, story in sorted(stories.items())
        for each in _fold(story).work.owners
    ]
    assert [tuple(row) for row in rows] == expected


async def test_a_release_that_counts_differently_observes_all_tickets_anew(figures: Figures) -> None:
    """Also those about which nothing is told any more, and whatever the older rule left."""
    stories = _stories(20)
    for ticket_id, story in stories.items():
        await figures.apply(*(event for events in as_events(story, ticket_id).values() for event in events))
    await figures.sql("update ticket_facts set rule_version = :old", old=RULE_VERSION - 1)
    await figures.sql("update observation set definition = 'old ' || definition, parts = 1")
    assert PERIODIC[0].run is observe_anew
    async with figures.database.begin(Origin(actor="service:feedback")) as tx:
        await observe_anew(tx)
    assert await _kept(figures) == _expected(stories)
    outdated = await figures.sql("select from ticket_facts where rule_version <> :now", now=RULE_VERSION)
    assert outdated == []


async def test_an_event_about_a_ticket_of_an_older_rule_clears_what_that_rule_left(figures: Figures) -> None:
    [(ticket_id, story)] = _stories(1).items()
    events = [event for each in as_events(story, ticket_id).values() for event in each]
    await figures.apply(*events[:-1])
    await figures.sql("update ticket_facts set rule_version = :old", old=RULE_VERSION - 1)
    await figures.sql("update observation set definition = 'old ' || definition")
    await figures.apply(events[-1])
    assert await _kept(figures) == _expected({ticket_id: story})


def _stories(count: int) -> dict[UUID, Story]:
    teller = Teller(choice=chance(count))
    ids = [new_id() for _ in range(count)]
    return {ticket_id: teller.tell(ticket_id) for ticket_id in ids}


def _fold(story: Story) -> Facts:
    facts = Facts()
    for sayings in story.values():
        for saying in sayings:
            facts = follow(facts, saying.body, at=saying.at)
    return facts


def _expected(stories: Mapping[UUID, Story]) -> list[tuple[object, ...]]:
    observed = [each for ticket_id, story in stories.items() for each in observe(ticket_id, _fold(story))]
    return sorted((str(each.ticket_id), each.definition, each.key, each.at, each.parts) for each in observed)


async def _kept(figures: Figures) -> list[tuple[object, ...]]:
    rows = await figures.sql("select ticket_id::text, definition, key, at, parts from observation")
    return sorted(tuple(row) for row in rows)
