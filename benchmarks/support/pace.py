"""Requests at a fixed rate, whether or not the answers keep up: what waits for an answer does not hold up the next."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

_CONNECTIONS = 64


@dataclass
class Paced:
    """What became of the requests: ids in the 201 answers, seconds from when each was due, statuses other than 201."""

    ids: list[str] = field(default_factory=list[str])
    seconds: list[float] = field(default_factory=list[float])
    others: list[int] = field(default_factory=list[int])


class _Answer(msgspec.Struct):
    id: str


async def post_at_rate(port: int, request: Callable[[int], bytes], *, rate_per_s: float, count: int) -> Paced:
    """Send the requests 0 to `count` - 1, each when it is due; a late start counts into its seconds.

    Args:
        request: the bytes of the n-th request.
    """
    paced = Paced()
    begun = time.perf_counter() + 0.2
    numbers = iter(range(count))

    async def serve() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for number in numbers:
                due = begun + number / rate_per_s
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                writer.write(request(number))
                status, body = await _read_answer(reader)
                paced.seconds.append(time.perf_counter() - due)
                if status == 201:
                    paced.ids.append(msgspec.json.decode(body, type=_Answer).id)
                else:
                    paced.others.append(status)
        finally:
            writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(_CONNECTIONS):
            group.create_task(serve())
    return paced


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(head[9:12]), await reader.readexactly(int(rest.partition(b"\r\n")[0]))
