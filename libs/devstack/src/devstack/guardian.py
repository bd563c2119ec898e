"""Servers that live exactly as long as the process that asked for them: `python -m devstack.guardian`.

The guardian starts the servers in a new temporary folder, writes their addresses as one JSON line to its standard
output and waits for the end of its standard input. That end comes when the asker closes it, and also when the asker is
killed with -9; then the guardian stops the servers and deletes the folder.

With `--durable` PostgreSQL syncs to disk and Kafka runs with full compilation, as benchmarks need it; with
`--containers` both run in Docker.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import uuid
from dataclasses import asdict
from pathlib import Path

from common.errors import FrontlineError
from devstack.kafka import FULL_JVM, SMALL_JVM
from devstack.progress import Cancel, Interrupted, Silent
from devstack.servers import EmbeddedServers, Servers, start_both


def main() -> int:
    """See the module. Exit code 1: the servers could not be started; the reason is on standard error."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # the asker gets them, and its end is what ends us
    signal.signal(signal.SIGTERM, _close_input)
    folder = Path(tempfile.mkdtemp(prefix="frontline-test-"))
    folder.chmod(0o711)  # root's PostgreSQL runs as `nobody`, who must be able to pass
    servers: Servers | None = None
    try:
        servers = _choose(folder)
        addresses = start_both(servers, progress=Silent(), cancel=Cancel())
        sys.stdout.write(json.dumps(asdict(addresses)) + "\n")
        sys.stdout.flush()
        while os.read(sys.stdin.fileno(), 1024):
            pass
    except (FrontlineError, Interrupted, BrokenPipeError) as failed:
        sys.stderr.write(f"{failed}\n")
        return 1
    finally:
        if servers is not None:
            servers.stop()
            servers.remove()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _choose(folder: Path) -> Servers:
    if "--containers" in sys.argv:
        from devstack.containers import ContainerServers  # loads the docker client, which few runs need

        return ContainerServers(uuid.uuid4().hex)
    durable = "--durable" in sys.argv
    return EmbeddedServers(
        postgres=folder / "postgres",
        kafka=folder / "kafka",
        logs=folder / "logs",
        fsync=durable,
        jvm_options=FULL_JVM if durable else SMALL_JVM,
    )


def _close_input(_number: int, _frame: object) -> None:
    raise Interrupted("asked to end")


if __name__ == "__main__":
    sys.exit(main())
