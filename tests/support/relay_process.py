"""A relay in a process of its own, for tests that kill it.

Run it as `python -m tests.support.relay_process DATABASE_URL KAFKA_BOOTSTRAP TOPIC_PREFIX`.
"""

import asyncio
import sys

import uvloop

from common.backbone.relay import run_relay
from common.settings import KafkaSettings
from tests.support.backbone import PARTITIONS, no_beat, open_database


async def main(url: str, bootstrap: str, prefix: str) -> None:
    """Relay until killed."""
    kafka = KafkaSettings(bootstrap=bootstrap, topic_prefix=prefix, partitions=PARTITIONS)
    await run_relay(database=open_database(url), kafka=kafka, service="routing", beat=no_beat, stop=asyncio.Event())


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
