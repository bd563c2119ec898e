"""Follow Frontline's topics: each event once, in order per subject, from the first kept event on."""

import asyncio
import sys
from contextlib import suppress

from aiokafka import AIOKafkaConsumer


async def follow(bootstrap: str, topic: str) -> None:
    last: dict[tuple[str, str], int] = {}  # (source, subject) -> number; keep it where your effects are kept
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        async for record in consumer:
            header = {name: value.decode() for name, value in record.headers}
            key, seq = (header["ce_source"], header["ce_subject"]), int(header["ce_subjectseq"])
            if seq <= last.get(key, 0):
                continue  # a repeat: delivery is at least once
            if key in last and seq != last[key] + 1:
                sys.exit(f"{key}: {last[key]} is followed by {seq}; stop and ask, nothing may be missing")
            last[key] = seq
            print(header["ce_time"], header["ce_type"], header["ce_subject"], seq, record.value.decode(), flush=True)


with suppress(KeyboardInterrupt):
    asyncio.run(follow(sys.argv[1], sys.argv[2]))
