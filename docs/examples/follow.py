"""Follow Frontline's topics: each event once, in order per subject, from the first kept event on."""

import asyncio
import logging
import sys
from contextlib import suppress

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError


async def follow(bootstrap: str, topic: str) -> None:
    # (source, subject) -> the last number and its event's id; keep them where your effects are kept
    last: dict[tuple[str, str], tuple[int, str]] = {}
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    try:
        logging.disable()  # what goes wrong here is raised too
        await consumer.start()
        logging.disable(logging.NOTSET)
        async for record in consumer:
            header = {name: value.decode() for name, value in record.headers}
            key, seq = (header["ce_source"], header["ce_subject"]), int(header["ce_subjectseq"])
            number, event_id = last.get(key, (0, ""))
            if seq == number and header["ce_id"] != event_id:
                sys.exit(f"{key}: {seq} is {event_id} and {header['ce_id']}; stop and ask, a backup was restored")
            if seq <= number:
                continue  # a repeat: delivery is at least once
            if number and seq != number + 1:
                sys.exit(f"{key}: {number} is followed by {seq}; stop and ask, nothing may be missing")
            last[key] = (seq, header["ce_id"])
            print(header["ce_time"], header["ce_type"], header["ce_subject"], seq, record.value.decode(), flush=True)
    finally:
        await consumer.stop()


if len(sys.argv) != 3:
    sys.exit("usage: python follow.py KAFKA TOPIC, for instance 127.0.0.1:19092 support.intake.v1")
try:
    with suppress(KeyboardInterrupt):
        asyncio.run(follow(sys.argv[1], sys.argv[2]))
except KafkaConnectionError:
    sys.exit(f"Kafka does not answer at {sys.argv[1]}")
