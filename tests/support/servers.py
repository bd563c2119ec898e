"""Where the tests' servers come from."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Addresses of running servers: an administrator's URL of PostgreSQL, and Kafka's bootstrap address."""

    postgres_url: str
    kafka_bootstrap: str


@contextmanager
def servers_for_tests() -> Iterator[Servers]:
    """Addresses by TEST_POSTGRES_URL and TEST_KAFKA_BOOTSTRAP where given, else servers started for this run."""
    postgres_url = os.environ.get("TEST_POSTGRES_URL")
    kafka_bootstrap = os.environ.get("TEST_KAFKA_BOOTSTRAP")
    if not postgres_url or not kafka_bootstrap:
        raise RuntimeError("set TEST_POSTGRES_URL and TEST_KAFKA_BOOTSTRAP")
    yield Servers(postgres_url=postgres_url, kafka_bootstrap=kafka_bootstrap)
