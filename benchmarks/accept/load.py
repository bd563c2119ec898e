"""A load generator: so many connections, each sends its next request when it has the answer to the last."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast


@dataclass
class Measured:
    """What one run saw: seconds of each request in the measured time, and statuses other than 201."""

    seconds: list[float] = field(default_factory=list[float])
    others: list[int] = field(default_factory=list[int])
    length_s: float = 0.0

    @property
    def per_second(self) -> float:
        """Tickets a second."""
        return len(self.seconds) / self.length_s

    def percentile(self, share: float) -> float:
        """Milliseconds that this share of the requests took at most."""
        ranked = sorted(self.seconds)
        return 1000 * ranked[min(len(ranked) - 1, int(share * len(ranked)))]


class _Connection(asyncio.Protocol):
    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._buffer = b""
        self._began = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        if self._run.is_over():
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(self._run.next_request())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, rest = head.lower().partition(b"\r\ncontent-length:")
        if len(body) >= int(rest.partition(b"\r\n")[0]):
            self._buffer = b""
            self._run.note(self._began, int(head[9:12]))
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.ended.release()


class _Run:
    def __init__(self, request: Callable[[int], bytes], warm_up_s: float, length_s: float) -> None:
        self._request = request
        self._count = 0
        self._from = time.perf_counter() + warm_up_s
        self._until = self._from + length_s
        self.measured = Measured(length_s=length_s)
        self.ended = asyncio.Semaphore(0)

    def is_over(self) -> bool:
        return time.perf_counter() >= self._until

    def next_request(self) -> bytes:
        self._count += 1
        return self._request(self._count)

    def note(self, began: float, status: int) -> None:
        now = time.perf_counter()
        if not self._from <= now < self._until:
            return
        if status == 201:
            self.measured.seconds.append(now - began)
        else:
            self.measured.others.append(status)


async def load(
    port: int, request: Callable[[int], bytes], *, connections: int, warm_up_s: float, length_s: float
) -> Measured:
    """Send requests on so many connections; those that end in the warm-up do not count.

    Args:
        request: the bytes of the n-th request.
    """
    loop = asyncio.get_running_loop()
    run = _Run(request, warm_up_s, length_s)
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port)
    for _ in range(connections):
        await run.ended.acquire()
    return run.measured
