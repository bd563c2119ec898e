"""S14: how long a newcomer waits: `make run` in a fresh clone with empty caches, then warm; --full adds `make test`.

The clone is of what is committed here. Certificates and mirrors that the environment names are passed on; its home,
and with it every cache, is empty.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.report import Row, record

CHECKOUT = Path(__file__).resolve().parent.parent
_PASSED_ON = ("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "PIP_CERT", "PIP_INDEX_URL")
RUNS = 3


def clone(folder: Path) -> dict[str, str]:
    """Clone into `folder`/clone and make an empty home beside it; returns the environment to use there."""
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(folder / "clone")], check=True)
    (folder / "home").mkdir()
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return passed_on | {"HOME": str(folder / "home")}


def seconds(folder: Path, environment: dict[str, str], *arguments: str) -> float:
    """How long one make target takes in the clone.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    started = time.perf_counter()
    ended = subprocess.run(
        ["make", *arguments],
        cwd=folder / "clone",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"make {' '.join(arguments)} failed:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return time.perf_counter() - started


def main(*, full: bool) -> None:
    """Time everything and record the rows."""
    cold: list[float] = []
    warm: list[float] = []
    tests: list[float] = []
    for number in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="frontline-newcomer-") as name:
            folder = Path(name)
            folder.chmod(0o711)  # root's PostgreSQL runs as `nobody`, who must be able to pass
            environment = clone(folder)
            try:
                cold.append(seconds(folder, environment, "run"))
                seconds(folder, environment, "down")
                warm.append(seconds(folder, environment, "run"))
            finally:
                seconds(folder, environment, "down", "ARGS=--wipe")
            if full and number == 0:
                tests.append(seconds(folder, environment, "test"))
    record(Row(id="S14", what="make run, fresh clone, empty caches", unit="s", runs=cold, at_most=90.0))
    record(Row(id="S14", what="make run, warm", unit="s", runs=warm, at_most=12.0))
    if tests:
        record(Row(id="S14", what="make test", unit="s", runs=tests, at_most=900.0))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="also time `make test`")
    main(full=parser.parse_args().full)
