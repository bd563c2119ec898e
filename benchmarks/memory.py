"""S12: the memory of each service process, idle and after load, as PSS: shared pages counted by their share.

Every service runs as api and worker, with all of them on this machine. Idle is measured when all are ready and have
rested; loaded after so many tickets have been opened at 50 a second.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

import psutil

from benchmarks.assigned import measure
from benchmarks.report import Row, record
from tests.support.directory import open_directory
from tests.support.servers import servers_for_tests
from tests.support.stack import Stack, running_stack

_REST_S = 3.0
_RUNS = 3


def measure_memory(stack: Stack) -> dict[str, float]:
    """The PSS of each process, in MB (10^6 bytes)."""
    sizes: dict[str, float] = {}
    for name, process in stack.processes.items():
        assert process.running is not None, f"{name} does not run"
        sizes[name] = psutil.Process(process.running.pid).memory_full_info().pss / 1e6
    return sizes


def note(sizes: list[dict[str, float]], when: str, *, bar: float) -> None:
    """Record the largest process of each run, and name every process of the last one."""
    each = ", ".join(f"{name} {size:.0f}" for name, size in sizes[-1].items())
    record(
        Row(
            id="S12",
            what=f"largest service process, {when}",
            unit="MB",
            runs=tuple(max(one.values()) for one in sizes),
            at_most=bar,
            note=f"the last run's processes: {each}",
        )
    )


async def run(seconds: int) -> None:
    """Measure on a new installation each time."""
    idle: list[dict[str, float]] = []
    loaded: list[dict[str, float]] = []
    with servers_for_tests() as servers:
        for _ in range(_RUNS):
            with tempfile.TemporaryDirectory() as folder:
                async with running_stack(servers, Path(folder)) as stack:
                    await open_directory(stack, agents=40, max_weight=1000)
                    await asyncio.sleep(_REST_S)
                    idle.append(measure_memory(stack))
                    await measure(stack, seconds)
                    loaded.append(measure_memory(stack))
    note(idle, "idle", bar=110.0)
    note(loaded, f"after {50 * seconds} tickets", bar=250.0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="60 s of load a run instead of 10 s")
    asyncio.run(run(60 if parser.parse_args().full else 10))
