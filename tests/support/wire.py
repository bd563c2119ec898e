"""A TCP proxy in front of a server: it can delay, cut, and fall silent, as networks do."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from tests.support.eventually import pass_time

_READ_BYTES = 65_536


@dataclass(eq=False, kw_only=True)
class _Pair:
    """One connection through the proxy. A hushed one carries nothing any more, and neither end is told."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    hushed: bool = False


@dataclass(kw_only=True)
class Wire:
    """A running proxy.

    Attributes:
        port: where it listens.
        target_port: of the server behind it; 0 as long as there is none.
        delay_s: how much later everything arrives, in both directions.
        silent: what is opened now is hushed from the beginning.
    """

    port: int
    target_port: int = 0
    delay_s: float = 0.0
    silent: bool = False
    _pairs: dict[_Pair, None] = field(default_factory=dict[_Pair, None])
    """In the order in which they were opened."""

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._pairs)

    def cut(self, share: float = 1.0) -> int:
        """Reset so many of the open connections, those opened first; returns how many."""
        chosen = list(self._pairs)[: max(1, round(share * len(self._pairs)))]
        for pair in chosen:
            for writer in (pair.client, pair.server):
                if writer is not None:
                    writer.transport.abort()
        return len(chosen)

    def hush(self) -> int:
        """Make every open connection half open: it stays, and carries nothing, for ever. Returns how many."""
        for pair in self._pairs:
            pair.hushed = True
        return len(self._pairs)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        pair = _Pair(client=writer, hushed=self.silent)
        self._pairs[pair] = None
        try:
            server_reader, pair.server = await asyncio.open_connection("127.0.0.1", self.target_port)
            async with asyncio.TaskGroup() as group:
                back = group.create_task(self._carry(pair, server_reader, writer))
                await self._carry(pair, reader, pair.server)
                back.cancel()
        except (OSError, ExceptionGroup):
            writer.transport.abort()
        finally:
            del self._pairs[pair]
            writer.close()
            if pair.server is not None:
                pair.server.close()

    async def _carry(self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_READ_BYTES):
                if self.delay_s:
                    await pass_time(self.delay_s)
                if not pair.hushed:
                    writer.write(data)
                    await writer.drain()
        except ConnectionError:
            writer.transport.abort()
        else:
            if not pair.hushed:
                writer.close()


@asynccontextmanager
async def wire(port: int) -> AsyncGenerator[Wire]:
    """Listen on a port; the target is named afterwards."""
    running = Wire(port=port)
    server = await asyncio.start_server(running.serve, "127.0.0.1", port)
    try:
        yield running
    finally:
        server.close()
        running.cut()


def at_port(url: str, port: int) -> str:
    """The same URL with another port, of the loopback address."""
    parts = urlsplit(url)
    # User and password stay as they stand in the URL, quoted or not.
    role, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{role}{at}127.0.0.1:{port}"))
