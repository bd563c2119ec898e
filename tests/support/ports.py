"""Ports that nobody listens on."""

import random
import socket
from contextlib import ExitStack

_BELOW_EPHEMERAL = range(20_000, 30_000)


def free_ports(count: int) -> list[int]:
    """Free ports of the loopback address, all different. Held open together, so that no two are the same."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def listening_ports(count: int) -> list[int]:
    """Like `free_ports`, but below the range from which the system takes the near ends of outgoing connections."""
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(_BELOW_EPHEMERAL, len(_BELOW_EPHEMERAL)):
            one = held.enter_context(socket.socket())
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise RuntimeError(f"no {count} ports are free between {_BELOW_EPHEMERAL[0]} and {_BELOW_EPHEMERAL[-1]}")
