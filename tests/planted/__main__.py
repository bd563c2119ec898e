"""`python -m tests.planted`: plants each classic error and says which schedule finds it; 1 where one is not found."""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.planted import PLANTS
from tests.planted.hunt import hunt


def main() -> int:
    """Returns 1 where a plant was not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(PLANTS), help="only these")
    parser.add_argument("--limit", type=int, default=3_000, help="how many schedules to try for each")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in PLANTS]
    if unknown:
        parser.error(f"no plant is called {', '.join(unknown)}; there are {', '.join(PLANTS)}")
    missed = 0
    print(f"{'plant':28} {'caught by':12} {'schedules':>9} {'seed':>6}  invariant and story")
    with ProcessPoolExecutor(2) as pool:
        catches = pool.map(partial(hunt, limit=arguments.limit), arguments.names)
        for name, catch in zip(arguments.names, catches, strict=True):
            if catch is None:
                missed += 1
                print(f"{name:28} NOT CAUGHT   {arguments.limit:9}")
            else:
                print(
                    f"{name:28} simulation   {catch.schedules:9} {catch.seed:6}  {catch.invariant}: {catch.says[:90]}"
                )
    print(f"{len(arguments.names)} plants, {missed} not caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
