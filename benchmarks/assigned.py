"""S8: from the 201 to the assignment, all services and servers on this machine, 50 tickets a second.

The clock of each ticket starts when its 201 has arrived and stops when this program, an ordinary subscriber, holds the
assignment from the topic: so the figure holds two relays, one consumer, one decision and two commits. What each process
took of the processors stands in a note. `--rate 5` shows how much of the wait is a wait for the next poll, when nothing
waits for a processor; other rates than the bar's are printed and not recorded.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer

from benchmarks.report import Row, record
from benchmarks.support.processors import read_cpu_s
from contracts.envelope import decode_event
from tests.support.directory import new_ticket, open_directory
from tests.support.servers import servers_for_tests
from tests.support.stack import Stack, running_stack

RATE_PER_S = 50
ASSIGNED = "support.assignment.assigned.v1"


async def measure(stack: Stack, seconds: int, *, rate_per_s: int = RATE_PER_S) -> list[float]:
    """Open tickets at the rate for so long; return each one's wait in milliseconds."""
    accepted: dict[str, float] = {}
    assigned: dict[str, float] = {}
    count = rate_per_s * seconds
    consumer = AIOKafkaConsumer(
        stack.topics["routing"],
        bootstrap_servers=stack.servers.kafka_bootstrap,
        auto_offset_reset="latest",
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    await consumer.seek_to_end()
    for partition in consumer.assignment():
        await consumer.position(partition)

    async def follow() -> None:
        while len(assigned) < count:
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                now = time.perf_counter()
                for event in (decode_event(kept.headers, kept.value) for kept in batch):
                    if event.type == ASSIGNED:
                        assigned.setdefault(event.subject_id, now)

    async def open_one(client: httpx.AsyncClient, number: int, at: float) -> None:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        answer = await client.post(
            "/v1/tickets",
            headers={"Idempotency-Key": f"bench-{at}-{number}"},
            json=new_ticket(number),
        )
        assert answer.status_code == 201, answer.text
        accepted[answer.json()["id"]] = time.perf_counter()

    try:
        async with stack.client("intake") as client, asyncio.timeout(seconds + 60), asyncio.TaskGroup() as group:
            group.create_task(follow())
            start = time.perf_counter() + 0.5
            for number in range(count):
                group.create_task(open_one(client, number, start + number / rate_per_s))
    finally:
        await consumer.stop()
    return [1000 * (assigned[ticket] - at) for ticket, at in accepted.items()]


async def run(seconds: int, runs: int, *, rate_per_s: int) -> None:
    """Measure so many times on one installation and record the medians over runs."""
    with servers_for_tests() as servers, tempfile.TemporaryDirectory() as folder:
        async with running_stack(servers, Path(folder)) as stack:
            await open_directory(stack, agents=40, max_weight=1000)
            await measure(stack, seconds, rate_per_s=rate_per_s)
            before = read_cpu_s(stack)
            waits = [sorted(await measure(stack, seconds, rate_per_s=rate_per_s)) for _ in range(runs)]
            spent_s = {name: until - before[name] for name, until in read_cpu_s(stack).items()}
    note = _say_cpu(spent_s, tickets=sum(map(len, waits)))
    what = f"accepted to assigned, {rate_per_s} tickets/s"
    for quantile, bar in ((0.5, 60.0), (0.99, 250.0)):
        figures = tuple(wait[int(len(wait) * quantile)] for wait in waits)
        row = Row(id="S8", what=f"{what}, p{quantile * 100:g}", unit="ms", runs=figures, at_most=bar, note=note)
        if rate_per_s == RATE_PER_S:
            record(row)
        print(f"S8 p{quantile * 100:g}: {statistics.median(figures):.1f} ms of {figures}")
    print(note)


def _say_cpu(spent_s: Mapping[str, float], *, tickets: int) -> str:
    each = {name: 1000 * spent / tickets for name, spent in spent_s.items()}
    words = ", ".join(f"{name} {spent:.1f}" for name, spent in each.items() if spent >= 0.05)
    return f"{sum(each.values()):.1f} ms of the processors a ticket: {words}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="60 s a run instead of 12 s")
    parser.add_argument("--rate", type=int, default=RATE_PER_S, help=f"tickets a second instead of {RATE_PER_S}")
    asked = parser.parse_args()
    asyncio.run(run(60 if asked.full else 12, 3, rate_per_s=asked.rate))
