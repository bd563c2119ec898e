"""`python -m tests.simulation --seeds 5000 --from 1`: many schedules, and the shortest story of each that fails."""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.run import Outcome, run_seed, shrink


def main() -> int:
    """Returns 1 where a schedule failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many schedules")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    parser.add_argument("--whole", action="store_true", help="tell failures as they are, without making them smaller")
    arguments = parser.parse_args()
    started, failed, effects, virtual_s = time.perf_counter(), 0, 0, 0.0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        for outcome in pool.map(run_seed, seeds, chunksize=20):
            effects += outcome.effects
            virtual_s += outcome.virtual_s
            if outcome.broken:
                failed += 1
                report(outcome if arguments.whole else shrink(outcome))
    seconds = time.perf_counter() - started
    print(
        f"{arguments.seeds} schedules, {failed} failed, {effects} effects, {virtual_s:.0f} virtual s, {seconds:.1f} s"
    )
    return 1 if failed else 0


def report(outcome: Outcome) -> None:
    """Print a failure: its seed, what broke, and the story."""
    print(
        f"seed {outcome.plan.seed}:", *(f"{each.invariant} {each.subject} {each.says};" for each in outcome.broken[:3])
    )
    print(f"  {outcome.plan.relays} relays, {outcome.plan.consumers} consumers, {outcome.plan.partitions} partitions")
    print(*(f"  {line}" for line in outcome.story), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
