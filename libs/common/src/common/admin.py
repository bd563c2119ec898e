"""The admin port of a process: probes and metrics. Nothing here needs a key; the port is not public.

/livez    the event loop answers and every task's heartbeat turns; it asks no server
/startupz start-up checks are done and every task was started
/readyz   started, not draining, the database answers or did a moment ago, and whoever needs Kafka has reached it once
/metrics  for Prometheus
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import event, text
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from common.database import Database
from common.errors import Misconfigured, Unavailable
from common.lifecycle import Life

Ping = Callable[[], Awaitable[None]]
_PING_WITHIN_S = 1.0
_FRESH_S = 15.0
"""An answer of the database counts for so long. Asking anew would queue behind a crowd of requests for a connection,
and a crowded process would be taken out of service, which crowds all others."""


def ping_of(database: Database) -> Ping:
    """Ask for a sign of life: a connection that came back from work lately, else a statement that we send.

    The ping raises Unavailable where the database does not answer within a second, Misconfigured where it refuses us.
    """
    last_answer = -math.inf

    def note(connection: object, _record: object) -> None:
        nonlocal last_answer
        # Every use ends in COMMIT or ROLLBACK; a connection on which that failed comes back as None.
        if connection is not None:
            last_answer = database.clock.monotonic()

    event.listen(database.engine.sync_engine, "checkin", note)

    async def ping() -> None:
        if database.clock.monotonic() - last_answer < _FRESH_S:
            return
        try:
            async with asyncio.timeout(_PING_WITHIN_S), database.read() as connection:
                await connection.execute(text("select 1"))
        except TimeoutError as late:
            raise Unavailable(f"the database did not answer within {_PING_WITHIN_S:g} s") from late

    return ping


class AdminApp:
    """The ASGI application of the admin port."""

    def __init__(self, life: Life, ping: Ping) -> None:
        """Args: ping: asks the database for a sign of life; raises Unavailable or Misconfigured."""
        self._life = life
        self._ping = ping
        self._pages = {
            "/livez": self._live, "/startupz": self._start_up, "/readyz": self._ready, "/metrics": self._metrics
        }  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        page = self._pages.get(scope["path"])
        if page is None:
            response = _state(404, pages=sorted(self._pages))
        elif scope["method"] not in ("GET", "HEAD"):
            response = _state(405, allow="GET")
        else:
            response = await page()
        await response(scope, receive, send)

    async def _live(self) -> Response:
        late = self._life.late()
        ages = {name: round(age, 1) for name, age in self._life.ages().items()}
        return _state(503 if late else 200, late=late, heartbeat_ages_seconds=ages)

    async def _start_up(self) -> Response:
        return _state(200 if self._life.started else 503, started=self._life.started)

    async def _ready(self) -> Response:
        if not self._life.started:
            return _state(503, reason="starting")
        if self._life.draining.is_set():
            return _state(503, reason="draining")
        if self._life.unready:
            return _state(503, reason=f"not at work yet: {', '.join(sorted(self._life.unready))}")
        try:
            await self._ping()
        except (Misconfigured, Unavailable) as away:
            return _state(503, reason=away.detail)
        return _state(200, reason="")

    async def _metrics(self) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _state(status: int, **facts: Any) -> Response:
    return Response(msgspec.json.encode(facts), status_code=status, media_type="application/json")
