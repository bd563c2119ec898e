"""A real HTTP server around an application, inside the test's own event loop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from starlette.types import ASGIApp

from common.http import listen, serve_http
from common.lifecycle import Pulse, spawn


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncGenerator[str]:
    """Serve `app` on a free port of this machine while inside; yields its URL."""
    listener = listen("127.0.0.1", 0, "none")
    listener.listen()  # so that a caller that comes before the server has started waits for it
    stopping = asyncio.Event()
    pulse = Pulse(beat=lambda: None, stopping=stopping)
    async with asyncio.TaskGroup() as group:
        spawn(group, serve_http(app, listener, pulse, drain=timedelta(seconds=5)), name="server")
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopping.set()
