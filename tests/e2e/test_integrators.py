"""What integrators are told to do works as told: the example consumer, and the feed for those without Kafka."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer

from common.ids import new_id
from common.settings import KafkaSettings
from tests.support.backbone import create_topics
from tests.support.directory import new_ticket
from tests.support.eventually import eventually
from tests.support.golden import GOLDEN, golden_json, golden_record
from tests.support.ports import free_ports
from tests.support.servers import Servers
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "follow.py"


async def open_tickets(stack: Stack, keys: list[str]) -> list[str]:
    """Tickets that nobody here can take, so that they fill no other test's agents."""
    body = new_ticket(1, skills_hint=[{"skill": "unheard-of", "level": 1, "hard_level": 1}])
    async with stack.client("intake") as client:
        answers = [await client.post("/v1/tickets", headers={"Idempotency-Key": key}, json=body) for key in keys]
    assert {answer.status_code for answer in answers} == {201}
    return [answer.json()["id"] for answer in answers]


async def test_the_example_consumer_shows_every_ticket_once(stack: Stack, tmp_path: Path) -> None:
    opened = await open_tickets(stack, ["follow-1", "follow-2", "follow-3"])
    shown = tmp_path / "shown"
    with shown.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(EXAMPLE), stack.servers.kafka_bootstrap, stack.topics["intake"], stdout=output
        )
        try:

            async def all_shown() -> bool:
                written, _, _torn = shown.read_text().rpartition("\n")
                created = [line.split()[2] for line in written.splitlines() if ".ticket.created." in line]
                assert {f"ticket/{ticket}" for ticket in opened} <= set(created)
                assert len(created) == len(set(created))
                return True

            await eventually(all_shown, within=30.0)
        finally:
            process.terminate()
            await process.wait()


async def follow_to_the_end(bootstrap: str, topic: str) -> tuple[list[str], str]:
    """The numbers that the example consumer shows until it ends by itself, as a failure, and what it says then."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLE), bootstrap, topic, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(30):
        shown, said = await process.communicate()
    assert process.returncode == 1
    return [line.split()[3] for line in shown.decode().splitlines()], said.decode()


async def publish_numbers(servers: Servers, topic: str, events: Iterable[tuple[int, UUID]]) -> None:
    """Fill a new topic with events of one subject, each a number and an id."""
    await create_topics(KafkaSettings(bootstrap=servers.kafka_bootstrap), [topic], partitions=1)
    async with AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap) as producer:
        for number, event_id in events:
            headers, value = golden_record({**golden_json(GOLDEN[0]), "subjectseq": number, "id": str(event_id)})
            await producer.send_and_wait(topic, value, headers=headers)


async def test_the_example_consumer_drops_repeats_and_ends_where_a_number_is_missing(
    servers: Servers, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}support.intake.v1"
    ids = {number: new_id() for number in (3, 4, 5, 7)}
    await publish_numbers(servers, topic, [(number, ids[number]) for number in (3, 4, 3, 4, 5, 7)])
    shown, said = await follow_to_the_end(servers.kafka_bootstrap, topic)
    assert shown == ["3", "4", "5"]
    assert "5 is followed by 7" in said


async def test_the_example_consumer_ends_where_a_number_comes_with_another_id(
    servers: Servers, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}support.intake.v1"
    first, last, other = new_id(), new_id(), new_id()
    await publish_numbers(servers, topic, [(1, first), (2, last), (1, first), (2, last), (2, other)])
    shown, said = await follow_to_the_end(servers.kafka_bootstrap, topic)
    assert shown == ["1", "2"]
    assert f"2 is {last} and {other}" in said


async def test_the_example_consumer_says_in_one_line_that_kafka_does_not_answer() -> None:
    [port] = free_ports(1)
    assert await follow_to_the_end(f"127.0.0.1:{port}", "any") == ([], f"Kafka does not answer at 127.0.0.1:{port}\n")


async def test_the_feed_gives_everything_in_order_and_waits_for_news(stack: Stack) -> None:
    opened = await open_tickets(stack, ["feed-1", "feed-2"])
    async with stack.client("intake") as client:
        after, told = 0, []

        async def read_on(**params: Any) -> list[dict[str, Any]]:
            nonlocal after
            page = (await client.get("/v1/events", params={"after": after, "limit": 100, **params})).json()
            after = page["next_after"]
            return page["events"]

        while page := await read_on():
            told += page
        positions = [event["position"] for event in told]
        assert positions == sorted(set(positions))
        created = {event["subject"] for event in told if event["type"] == "support.ticket.created.v1"}
        assert {f"ticket/{ticket}" for ticket in opened} <= created

        waiting = asyncio.ensure_future(read_on(wait_s=20, types="support.ticket.created.v1"))
        (later,) = await open_tickets(stack, ["feed-3"])
        news = await waiting
        assert [event["subject"] for event in news] == [f"ticket/{later}"]
