"""Decisions a second and their slowest hundredth, at every size, beside a plain scan: `python -m benchmarks.engine`.

One operation is an arrival and a release, each followed by `decide`. Only the time inside the engine counts, and of
that only the share in which this process had a processor, since the machine may be shared. Percentiles are by the wall
clock and so include interruptions. Rates of the scan come from few operations, because it is slow.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.engine.desk import MULTI, SINGLE, STEP, Desk, Shape
from benchmarks.engine.scan import Scan
from benchmarks.report import Row, record
from routing.work.domain import AgentFacts, Decision, Policy, WorkFacts
from routing.work.engine import Engine

RUNS = 9
BATCH = 50
SCAN_S = 0.2
"""How long the scan may take for one figure; it makes two operations at least."""

QUICK = [(SINGLE, 1_000, 100), (SINGLE, 100_000, 10_000), (MULTI, 100_000, 10_000)]
FULL = [
    *((SINGLE, backlog, agents) for backlog in (10**3, 10**4, 10**5, 10**6) for agents in (10**2, 10**3, 10**4, 10**5)),
    *((MULTI, backlog, 10**4) for backlog in (10**3, 10**4, 10**5, 10**6)),
]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The figures of one size.

    Operations a second: each run, the median with fifty of them decided together, each run of the scan. Percentiles
    and the longest of a single event in microseconds.
    """

    shape: Shape
    backlog: int
    agents: int
    rates: Sequence[float]
    batch_rate: float
    scan_rates: Sequence[float]
    p50: float
    p99: float
    longest: float
    load_s: float

    @property
    def rate(self) -> float:
        """The median."""
        return statistics.median(self.rates)


