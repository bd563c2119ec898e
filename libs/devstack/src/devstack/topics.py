"""The installation's topics."""

import asyncio
from collections.abc import Sequence
from typing import cast

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from common.errors import Misconfigured, Unavailable
from contracts.topics import TOPICS, Topic

LOCAL_PARTITIONS = 6
_TIMEOUT_MS = 20_000


def create_topics(bootstrap: str, *, partitions: int = LOCAL_PARTITIONS) -> None:
    """Create what is missing of the contract's topics; their partition counts never change afterwards.

    Raises:
        Misconfigured: a topic exists with another number of partitions.
        Unavailable: Kafka does not answer, or refuses.
    """
    try:
        asyncio.run(_create(bootstrap, partitions))
    except (KafkaError, OSError) as failed:
        raise Unavailable(f"cannot create the topics at {bootstrap}: {failed}") from failed


async def _create(bootstrap: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_TIMEOUT_MS)
    await admin.start()
    try:
        names = set(await admin.list_topics())
        existing = [topic for topic in TOPICS.values() if topic.name in names]
        missing = [topic for topic in TOPICS.values() if topic.name not in names]
        # Only of those that were there: a new one may take a moment to be described.
        for description in await admin.describe_topics([topic.name for topic in existing]) if existing else ():
            found = len(cast("Sequence[object]", description["partitions"]))
            if found != partitions:
                raise Misconfigured(f"the topic {description['topic']} has {found} partitions instead of {partitions}")
        if missing:
            await admin.create_topics([_new_topic(topic, partitions) for topic in missing], timeout_ms=_TIMEOUT_MS)
    finally:
        await admin.close()


def _new_topic(topic: Topic, partitions: int) -> NewTopic:
    retention_ms = int(topic.retention.total_seconds() * 1000)
    return NewTopic(topic.name, partitions, 1, topic_configs={"retention.ms": str(retention_ms)})
