"""A TCP proxy in front of PostgreSQL that can lose the connection at the moment that matters: in COMMIT."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
    """

    url: str
    plan: list[Moment | None]
    lost: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: tuple[str, int]) -> None:
        """One connection, until either side ends it."""
        server_reader, server_writer = await asyncio.open_connection(*target)
        muted = False

        async def answers() -> None:
            while data := await server_reader.read(65_536):
                if not muted:
                    writer.write(data)
            writer.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(answers())
            while data := await reader.read(65_536):
                moment = self.plan.pop(0) if _COMMIT in data and self.plan else None
                if moment:
                    self.lost += 1
                    muted = True
                if moment != "before":
                    server_writer.write(data)
                if moment:
                    break
            if muted:
                # Closing our half lets the server finish what it has, and then end.
                writer.transport.abort()
            server_writer.write_eof()


@asynccontextmanager
async def proxy(url: str) -> AsyncGenerator[Proxy]:
    """Listen on a free port in front of the database of this URL."""
    parts = urlsplit(url)
    target = (parts.hostname or "", parts.port or 5432)
    running = Proxy(url="", plan=[])
    server = await asyncio.start_server(lambda r, w: running.serve(r, w, target), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    running.url = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}"))
    async with server:
        yield running
