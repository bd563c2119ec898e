"""S9: how many tickets a second pass through all four services, their lag under two seconds and nothing lost.

Each ticket is created by the API, queued and assigned by routing, gets its clocks in escalation and its owner in intake
and feedback. The lag is that of the slowest of all relays and consumers: how long ago the oldest thing was written that
is not yet carried or not yet applied, looked at from outside four times a second. After each step everything must have
been applied everywhere: every event of every producer by every service that reads it, none parked, each ticket
assigned. Rates go up by steps until one does not hold. Then the bar is held for five minutes, and so are the higher
rates that held for a step, until one does not.
"""

import argparse
import asyncio
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import psutil
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.report import Row, record
from benchmarks.support.pace import Paced, post_at_rate
from benchmarks.support.processors import read_cpu_s
from tests.support.directory import new_ticket, open_directory
from tests.support.eventually import eventually
from tests.support.servers import servers_for_tests
from tests.support.stack import PARTITIONS, Stack, running_stack

_BAR_PER_S = 200
_MAX_LAG_S = 2.0
_LOOK_S = 0.25
_STEPS = {False: (50, 100, 150, 200, 300), True: (50, 100, 150, 200, 250, 300, 400, 500)}
_STEP_S = {False: 5, True: 30}
_HOLD_S = {False: 10, True: 300}
_DRAIN_S = 120
_LARGEST_WEIGHT = 1_000
_TICKETS_AN_AGENT = 250

# As far as nothing is applied behind what a producer has committed, and nothing is left over.
_TOLD = "select coalesce(sum(seq), 0)::bigint from subject"
_APPLIED = "select source, sum(last_seq)::bigint from subject_cursor group by source"
_LEFT = "select (select count(*) from outbox) + (select count(*) from parked_subject)"
_ASSIGNED = "select count(distinct subject) from event where type = 'support.assignment.assigned.v1'"
# One look into the archive for each row that waits: joined, it would read all events that were ever written.
_OLDEST = """
    select coalesce(extract(epoch from clock_timestamp() - min(written.at)), 0)::float8
    from outbox o cross join lateral (select e.occurred_at as at from event e where e.id = o.id offset 0) as written
"""


