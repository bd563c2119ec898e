"""`make check`: every check that needs no server, side by side; one line for each, and what a failed one said.

Run some of them by name: `python -m tools.check lint rules`.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CHECKS = {
    "types": ("-m", "basedpyright"),
    "lint": ("-m", "ruff", "check", "--quiet", "."),
    "format": ("-m", "ruff", "format", "--quiet", "--diff", "."),
    "layers": ("-m", "tools.layers"),
    "rules": ("-m", "tools.rules"),
    "words": ("-m", "tools.words"),
    "documents": ("-m", "contracts", "check"),
    "settings": ("-m", "tools.settings", "check"),
    "metrics": ("-m", "tools.metrics", "check"),
    "manifests": ("-m", "tools.manifests"),
}
"""Each check's arguments to the environment's Python. The longest stands first, so that the others run beside it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one check ended: what it printed, and how many seconds it took."""

    name: str
    passed: bool
    output: str
    seconds: float


def main(names: Sequence[str]) -> int:
    """Run the named checks, or all; returns 1 where one failed, 2 for an unknown name."""
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"there is no check {', '.join(unknown)}; the checks are {', '.join(CHECKS)}")
        return 2
    with ThreadPoolExecutor(max_workers=2) as pool:
        outcomes = list(pool.map(_run, names or CHECKS))
    for outcome in outcomes:
        print(f"{'passed' if outcome.passed else 'FAILED'}  {outcome.name:<10} {outcome.seconds:5.1f} s")
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        print(f"\n== {outcome.name}\n{outcome.output.rstrip()}")
    return 1 if failed else 0


def _run(name: str) -> Outcome:
    started = time.monotonic()
    ended = subprocess.run([sys.executable, *CHECKS[name]], cwd=ROOT, capture_output=True, text=True, check=False)
    return Outcome(
        name=name,
        passed=ended.returncode == 0,
        output=ended.stdout + ended.stderr,
        seconds=time.monotonic() - started,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
