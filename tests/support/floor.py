"""The demo's support floor on a running stack, and what must hold of an installation when it has been played."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.envelope import Event
from devstack.demo.floor import close_floor, open_floor
from devstack.demo.people import find_house
from devstack.demo.play import Play
from devstack.demo.story import write_story
from devstack.demo.tally import Tally
from tests.support.closed import assert_closed
from tests.support.eventually import eventually
from tests.support.figures import assert_figures_equal
from tests.support.recount import read_streams
from tests.support.stack import PARTITIONS, Stack
from tests.support.surveys import check_surveys
from tests.support.topics import first_appearances, read_topic

_SETTLE_S = 90.0
_NONE_OF = (
    "outbox",
    "parked_subject",
    "poison_record",
    "outgoing_call",
    "timer where due_at < now() + interval '20 seconds'",
)
_SINCE, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
Subjects = dict[str, list[Event]]


async def play(
    stack: Stack, *, tickets: int, seed: int, rate: float, at_once: int, among_others: bool = False
) -> Tally:
    """Play so many stories to the end.

    Args:
        rate: customers a second.
        at_once: stories in play at most.
    """
    tally = Tally(wanted=tickets)
    house = find_house(stack.urls, stack.key)
    try:
        agents = await open_floor(house, among_others=among_others)
        stories = [write_story(seed, number, rate=rate) for number in range(1, tickets + 1)]
        await Play(house=house, agents=agents, stories=stories, run=f"s{seed}", at_once=at_once, tally=tally).perform()
        await close_floor(house, agents, run=f"s{seed}")
    finally:
        await house.close()
    return tally


async def check_floor(stack: Stack, tally: Tally) -> None:
    """Every story went as written, nobody owned with another, topics are whole, and the figures are the topics'."""
    assert not tally.troubles, "\n".join(f"{each.number} {each.ticket_id}: {each.trouble}" for each in tally.troubles)
    assert sum(result.owned for result in tally.results) == tally.wanted
    await eventually(lambda: is_quiet(stack), within=_SETTLE_S)
    told = {
        name: first_appearances(await read_topic(stack.servers.kafka_bootstrap, topic))
        for name, topic in stack.topics.items()
    }
    for subjects in told.values():
        for event in (event for events in subjects.values() for event in events):
            assert_closed(event)
    check_owners(told["routing"])
    check_handoffs(told["escalation"], told["routing"])
    async with stack.client("intake") as intake:
        await check_surveys(intake, told)
    async with stack.client("feedback") as client:
        streams = await read_streams(stack.servers.kafka_bootstrap, stack.topics)
        await assert_figures_equal(client, streams, since=_SINCE, until=_UNTIL)


async def is_quiet(stack: Stack) -> bool:
    """Nothing is on its way: no outbox, call, parked or soon due row, and all consumers stand at the topics' ends."""
    before = await _find_ends(stack)
    for service, url in stack.database_urls.items():
        connection = await asyncpg.connect(url)
        try:
            for rows in _NONE_OF:
                count = await connection.fetchval(f"select count(*) from {rows}")  # noqa: S608 - constants
                assert count == 0, f"{service} has {count} of {rows}\n{stack.logs()}"
            reached = await connection.fetch("select topic, partition, next_offset from consumer_offset")
        finally:
            await connection.close()
        for topic, partition, next_offset in reached:
            assert next_offset == before[topic, partition], f"{service} is at {next_offset} of {topic}/{partition}"
    assert await _find_ends(stack) == before, "something was published meanwhile"
    return True


async def _find_ends(stack: Stack) -> dict[tuple[str, int], int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.servers.kafka_bootstrap)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for topic in stack.topics.values() for number in range(PARTITIONS)]
        ends = await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    return {(place.topic, place.partition): end for place, end in ends.items()}


def check_owners(routing: Subjects) -> None:
    """At no point of a ticket's stream do two agents own it: what is replaced ends at once."""
    for subject, events in routing.items():
        owners: set[str] = set()
        replaced: set[str] = set()
        for body in (_body(event) | {"type": event.type} for event in events):
            if body["type"] == "support.assignment.assigned.v1":
                if body.get("replaces"):
                    replaced.add(body["replaces"])
                owners.add(body["assignment_id"])
            elif body["type"] == "support.assignment.unassigned.v1":
                owners.discard(body["assignment_id"])
                replaced.discard(body["assignment_id"])
            assert len(owners - replaced) <= 1, f"{subject} has {len(owners)} owners"
        assert not replaced, f"{subject}: a replaced assignment never ended"


def check_handoffs(escalation: Subjects, routing: Subjects) -> None:
    """Every handoff has one outcome, and an accepted one is the assignment that routing made for it."""
    assigned: dict[str, list[str]] = defaultdict(list)
    for events in routing.values():
        for event in events:
            body = _body(event)
            if event.type == "support.assignment.assigned.v1" and body.get("handoff_id"):
                assigned[body["handoff_id"]].append(body["assignment_id"])
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    for events in escalation.values():
        for event in events:
            kind = event.type.removeprefix("support.").removesuffix(".v1")
            if not kind.startswith("handoff."):
                continue
            body = _body(event)
            ends[body["handoff_id"]][kind.removeprefix("handoff.")] += 1
            if kind == "handoff.accepted":
                assert assigned[body["handoff_id"]] == [body["assignment_id"]]
    for handoff_id, counts in ends.items():
        assert counts["requested"] == 1, (handoff_id, counts)
        outcomes = sum(counts[end] for end in ("accepted", "declined", "expired", "withdrawn"))
        assert outcomes == 1, (handoff_id, counts)
        assert len(assigned[handoff_id]) == counts["accepted"], (handoff_id, counts)


def _body(event: Event) -> dict[str, Any]:
    return msgspec.json.decode(event.data)
