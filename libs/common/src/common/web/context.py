"""What belongs to one request, and what the whole edge shares: filled on the way in, read by routes."""

import asyncio
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from common.database import Database
from common.errors import Unavailable
from common.ids import new_id
from common.settings import ApiSettings
from common.transaction import Origin, Transaction
from common.web.access import Client, Clients, RefusalPage

SCOPE_KEY = "frontline.context"
_ID_PATTERN = re.compile(r"[A-Za-z0-9._:@/+=-]{1,128}")


class Gate:
    """How many may be inside at once; one more is refused at once, because a queue without end helps nobody."""

    def __init__(self, limit: int, refusal: str) -> None:
        """Args: limit: how many; refusal: what the next one is told."""
        self._limit = limit
        self._refusal = refusal
        self.inside = 0

    @contextmanager
    def enter(self) -> Generator[None]:
        """Raises: Unavailable: the limit is reached."""
        if self.inside >= self._limit:
            raise Unavailable(self._refusal, code="overloaded")
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What all requests of one process share.

    Attributes:
        service: our own name, for `Support-Event` and `Support-After`.
        stopping: set when the process drains: long polls end at once.
        work: requests that hold or wait for a database connection.
        polls: requests that wait for news and hold none.
    """

    service: str
    settings: ApiSettings
    database: Database
    clients: Clients
    work: Gate
    polls: Gate
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    consumes: tuple[str, ...] = ()
    projections: tuple[str, ...] = ()

    async def pause(self, length: timedelta) -> None:
        """Wait, but no longer than until the process drains."""
        try:
            async with asyncio.timeout(length.total_seconds()):
                await self.stopping.wait()
        except TimeoutError:
            return  # the ordinary end of a pause


@dataclass(kw_only=True, slots=True)
class RequestContext:
    """One request, as far as it is known. Only the room that learns a fact sets it.

    `traceparent` is the W3C trace context of the request's own span.
    """

    request_id: str
    correlation_id: str
    trace_id: str = ""
    traceparent: str = ""
    route: str = ""
    client: Client | None = None
    origin: Origin | None = None
    idempotency_key: str | None = None
    transaction: Transaction | None = None
    connection: AsyncConnection | None = None
    refusal_page: RefusalPage | None = None


def edge_of(request: Request) -> Edge:
    """The edge that serves this request."""
    edge: Edge = request.app.state.edge
    return edge


def context_of(request: Request) -> RequestContext:
    """The context of this request."""
    context: RequestContext = request.scope[SCOPE_KEY]
    return context


def accept_id(given: str | None) -> str:
    """A caller's id where it is sane, else a new one: a bad label is no reason to refuse work."""
    return given if given and _ID_PATTERN.fullmatch(given) else str(new_id())
