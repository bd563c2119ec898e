"""Ports that nobody listens on."""

import os
import random
import socket
from contextlib import ExitStack

_BELOW_EPHEMERAL = range(20_000, 30_000)
"""A port from the range that the system gives to the near ends of connections may be taken before we listen on it."""

# Tests that run in several processes at once choose from ranges that have nothing in common.
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_OURS = _BELOW_EPHEMERAL[_PROCESS::_PROCESSES]

_given: set[int] = set()
"""None is given twice: between being given and being listened on it would seem free."""


def free_ports(count: int) -> list[int]:
    """Free ports of the loopback address, all different, and none that an outgoing connection may take meanwhile."""
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(_OURS, len(_OURS)):
            if port in _given:
                continue
            one = held.enter_context(socket.socket())
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                _given.update(found)
                return found
    raise RuntimeError(f"no {count} ports are free between {_OURS[0]} and {_OURS[-1]}")
