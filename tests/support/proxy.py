"""A TCP proxy in front of PostgreSQL that can go away, or lose a connection at the moment that matters: in COMMIT."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

_COMMIT = b"COMMIT;"
Moment = Literal["before", "after"]


@dataclass(kw_only=True)
class Proxy:
    """A running proxy.

    Attributes:
        url: the database's URL through it.
        plan: for each COMMIT that comes from now on: None lets it pass, "before" loses it before the server has it,
            "after" lets the server have it and loses the answer.
        lost: how many were lost.
        away: True refuses every connection, as if nothing were there.
    """

    url: str
    plan: list[Moment | None]
    lost: int = 0
    away: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    def go_away(self) -> None:
        """Cut all connections and refuse new ones."""
        self.away = True
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: tuple[str, int]) -> None:
        """One connection, until either side ends it."""
        if self.away:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection(*target)
        self._open.add(writer)
        try:
            async with asyncio.TaskGroup() as group:
                answers = group.create_task(_pass_on(server_reader, writer))
                await self._pass_requests(reader, server_writer, writer)
                answers.cancel()
        finally:
            self._open.discard(writer)
            server_writer.close()
            writer.close()

    async def _pass_requests(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while data := await _read(reader):
            moment = self.plan.pop(0) if _COMMIT in data and self.plan else None
            if moment:
                self.lost += 1
                client.transport.abort()
            if moment != "before":
                server.write(data)
                await server.drain()
            if moment:
                return


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await _read(reader):
        writer.write(data)
    writer.close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65_536)
    except ConnectionError:
        return b""


@asynccontextmanager
async def proxy(url: str) -> AsyncGenerator[Proxy]:
    """Listen on a free port in front of the database of this URL."""
    parts = urlsplit(url)
    target = (parts.hostname or "", parts.port or 5432)
    running = Proxy(url="", plan=[])
    server = await asyncio.start_server(lambda r, w: running.serve(r, w, target), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # User and password stay as they stand in the URL, quoted or not.
    role, at, _ = parts.netloc.rpartition("@")
    running.url = urlunsplit(parts._replace(netloc=f"{role}{at}127.0.0.1:{port}"))
    async with server:
        yield running
