"""Reading every event as it crosses Kafka, without joining any group, so that nobody is disturbed."""
# aiokafka carries no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import chain
from operator import attrgetter

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from common.errors import Unavailable
from common.settings import KafkaSettings
from contracts.envelope import Event, UndecodableRecord, decode_event
from contracts.topics import TOPICS, topic_name

_START_S = 15.0


async def follow_events(
    settings: KafkaSettings, *, from_beginning: bool, tell_undecodable: Callable[[str], None]
) -> AsyncGenerator[Event]:
    """Events of all topics for ever, by default those that come from now on.

    Args:
        tell_undecodable: called with a sentence about each record that is no event.
    Raises:
        Unavailable: Kafka does not answer, or has none of the topics.
    """
    topics = [topic_name(service, settings.topic_prefix) for service in TOPICS]
    consumer = AIOKafkaConsumer(
        *topics,
        **settings.client_arguments(),  # pyright: ignore[reportArgumentType] - checked by the settings' own types
        group_id=None,  # alone, with all partitions
        enable_auto_commit=False,
        auto_offset_reset="earliest" if from_beginning else "latest",
    )
    try:
        async with asyncio.timeout(_START_S):
            await consumer.start()
        if not consumer.assignment():
            raise Unavailable(f"there is no topic {' or '.join(topics)} at {settings.bootstrap}")
        while True:
            polled = await consumer.getmany(timeout_ms=1000)
            # Each partition is in order by itself; told together, they read best in the order of their writing.
            for record in sorted(chain.from_iterable(polled.values()), key=attrgetter("timestamp")):
                try:
                    yield decode_event(record.headers, record.value)
                except UndecodableRecord as undecodable:
                    tell_undecodable(f"{record.topic} {record.partition}@{record.offset} is no event: {undecodable}")
    except (KafkaError, OSError, TimeoutError) as failed:
        raise Unavailable(f"Kafka at {settings.bootstrap} does not answer: {failed or 'no answer in time'}") from failed
    finally:
        await consumer.stop()
