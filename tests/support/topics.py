"""Reading whole topics, as an integrator would: no group, from the first record to the end as it is now."""

from collections import defaultdict
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer

from contracts.envelope import Event, decode_event
from tests.support.closed import assert_closed

_POLL_MS = 500


async def read_topic(bootstrap: str, topic: str) -> list[Event]:
    """Every event of a topic up to its present end, in partition order, repeats included; each fits its schema."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = consumer.assignment()
        assert partitions, f"{topic} does not exist"
        ends = await consumer.end_offsets(partitions)
        events: list[Event] = []
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                events.extend(decode_event(record.headers, record.value) for record in records)
        for event in events:
            assert_closed(event)
        return events
    finally:
        await consumer.stop()


def first_appearances(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Per subject the events of one topic without repeats, in the order in which each number first appeared.

    Raises:
        AssertionError: a number is missing or out of order, or a repeat carries other bytes.
    """
    kept: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        known = kept[event.subject]
        if event.seq <= len(known):
            assert event == known[event.seq - 1], f"{event.subject} {event.seq}: a repeat differs"
        else:
            assert event.seq == len(known) + 1, f"{event.subject}: {event.seq} follows {len(known)}"
            known.append(event)
    return kept
