"""Our relay as a process until SIGTERM: `python -m benchmarks.debezium.relay DATABASE_URL BOOTSTRAP PREFIX`."""

import asyncio
import signal
import sys

import uvloop
from pydantic import SecretStr

from benchmarks.support.events import PARTITIONS
from common.backbone.relay import run_relay
from common.clock import SystemClock
from common.database import Database
from common.lifecycle import freeze_memory
from common.settings import DatabaseSettings, KafkaSettings


async def main(url: str, bootstrap: str, prefix: str) -> None:
    """Run it as a service's worker does."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = DatabaseSettings(url=SecretStr(url))
    source = "/frontline/bench/intake"
    database = Database.from_settings(settings, clock=SystemClock(), source=source, application_name="bench")
    freeze_memory()
    kafka = KafkaSettings(bootstrap=bootstrap, topic_prefix=prefix, partitions=PARTITIONS)
    try:
        await run_relay(database=database, kafka=kafka, service="intake", beat=lambda: None, stop=stop)
    finally:
        await database.close()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
