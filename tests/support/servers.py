"""Where the tests' servers come from."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_START_S = 180
"""Also covers fetching Kafka into an empty cache."""

_OPTIONS = {"embedded": (), "containers": ("--containers",)}
"""By the value of TEST_SERVERS."""


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Addresses of running servers: an administrator's URL of PostgreSQL, and Kafka's bootstrap address."""

    postgres_url: str
    kafka_bootstrap: str


@contextmanager
def servers_for_tests() -> Iterator[Servers]:
    """Addresses by TEST_POSTGRES_URL and TEST_KAFKA_BOOTSTRAP where given, else servers started for this run.

    Raises:
        RuntimeError: no servers can be had; says why. Tests fail then, they are never skipped.
    """
    postgres_url = os.environ.get("TEST_POSTGRES_URL")
    kafka_bootstrap = os.environ.get("TEST_KAFKA_BOOTSTRAP")
    if postgres_url and kafka_bootstrap:
        yield Servers(postgres_url=postgres_url, kafka_bootstrap=kafka_bootstrap)
        return
    with _guarded_servers() as started:
        yield Servers(
            postgres_url=postgres_url or started.postgres_url,
            kafka_bootstrap=kafka_bootstrap or started.kafka_bootstrap,
        )


@contextmanager
def _guarded_servers() -> Generator[Servers]:
    """Servers under a guardian, which stops them when this process ends, in whatever way it ends."""
    kind = os.environ.get("TEST_SERVERS", "embedded")
    if kind not in _OPTIONS:
        raise RuntimeError(f"TEST_SERVERS is {kind}; it may be {' or '.join(_OPTIONS)}")
    with subprocess.Popen(
        [sys.executable, "-m", "devstack.guardian", *_OPTIONS[kind]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as guardian:
        line = guardian.stdout.readline() if guardian.stdout else ""
        if not line:
            _, reason = guardian.communicate(timeout=_START_S)
            raise RuntimeError(f"no servers for the tests: {reason.strip()}")
        try:
            yield Servers(**json.loads(line))
        finally:
            guardian.communicate(timeout=60)
