"""S6 and S7: the consumer with fence, cursors and parking, beside two that have none of them.

All read the same topic to its end and do the same work for each event: one row of a projection and one outgoing event
in the outbox. The consumer written by hand runs one transaction a poll, set-based. Of FastStream's ways the fastest is
found first, and that one is measured beside ours; it works event by event, so what a topic holds does not change its
rate, and it is given a topic of its own that it can empty in the time.
"""

import argparse
from collections.abc import Awaitable, Callable

import uvloop

from benchmarks.consumer.by_hand import measure_by_hand
from benchmarks.consumer.framework import WAYS, measure_framework
from benchmarks.consumer.ours import measure_ours
from benchmarks.consumer.work import TOPIC, fill_topic
from benchmarks.report import Row, record
from benchmarks.support.events import fresh_topic, make_rows
from benchmarks.support.processors import Processors
from common.lifecycle import freeze_memory
from tests.support.servers import Servers, servers_for_tests

_RUNS = 3
_SIZES = {False: (30_000,), True: (10_000, 100_000, 1_000_000)}
_FRAMEWORK_EVENTS = {False: 3_000, True: 20_000}
_TRIAL_EVENTS = 1_000

Measure = Callable[[], Awaitable[float]]


async def main(*, full: bool) -> None:
    """Measure in turn, so that each run has its baselines beside it."""
    rows = make_rows(_SIZES[full][-1])
    freeze_memory()
    few = _FRAMEWORK_EVENTS[full]
    with servers_for_tests() as servers:
        way = await _find_fastest(servers)
        for size in _SIZES[full]:
            async with fresh_topic(servers, TOPIC) as prefix, fresh_topic(servers, TOPIC) as short:
                await fill_topic(servers, prefix + TOPIC, rows[:size])
                await fill_topic(servers, short + TOPIC, rows[:few])
                await _measure(servers, size, way, prefix=prefix, short=short, few=few)


async def _find_fastest(servers: Servers) -> str:
    rates: dict[str, float] = {}
    async with fresh_topic(servers, TOPIC) as prefix:
        await fill_topic(servers, prefix + TOPIC, make_rows(_TRIAL_EVENTS))
        for way in WAYS:
            rates[way] = await measure_framework(servers, prefix, _TRIAL_EVENTS, way)
    print("FastStream's ways, events/s: " + ", ".join(f"{way} {rate:,.0f}" for way, rate in rates.items()))
    return max(rates, key=lambda way: rates[way])


async def _measure(servers: Servers, size: int, way: str, *, prefix: str, short: str, few: int) -> None:
    processors = Processors(servers)
    contenders: dict[str, tuple[Measure, int]] = {
        "by hand": (lambda: measure_by_hand(servers, prefix, size), size),
        "ours": (lambda: measure_ours(servers, prefix, size), size),
        "FastStream": (lambda: measure_framework(servers, short, few, way), few),
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(_RUNS + 1):
        for name, (measure, events) in contenders.items():
            with processors.taken_by(name, events=events if number else 0):
                rate = await measure()
            if number:
                rates[name].append(rate)
    what = f"consumer applies {size:,} events with projection and outgoing event"
    baselines = (
        ("S6", "FastStream", f"FastStream's fastest idempotent way, {way} a transaction", 10.0),
        ("S7", "by hand", "batch consumer by hand, without fence, cursors, parking", 0.8),
    )
    for id_, name, baseline, bar in baselines:
        record(
            Row(
                id=id_,
                what=what,
                unit="events/s",
                runs=rates["ours"],
                baseline=baseline,
                baseline_runs=rates[name],
                at_least=bar,
                note=f"{processors.say('ours')}; {processors.say(name)}",
            )
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="three sizes up to 1,000,000 events instead of 30,000")
    uvloop.run(main(full=parser.parse_args().full))