@dataclass(kw_only=True)
class Watcher:
    """Looks at every relay and consumer from outside and keeps the largest lag of each."""

    databases: Mapping[str, asyncpg.Pool]
    log: AIOKafkaConsumer
    places: Sequence[TopicPartition]
    history: dict[TopicPartition, deque[tuple[float, int]]] = field(default_factory=lambda: defaultdict(deque))
    largest_s: dict[str, float] = field(default_factory=dict[str, float])

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(_LOOK_S)

    async def _look(self) -> None:
        now = time.monotonic()
        for place, end in (await self.log.end_offsets(self.places)).items():
            known = self.history[place]
            if not known or known[-1][1] != end:
                known.append((now, end))
        for service, pool in self.databases.items():
            self._note(f"{service}'s relay", await pool.fetchval(_OLDEST))
            rows = await pool.fetch("select topic, partition, next_offset from consumer_offset")
            lags = [self._lag_s(TopicPartition(row[0], row[1]), row[2], now) for row in rows]
            self._note(f"{service}'s consumer", max(lags, default=0.0))

    def _lag_s(self, place: TopicPartition, next_offset: int, now: float) -> float:
        """Since the first look at which the log was longer than what is applied."""
        return next((now - at for at, end in self.history[place] if end > next_offset), 0.0)

    def _note(self, who: str, lag_s: float) -> None:
        self.largest_s[who] = max(self.largest_s.get(who, 0.0), lag_s)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one rate did."""

    rate_per_s: int
    largest_lag_s: float
    slowest: str
    refused: Mapping[int, int]
    """How many answers had each status other than 201."""
    p99_ms: float
    cpu_ms: Mapping[str, float]

    @property
    def holds(self) -> bool:
        """Whether the rate can be held: a ticket that waits for its 201 lags too."""
        return self.largest_lag_s <= _MAX_LAG_S and self.p99_ms <= 1000 * _MAX_LAG_S and not self.refused

    def say(self) -> str:
        """In one line."""
        each = ", ".join(f"{name} {spent:.2f}" for name, spent in self.cpu_ms.items() if spent >= 0.005)
        busy = self.rate_per_s * sum(self.cpu_ms.values()) / 1000
        return (
            f"{self.rate_per_s} tickets/s: largest lag {self.largest_lag_s:.2f} s ({self.slowest}), p99 of the 201 "
            f"{self.p99_ms:.0f} ms, refused {dict(self.refused) or 'none'}, {sum(self.cpu_ms.values()):.1f} ms of the "
            f"processors a ticket: {each}; {busy:.2f} of {psutil.cpu_count()} processors"
        )


class Installation:
    """A running installation under load, and how many tickets it has accepted so far."""

    def __init__(self, stack: Stack, databases: Mapping[str, asyncpg.Pool], log: AIOKafkaConsumer) -> None:
        """Args: databases: of every service; log: to ask for the ends of topics."""
        self._stack = stack
        self._databases = databases
        self._log = log
        self._accepted = 0

    async def take(self, rate_per_s: int, seconds: int) -> Step:
        """Open tickets at the rate, wait until all is applied, and count that nothing was lost.

        Raises:
            AssertionError: something was lost, or is still not applied two minutes later.
        """
        places = [
            TopicPartition(topic, number) for topic in self._stack.topics.values() for number in range(PARTITIONS)
        ]
        watcher = Watcher(databases=self._databases, log=self._log, places=places)
        before = self._read_cpu_s()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watcher.watch())
            paced = await self._open(rate_per_s, rate_per_s * seconds)
            await eventually(self._is_settled, within=_DRAIN_S)
            spent = {name: until - before[name] for name, until in self._read_cpu_s().items()}
            watching.cancel()
        slowest = max(watcher.largest_s, key=lambda who: watcher.largest_s[who])
        return Step(
            rate_per_s=rate_per_s,
            largest_lag_s=watcher.largest_s[slowest],
            slowest=slowest,
            refused=Counter(paced.others),
            p99_ms=1000 * sorted(paced.seconds)[int(0.99 * len(paced.seconds))],
            cpu_ms={name: 1000 * each / len(paced.seconds) for name, each in spent.items()},
        )

    async def _open(self, rate_per_s: int, count: int) -> Paced:
        first, key = self._accepted, self._stack.key
        host = urlsplit(self._stack.urls["intake"])
        assert host.port is not None

        def request(number: int) -> bytes:
            body = msgspec.json.encode(new_ticket(first + number))
            head = (
                f"POST /v1/tickets HTTP/1.1\r\nHost: {host.netloc}\r\nAuthorization: Bearer {key}\r\n"
                f"Idempotency-Key: sustained-{first + number}-{count}-{rate_per_s}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            return head.encode() + body

        paced = await post_at_rate(host.port, request, rate_per_s=rate_per_s, count=count)
        self._accepted += len(paced.ids)
        return paced

    async def _is_settled(self) -> bool:
        told = {service: await each.fetchval(_TOLD) for service, each in self._databases.items()}
        readers = 0
        for service, pool in self._databases.items():
            assert await pool.fetchval(_LEFT) == 0, f"{service}: rows in the outbox or parked"
            read = {row[0] for row in await pool.fetch("select distinct topic from consumer_offset")}
            applied: dict[str, int] = {row[0]: row[1] for row in await pool.fetch(_APPLIED)}
            for source in (source for source, topic in self._stack.topics.items() if topic in read):
                readers += 1
                seen = applied.get(source, 0)
                assert seen == told[source], f"{service} applied {seen} of {told[source]} events of {source}"
        assert readers >= len(self._databases), "a service reads nothing"
        created = await self._databases["intake"].fetchval("select count(*) from ticket")
        assigned = await self._databases["routing"].fetchval(_ASSIGNED)
        assert created == assigned == self._accepted, f"{self._accepted} accepted, {created} kept, {assigned} assigned"
        return True

    def _read_cpu_s(self) -> dict[str, float]:
        times = psutil.Process().cpu_times()
        return read_cpu_s(self._stack) | {"the load itself": times.user + times.system}


@asynccontextmanager
async def installation(*, tickets: int) -> AsyncGenerator[Installation]:
    """All services and servers, with a staff that can own so many tickets."""
    async with AsyncExitStack() as closing:
        servers = closing.enter_context(servers_for_tests())
        folder = closing.enter_context(tempfile.TemporaryDirectory())
        stack = await closing.enter_async_context(running_stack(servers, Path(folder)))
        await open_directory(stack, agents=max(40, tickets // _TICKETS_AN_AGENT), max_weight=_LARGEST_WEIGHT)
        log = AIOKafkaConsumer(bootstrap_servers=servers.kafka_bootstrap)
        await log.start()
        closing.push_async_callback(log.stop)
        databases: dict[str, asyncpg.Pool] = {}
        for service, url in stack.database_urls.items():
            databases[service] = await closing.enter_async_context(asyncpg.create_pool(url, min_size=1, max_size=2))
        yield Installation(stack, databases, log)


async def main(*, full: bool) -> None:
    """Step up, then hold."""
    steps = _STEPS[full]
    async with installation(tickets=(_STEP_S[full] + _HOLD_S[full]) * sum(steps)) as running:
        await running.take(steps[0], 3)
        holding: list[int] = []
        for rate in steps:
            step = await running.take(rate, _STEP_S[full])
            print(step.say(), flush=True)
            if not step.holds:
                break
            holding.append(rate)
        held = await _hold(running, holding, _HOLD_S[full])
    _record(held, _HOLD_S[full], held.say())


async def hold_only(rate_per_s: int, seconds: int, *, recorded: bool) -> None:
    """Hold a given rate, on an installation that is fresh."""
    async with installation(tickets=rate_per_s * (seconds + 5)) as running:
        await running.take(rate_per_s, 5)
        held = await _hold_at(running, rate_per_s, seconds)
    if recorded:
        _record(held, seconds, f"on a fresh installation, this rate alone: {held.say()}")


def _record(held: Step, seconds: int, note: str) -> None:
    what = f"tickets through all four services for {seconds} s, lag under {_MAX_LAG_S:g} s, none lost"
    rate = float(held.rate_per_s if held.holds else 0)
    record(Row(id="S9", what=what, unit="tickets/s", runs=(rate,), at_least=_BAR_PER_S, note=note))


async def _hold(running: Installation, rates: Sequence[int], seconds: int) -> Step:
    """The highest rate that holds for so long, or the lowest where none does.

    The bar goes first, since what a long overload leaves behind would count against it. From there it goes up until
    one does not hold, or down until one does.
    """
    modest = sorted((rate for rate in rates if rate <= _BAR_PER_S), reverse=True) or [_STEPS[True][0]]
    held = await _hold_at(running, modest[0], seconds)
    if not held.holds:
        for rate in modest[1:]:
            held = await _hold_at(running, rate, seconds)
            if held.holds:
                break
        return held
    for rate in sorted(rate for rate in rates if rate > modest[0]):
        higher = await _hold_at(running, rate, seconds)
        if not higher.holds:
            break
        held = higher
    return held


async def _hold_at(running: Installation, rate_per_s: int, seconds: int) -> Step:
    step = await running.take(rate_per_s, seconds)
    print(f"held for {seconds} s: {step.say()}", flush=True)
    return step


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="longer steps, and five minutes at each rate held")
    parser.add_argument("--rate", type=int, help="hold only this rate")
    parser.add_argument("--seconds", type=int, default=20, help="for how long, with --rate")
    parser.add_argument("--record", action="store_true", help="with --rate: let the table have it")
    asked = parser.parse_args()
    if asked.record and asked.rate is None:
        parser.error("--record goes with --rate; without, all is recorded")
    if asked.rate is None:
        uvloop.run(main(full=asked.full))
    else:
        uvloop.run(hold_only(asked.rate, asked.seconds, recorded=asked.record))
