"""A partition that was taken from a consumer while it still has a claim on it: an end is asked for all the same."""

from aiokafka import AIOKafkaConsumer, TopicPartition

from common.backbone.kafka import Dealt, KafkaIncoming
from common.backbone.protocols import Place


async def test_the_end_of_a_partition_that_was_taken_away_is_not_known_and_ends_no_process() -> None:
    consumer = AIOKafkaConsumer()
    log = KafkaIncoming(consumer, Dealt())
    kept, taken = Place("notes.events", 0), Place("notes.events", 1)
    try:
        consumer.assign([TopicPartition(*kept), TopicPartition(*taken)])
        state = consumer._subscription.subscription.assignment.state_value(TopicPartition(*kept))
        state.highwater = 7
        assert (log.end_offset(kept), log.end_offset(taken)) == (7, 0)
        consumer.unsubscribe()
        assert (log.end_offset(kept), log.end_offset(taken)) == (0, 0)
    finally:
        await consumer.stop()
