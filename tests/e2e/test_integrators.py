"""What integrators are told to do works as told: the example consumer, and the feed for those without Kafka."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from common.settings import KafkaSettings
from tests.support.backbone import create_topics
from tests.support.directory import new_ticket
from tests.support.eventually import eventually
from tests.support.golden import GOLDEN, golden_json, golden_record
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
                created = [line.split()[2] for line in shown.read_text().splitlines() if ".ticket.created." in line]
                assert {f"ticket/{ticket}" for ticket in opened} <= set(created)
                assert len(created) == len(set(created))
                return True

            await eventually(all_shown, within=30.0)
        finally:
            process.terminate()
            await process.wait()


async def test_the_example_consumer_drops_repeats_and_ends_where_a_number_is_missing(
    servers: Servers, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}support.intake.v1"
    await create_topics(KafkaSettings(bootstrap=servers.kafka_bootstrap), [topic], partitions=1)
    async with AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap) as producer:
        for number in (3, 4, 3, 4, 5, 7):
            headers, value = golden_record({**golden_json(GOLDEN[0]), "subjectseq": number})
            await producer.send_and_wait(topic, value, headers=headers)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLE), servers.kafka_bootstrap, topic, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(30):
        shown, said = await process.communicate()
    assert [line.split()[3] for line in shown.decode().splitlines()] == ["3", "4", "5"]
    assert "5 is followed by 7" in said.decode()
    assert process.returncode == 1


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
