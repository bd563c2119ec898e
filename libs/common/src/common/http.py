"""Serving an ASGI application by uvicorn, inside our own life and with our own signals."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

import uvicorn
from starlette.types import ASGIApp

from common.errors import Misconfigured
from common.lifecycle import Pulse, until_stopped

_KEEP_ALIVE_S = 75
"""Longer than the 60 s of usual load balancers, so that they close idle connections and we never do under a request."""
_BACKLOG = 2048


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to `common.lifecycle`."""
        yield


def listen(host: str, port: int, variable: str) -> socket.socket:
    """Take the port now, so that a taken one is told at start in one line. Callers wait for `serve_http`.

    Args:
        port: 0 takes any free one.
        variable: the setting to name in the error.
    Raises:
        Misconfigured: the port is taken or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # With SO_REUSEADDR two processes can bind one port; only one of them can listen.
        listener.listen(_BACKLOG)
    except OSError as refused:
        listener.close()
        raise Misconfigured(f"cannot listen on {host}:{port} ({refused.strerror}): change {variable}") from refused
    listener.setblocking(False)
    return listener


async def serve_http(app: ASGIApp, listener: socket.socket, pulse: Pulse, *, drain: timedelta) -> None:
    """Serve until told to stop; then accept nothing more and let running requests end.

    Args:
        drain: longest wait for running requests.
    """
    server = _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            backlog=_BACKLOG,
            server_header=False,
            # Nothing here asks for the caller's address or scheme, so what a proxy says of them need not be read.
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, int(drain.total_seconds())),
        )
    )

    def stop() -> None:
        server.should_exit = True

    try:
        async with until_stopped(pulse, stop):
            await server.serve(sockets=[listener])
    finally:
        # uvicorn closes what it opened only when it is not cancelled.
        for opened in getattr(server, "servers", ()):
            opened.close()
        listener.close()
