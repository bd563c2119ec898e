"""`make bench` and `make bench-full`: every benchmark of this folder in a process of its own, then the table.

All get the same servers: those of TEST_POSTGRES_URL and TEST_KAFKA_BOOTSTRAP where both are given, else durable ones
started for this run. Name some to run only those: `python -m benchmarks.run engine relay`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import report

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
NO_BENCHMARKS = frozenset({"__init__", "report", "run"})
ONLY_FULL = frozenset({"debezium", "newcomer"})
"""Left out of the quick set unless named: the one fetches Debezium, the other installs everything three times."""
LIMIT_S = {False: 180, True: 3600}
"""How long one benchmark may take, quick and full. One that takes longer is ended and counts as failed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; returns 1 where one broke down. A figure below its bar is no failure, the table says so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="full sizes and all repetitions")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; all by default")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names())):
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(names())}")
    started = time.monotonic()
    with _servers() as environment:
        wanted = options.names or [name for name in names() if options.full or name not in ONLY_FULL]
        broken = [name for name in wanted if not _run(name, environment, full=options.full)]
    report.main()
    print(f"took {time.monotonic() - started:.0f} s" + (f"; broke down: {', '.join(broken)}" if broken else ""))
    return 1 if broken else 0


def names() -> list[str]:
    """The benchmarks: modules of this folder, and packages with a `__main__`."""
    modules = {path.stem for path in FOLDER.glob("*.py")} - NO_BENCHMARKS
    packages = {path.parent.name for path in FOLDER.glob("*/__main__.py")}
    return sorted(modules | packages)


def _run(name: str, environment: dict[str, str], *, full: bool) -> bool:
    print(f"\n== {name}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", *(["--full"] if full else [])]
    try:
        return subprocess.run(command, cwd=ROOT, env=environment, timeout=LIMIT_S[full], check=False).returncode == 0
    except subprocess.TimeoutExpired:
        print(f"{name} took longer than {LIMIT_S[full]} s")
        return False


@contextmanager
def _servers() -> Generator[dict[str, str]]:
    """The environment that tells a benchmark where its servers are."""
    environment = dict(os.environ)
    if environment.get("TEST_POSTGRES_URL") and environment.get("TEST_KAFKA_BOOTSTRAP"):
        yield environment
        return
    # The guardian ends the servers when its standard input ends, also when this process is killed.
    with subprocess.Popen(
        [sys.executable, "-m", "devstack.guardian", "--durable"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as guardian:
        line = guardian.stdout.readline() if guardian.stdout else ""
        if not line:
            raise SystemExit("benchmarks: no servers could be started; the reason stands above")
        addresses: dict[str, str] = json.loads(line)
        environment["TEST_POSTGRES_URL"] = addresses["postgres_url"]
        environment["TEST_KAFKA_BOOTSTRAP"] = addresses["kafka_bootstrap"]
        try:
            yield environment
        finally:
            guardian.communicate()


if __name__ == "__main__":
    sys.exit(main())
