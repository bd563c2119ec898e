"""One attempt over HTTP: the request as the other services' edges read it, and every way in which it can fail."""

import asyncio
import ssl
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from types import TracebackType
from typing import Self

import httpx
import msgspec

from common.calls.call import Call, Reply
from common.settings import PeersSettings
from common.transaction import Origin

CONCURRENCY = 8
"""Calls under way to one service at a time."""
_MAX_ANSWER_BYTES = 256 * 1024
_MAX_FAULT = 200


class Peers:
    """Connections to the other services; one's trouble is not another's. Use it as a context manager."""

    def __init__(self, settings: PeersSettings) -> None:
        """Args: settings: addresses, our key, and the limit of one attempt."""
        self._timeout = settings.timeout
        self._clients = {
            service: httpx.AsyncClient(
                base_url=url,
                headers={"Authorization": f"Bearer {settings.key.get_secret_value()}"},
                timeout=settings.timeout.total_seconds(),
                verify=_trusted(),
                limits=httpx.Limits(max_connections=CONCURRENCY),
                # Proxies of the environment are for the outer world, and a redirect would carry our key away.
                trust_env=False,
                follow_redirects=False,
            )
            for service, url in (("intake", settings.intake_url), ("routing", settings.routing_url))
        }

    async def __aenter__(self) -> Self:
        """Connections are made when they are needed."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()

    @property
    def services(self) -> tuple[str, ...]:
        """Whom we can call."""
        return tuple(self._clients)

    @property
    def timeout(self) -> timedelta:
        """The longest time that one attempt takes, with all that belongs to it."""
        return self._timeout

    async def send(self, call: Call, origin: Origin) -> Reply:
        """Send a call once. Raises nothing: what goes wrong is the reply's fault."""
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                return await self._ask(call, origin)
        except TimeoutError:
            return Reply(status=None, fault="timeout")
        except (httpx.HTTPError, httpx.InvalidURL) as failed:
            return Reply(status=None, fault=f"{type(failed).__name__}: {failed}"[:_MAX_FAULT])

    async def _ask(self, call: Call, origin: Origin) -> Reply:
        content = None if call.method == "GET" else msgspec.json.encode(call.body)
        request = self._clients[call.service].build_request(
            call.method, call.path, content=content, headers=_headers(call, origin)
        )
        response = await self._clients[call.service].send(request, stream=True)
        try:
            answer = await _read(response)
        finally:
            await response.aclose()
        return Reply(
            status=response.status_code,
            answer=answer,
            fault="" if response.is_success else _fault(response.status_code, answer),
            retry_after=_retry_after(response),
        )


@cache
def _trusted() -> ssl.SSLContext:
    """What every client of this process trusts. Reading it takes a tenth of a second, too long to repeat."""
    return httpx.create_ssl_context()


def _headers(call: Call, origin: Origin) -> dict[str, str]:
    given = {
        "Content-Type": "application/json" if call.method != "GET" else "",
        "Idempotency-Key": str(call.call_id),
        "Support-Actor": call.actor,
        "If-Match": f'"{call.if_match}"' if call.if_match is not None else "",
        "X-Correlation-Id": origin.correlation_id,
        "traceparent": origin.traceparent,
    }
    return {name: value for name, value in given.items() if value}


async def _read(response: httpx.Response) -> object:
    """The body as JSON values; None where it is none, or longer than we read."""
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _MAX_ANSWER_BYTES:
            return None
    try:
        answer: object = msgspec.json.decode(bytes(body))
    except msgspec.DecodeError:
        return None
    return answer


def _fault(status: int, answer: object) -> str:
    """The problem document's `code`, else the status."""
    if isinstance(answer, Mapping):
        code: object = answer.get("code")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON of another service
        if isinstance(code, str) and code:
            return code[:_MAX_FAULT]
    return f"status {status}"


def _retry_after(response: httpx.Response) -> timedelta | None:
    """Retry-After in seconds; the other form, a date, counts as a second."""
    given = response.headers.get("retry-after")
    if given is None:
        return None
    return timedelta(seconds=int(given)) if given.isdecimal() and len(given) < 8 else timedelta(seconds=1)
