"""How a person reaches the installation: REST calls that keep trying while a part of it is away."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import httpx

from common.errors import Refused, Unavailable
from devstack.client import Json, JsonObject

T = TypeVar("T")
Query = Mapping[str, str | int]
_PATIENCE_S = 120.0
"""How long a person waits for the installation to do its part, before the play says that it did not."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0
_PASSING = frozenset({408, 425, 429})
_PASSING_CODES = frozenset({"not_yet_visible", "idempotency_key_in_use"})


@dataclass(frozen=True, kw_only=True)
class House:
    """The installation: a client for each of its APIs, and one for what is open to everybody.

    Attributes:
        patience_s: how long people wait for it.
    """

    services: Mapping[str, httpx.AsyncClient]
    street: httpx.AsyncClient
    patience_s: float = _PATIENCE_S

    async def close(self) -> None:
        """Close all connections."""
        for client in (*self.services.values(), self.street):
            await client.aclose()


def find_house(urls: Mapping[str, str], key: str) -> House:
    """The installation behind these addresses, by service name."""
    limits = httpx.Limits(max_connections=60, max_keepalive_connections=60)
    headers = {"Authorization": f"Bearer {key}"}
    return House(
        services={
            name: httpx.AsyncClient(base_url=url, headers=headers, timeout=40.0, limits=limits, trust_env=False)
            for name, url in urls.items()
        },
        street=httpx.AsyncClient(timeout=40.0, limits=limits, trust_env=False, follow_redirects=True),
    )


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who calls; `actor` is whom the calls are made for, "agent:<id>", empty for a customer's system."""

    house: House
    actor: str = ""

    async def get(self, service: str, path: str, parameters: Query | None = None) -> Json:
        """Read something; for the errors see `send`."""
        return (await self._ask(service, "GET", path, {}, parameters=parameters)).json()

    async def list_all(self, service: str, path: str, filters: Query | None = None) -> list[JsonObject]:
        """Every item of a list, page by page."""
        items: list[JsonObject] = []
        cursor = ""
        while True:
            page = await self.get(service, path, {**(filters or {})} | ({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page.get("next_cursor") or ""
            if not cursor:
                return items

    async def send(
        self, service: str, path: str, body: Mapping[str, object] | None = None, *, key: str, method: str = "POST",
        version: int | None = None,
    ) -> Json:  # fmt: skip
        """Carry out a command, again and again with the same key while the service is away.

        Args:
            key: the idempotency key.
            version: what the person decided on, sent as If-Match.
        Raises:
            Refused: the service's own sentence about why not, with its code.
            Unavailable: it was away for too long.
        """
        headers = {"Idempotency-Key": key} | ({} if version is None else {"If-Match": f'"{version}"'})
        answer = await self._ask(service, method, path, headers, body=body)
        return answer.json() if answer.content else {}

    async def _ask(
        self,
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        body: Mapping[str, object] | None = None,
        parameters: Query | None = None,
    ) -> httpx.Response:
        given = {**headers} | ({"Support-Actor": self.actor} if self.actor else {})
        client = self.house.services[service]

        async def ask() -> httpx.Response | None:
            try:
                answer = await client.request(method, path, json=body, headers=given, params=parameters)
            except httpx.TransportError:
                return None
            if answer.is_success:
                return answer
            problem = cast("dict[str, Any]", answer.json()) if "json" in answer.headers.get("content-type", "") else {}
            code = str(problem.get("code") or "")
            if answer.status_code >= 500 or answer.status_code in _PASSING or code in _PASSING_CODES:
                return None
            raise Refused(f"{method} {path}: {problem.get('detail') or answer.text[:200]}", code=code)

        what = f"{service} to answer {method} {path}"
        return await until(ask, what=what, within_s=self.house.patience_s)


async def until(look: Callable[[], Awaitable[T | None]], *, what: str, within_s: float) -> T:
    """Look until there is something to see; returns it.

    Args:
        what: what is waited for, for the message.
    Raises:
        Unavailable: it did not come in time.
    """
    loop = asyncio.get_running_loop()
    limit = loop.time() + within_s
    pause = _FIRST_PAUSE_S
    while True:
        found = await look()
        if found is not None:
            return found
        if loop.time() > limit:
            raise Unavailable(f"waited {within_s:g} s in vain for {what}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_S)
