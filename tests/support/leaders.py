"""Who leads which partition of a Kafka cluster, and how to move leaders, as an administrator does it.

aiokafka's administrator can neither read the leaders as values nor elect others; its protocol knows two of the three
requests, and the third stands here.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

_LIMIT_MS = 30_000
_PREFERRED = 0
_ELECTION_NOT_NEEDED = 84
Partition = tuple[str, int]


class _ElectLeadersResponse(Response):
    API_KEY = 43
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "results",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(("partition", Int32), ("error_code", Int16), ("error_message", String("utf-8"))),
                ),
            ),
        ),
    )


class _ElectLeadersStruct(RequestStruct):
    API_KEY = 43
    API_VERSION = 1
    RESPONSE_TYPE = _ElectLeadersResponse
    SCHEMA = Schema(
        ("election_type", Int8),
        ("topic_partitions", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))),
        ("timeout_ms", Int32),
    )


class _ElectLeaders(Request[_ElectLeadersStruct]):
    API_KEY = 43

    def __init__(self, partitions: Mapping[str, Sequence[int]]) -> None:
        self._partitions = [(topic, list(numbers)) for topic, numbers in partitions.items()]

    def build(self, request_struct_class: type[_ElectLeadersStruct]) -> _ElectLeadersStruct:
        return request_struct_class(_PREFERRED, self._partitions, _LIMIT_MS)


class Leaders:
    """An administrator's view of a cluster's partitions."""

    def __init__(self, admin: Any) -> None:
        """Args: admin: a started administrator of aiokafka."""
        self._admin = admin

    async def find(self, topics: Iterable[str]) -> dict[Partition, int]:
        """The broker that leads each partition; -1 where none does."""
        told = await self._describe(topics)
        return {place: partition["leader"] for place, partition in told.items()}

    async def count_lacking(self, topics: Iterable[str]) -> int:
        """How many partitions lack a replica that has all records."""
        told = await self._describe(topics)
        return sum(len(one["isr"]) < len(one["replicas"]) for one in told.values())

    async def _describe(self, topics: Iterable[str]) -> dict[Partition, Any]:
        told = await self._admin.describe_topics(list(topics))
        return {(topic["topic"], one["partition"]): one for topic in told for one in topic["partitions"]}

    async def move(self, wanted: Mapping[Partition, Sequence[int]]) -> None:
        """Give partitions their replicas in this order, and elect the first of each as its leader.

        Raises:
            KafkaError: the cluster refused.
        """
        by_topic: dict[str, list[Any]] = {}
        for (topic, number), replicas in wanted.items():
            by_topic.setdefault(topic, []).append((number, list(replicas), {}))
        reassigned = await self._ask(
            AlterPartitionReassignmentsRequest(_LIMIT_MS, [(topic, some, {}) for topic, some in by_topic.items()], {})
        )
        _check(reassigned.error_code, reassigned.responses)
        numbers = {topic: [number for number, *_ in some] for topic, some in by_topic.items()}
        elected = await self._ask(_ElectLeaders(numbers))
        _check(elected.error_code, elected.results)

    async def _ask(self, request: Any) -> Any:
        # Any broker passes it on to the controller.
        return await self._admin._send_request(request)


def _check(code: int, topics: Sequence[Any]) -> None:
    codes = [code, *(partition[1] for _, partitions, *_ in topics for partition in partitions)]
    for found in codes:
        if found not in (0, _ELECTION_NOT_NEEDED):
            raise for_code(found)


@asynccontextmanager
async def leaders_of(bootstrap: str) -> AsyncGenerator[Leaders]:
    """A connected administrator."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=_LIMIT_MS)
    await admin.start()
    try:
        yield Leaders(admin)
    finally:
        await admin.close()
