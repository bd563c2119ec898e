"""One attempt to post: to a judged address, without redirects or proxies, and with one limit over all of it."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx

from common.webhooks.addresses import Destination, ForbiddenAddress, Network, find_destinations

_POLITE_BYTES = 16 * 1024
_POLITE_S = 1.0
"""The status alone says what became of a post. An answer's body is still read so far, because some servers take a
connection that is closed in the middle as a failure of their own."""
_MAX_FAULT = 200
_MOST_TRIED = 4
"""Addresses of one host in one attempt: with more of them each would have too little time to be reached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one attempt met: a status, or (with `status` None) the reason why there was none.

    Attributes:
        fault: for people; empty where it was taken.
        is_unusable: no attempt at this URL could ever end otherwise, unless somebody changes it or our settings.
    """

    status: int | None = None
    fault: str = ""
    retry_after: timedelta | None = None
    is_unusable: bool = False

    @property
    def ok(self) -> bool:
        """Whether it was taken: only 2xx says so."""
        return self.status is not None and 200 <= self.status < 300


class Poster:
    """Posts. Use it as a context manager. No connection is kept: the next address is judged anew."""

    def __init__(
        self, *, timeout: timedelta, allowed: Sequence[Network], places: int, trusted: ssl.SSLContext | None = None
    ) -> None:
        """Describe how posts leave.

        Args:
            timeout: of one attempt, the looking-up and the answer's status included.
            allowed: see `find_destinations`.
            places: attempts under way at once; twice as many names may be looked up, so that those that nobody answers
                hold up no others.
            trusted: whose certificates are accepted; None are those of the public internet.
        """
        self.timeout = timeout
        # Of TCP, and of TLS after it. The client closes what it gives up itself, and leaves open what is cancelled.
        self._connect_s = timeout.total_seconds() / 2
        self._allowed = tuple(allowed)
        self._lookups = ThreadPoolExecutor(max_workers=2 * places, thread_name_prefix="webhook-names")
        self._client = httpx.AsyncClient(
            timeout=timeout.total_seconds(),
            verify=trusted or httpx.create_ssl_context(),
            limits=httpx.Limits(max_keepalive_connections=0, max_connections=None),
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        """Nothing is opened before the first attempt."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close; lookups under way end by themselves."""
        self._lookups.shutdown(wait=False, cancel_futures=True)
        await self._client.aclose()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, at: datetime) -> Answer:
        """Post once. Raises nothing: what goes wrong is the answer's fault.

        Args:
            at: the present, for a Retry-After that is a date.
        """
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                destinations = await find_destinations(url, allowed=self._allowed, lookups=self._lookups)
                response = await self._send_to_first(destinations, body, headers)
        except ForbiddenAddress as forbidden:
            return Answer(fault=str(forbidden), is_unusable=True)
        except httpx.ConnectTimeout:
            return Answer(fault=f"no connection within {self._connect_s:g} s")
        except TimeoutError:
            return Answer(fault=f"no answer within {self.timeout.total_seconds():g} s")
        except (httpx.HTTPError, OSError) as failed:
            return Answer(fault=f"{type(failed).__name__}: {failed}"[:_MAX_FAULT])
        except (httpx.InvalidURL, ValueError) as unusable:
            # What cannot be said in HTTP today cannot be said tomorrow.
            return Answer(fault=f"{type(unusable).__name__}: the URL cannot be called", is_unusable=True)
        await _let_finish(response)
        return Answer(
            status=response.status_code,
            fault="" if response.is_success else f"status {response.status_code}",
            retry_after=_retry_after(response.headers.get("retry-after", ""), at),
        )

    async def _send_to_first(
        self, destinations: Sequence[Destination], body: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        """The answer of the first address that accepts a connection: nothing was said to those before it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        *others, last = _chosen(destinations)
        # Each has its share, or one that nobody answers from would leave no time for the others.
        share_s = self._connect_s / (len(others) + 1)
        for destination in others:
            try:
                return await self._send(destination, body, headers, connect_s=share_s)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        left_s = self._connect_s - (loop.time() - began)
        return await self._send(last, body, headers, connect_s=max(share_s, left_s))

    async def _send(
        self, destination: Destination, body: bytes, headers: Mapping[str, str], *, connect_s: float
    ) -> httpx.Response:
        """The answer, its body not yet read."""
        request = self._client.build_request(
            "POST",
            destination.url,
            content=body,
            headers={**headers, "host": destination.authority, "content-type": "application/json"},
            timeout=httpx.Timeout(self.timeout.total_seconds(), connect=connect_s),
            # The certificate must be of the host that the URL names, though we connect by its address.
            extensions={"sni_hostname": destination.host},
        )
        return await self._client.send(request, stream=True)


def _chosen(destinations: Sequence[Destination]) -> Sequence[Destination]:
    """The first few, but the last of them of the other kind, IPv4 or IPv6, where the first ones are all of one."""
    first = destinations[:_MOST_TRIED]
    kinds = {":" in each.address for each in first}
    other = next((each for each in destinations[_MOST_TRIED:] if (":" in each.address) not in kinds), None)
    return first if other is None else [*first[:-1], other]


async def _let_finish(response: httpx.Response) -> None:
    """Read a little of the answer, whatever comes of it, and close the connection."""
    try:
        async with asyncio.timeout(_POLITE_S):
            size = 0
            async for part in response.aiter_raw():
                size += len(part)
                if size > _POLITE_BYTES:
                    break
    except (TimeoutError, httpx.HTTPError, OSError):
        pass  # the status has been said
    finally:
        await response.aclose()


def _retry_after(given: str, at: datetime) -> timedelta | None:
    """Retry-After in either form, seconds or a date; None where it is absent, past or neither.

    Source: RFC 9110, 10.2.3.
    """
    if given.isascii() and given.isdecimal():
        return timedelta(seconds=min(int(given), 10**7)) if len(given) < 20 else None
    try:
        date = parsedate_to_datetime(given)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        return None
    return date - at if date > at else None