class Clock:
    """Tells which share of a stretch of time this process had a processor."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._processor = time.process_time()

    def share(self) -> float:
        """The share since the beginning, at most 1."""
        return min(1.0, (time.process_time() - self._processor) / (time.perf_counter() - self._wall))


def main() -> None:
    """Measure every cell, print the table, record the worst cells."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all sizes up to 10^6 tickets and 10^5 agents")
    options = parser.parse_args()
    print("| shape | waiting | agents | operations/s | by 50 | scan/s | p50 us | p99 us | longest us | filled in s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    cells: list[Cell] = []
    for shape, backlog, agents in FULL if options.full else QUICK:
        cell = measure(shape, backlog=backlog, agents=agents, operations=4_000 if options.full else 2_000)
        cells.append(cell)
        print(
            f"| {shape.name} | {backlog:,} | {agents:,} | {cell.rate:,.0f} | {cell.batch_rate:,.0f}"
            f" | {statistics.median(cell.scan_rates):,.1f}"
            f" | {cell.p50:.1f} | {cell.p99:.1f} | {cell.longest:,.0f} | {cell.load_s:.2f} |",
            flush=True,
        )
    print()
    for row in rows(cells):
        record(row)


def rows(cells: Sequence[Cell]) -> list[Row]:
    """What stands in the table of results: the worst cell of each shape, and what it is compared with."""
    found: list[Row] = []
    for shape, least in ((SINGLE, 50_000), (MULTI, 10_000)):
        same = [cell for cell in cells if cell.shape is shape]
        worst = min(same, key=lambda cell: cell.rate)
        largest = max(same, key=lambda cell: (cell.backlog, cell.agents))
        size = f"{worst.backlog:,} waiting x {worst.agents:,} agents"
        found.append(
            Row(
                id="S10",
                what=f"engine, {shape.name}, slowest size ({size})",
                unit="operations/s",
                runs=worst.rates,
                at_least=least,
                note="one operation is one arrival and one release, each decided on its own; per second of a processor",
            )
        )
        found.append(
            Row(
                id="S10",
                what=f"engine, {shape.name}, beside a scan ({largest.backlog:,} waiting x {largest.agents:,} agents)",
                unit="operations/s",
                runs=largest.rates,
                baseline="lists looked through for every event",
                baseline_runs=largest.scan_rates,
                at_least=1000,
            )
        )
        highest = max(cell.p99 for cell in same)
        what = f"engine, {shape.name}, highest p99 of one event"
        found.append(Row(id="S10", what=what, unit="us", runs=[highest], at_most=200))
    single = [cell.rate for cell in cells if cell.shape is SINGLE]
    what = "engine, single skill, slowest over fastest size"
    found.append(Row(id="S10", what=what, unit="ratio", runs=[min(single) / max(single)], at_least=0.2))
    return found


def measure(shape: Shape, *, backlog: int, agents: int, operations: int) -> Cell:
    """Fill an engine and a scan with the same desk, and let both work in turn."""
    desk = Desk(shape, agents=agents, backlog=backlog, seed=1)
    engine = Engine(Policy())
    gc.collect()
    gc.disable()
    started = time.process_time()
    desk.fill(engine)
    for decision in engine.decide(desk.now):
        desk.take(decision)
    load_s = time.process_time() - started
    gc.freeze()
    run_engine(desk, engine, operations, [])
    rates: list[float] = []
    batch_rates: list[float] = []
    scan_rates: list[float] = []
    times: list[int] = []
    for _ in range(RUNS):
        rates.append(run_engine(desk, engine, operations, times))
        batch_rates.append(run_batches(desk, engine, operations))
        scan_rates.append(run_scan(desk))
    gc.enable()
    gc.unfreeze()
    cut = statistics.quantiles(times, n=100)
    return Cell(
        shape=shape,
        backlog=backlog,
        agents=agents,
        rates=rates,
        batch_rate=statistics.median(batch_rates),
        scan_rates=scan_rates,
        p50=cut[49] / 1000,
        p99=cut[98] / 1000,
        longest=max(times) / 1000,
        load_s=load_s,
    )


def run_engine(desk: Desk, engine: Engine, operations: int, times: list[int]) -> float:
    """Operations a second inside the engine; adds the nanoseconds of each event to `times`."""
    spent: list[int] = []

    def step(event: WorkFacts | AgentFacts, now: int) -> list[Decision]:
        started = time.perf_counter_ns()
        if isinstance(event, WorkFacts):
            engine.put_work(event, now)
        else:
            engine.put_agent(event, now)
        decisions = engine.decide(now)
        spent.append(time.perf_counter_ns() - started)
        return decisions

    arrivals = desk.next_arrivals(operations)
    clock = Clock()
    desk.run(arrivals, step)
    times += spent
    return operations / (sum(spent) * clock.share()) * 1e9


def run_batches(desk: Desk, engine: Engine, operations: int) -> float:
    """Operations a second where `BATCH` arrivals and as many releases are decided together, as a decider commits."""
    spent = 0
    arrivals = desk.next_arrivals(operations)
    clock = Clock()
    for start in range(0, operations, BATCH):
        desk.now += BATCH * STEP
        finished = [desk.finish_one() for _ in range(BATCH)]
        started = time.perf_counter_ns()
        for work in arrivals[start : start + BATCH]:
            engine.put_work(work, desk.now)
        for facts in finished:
            engine.put_agent(facts, desk.now)
        decisions = engine.decide(desk.now)
        spent += time.perf_counter_ns() - started
        for decision in decisions:
            desk.take(decision)
    return operations / (spent * clock.share()) * 1e9


def run_scan(desk: Desk) -> float:
    """Operations a second of a scan over the desk as it is now."""
    scan = Scan(desk.agents.values(), desk.backlog)
    now, done = desk.now, 0
    arrivals = desk.next_arrivals(1_000)
    started = time.process_time()
    for work in arrivals:
        agent_id = scan.arrive(work, now)
        assert agent_id is None or agent_id in desk.agents
        scan.free(desk.look_at_one(), now)
        done += 1
        if done >= 2 and time.process_time() - started > SCAN_S:
            break
    return done / (time.process_time() - started)


if __name__ == "__main__":
    main()
