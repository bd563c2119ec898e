"""Who calls, and whether they may: keys against the clients file, scopes against what a route declares."""

import hmac
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fastapi import Depends, params
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from common.clock import Clock
from common.errors import Forbidden, FrontlineError, InvalidInput, Misconfigured, Unauthenticated
from common.web.clients import KEY_PATTERN, SCOPES, hash_key, read_clients

_log = logging.getLogger(__name__)
_RELOAD_EVERY_S = 1.0
_NO_KEY_HASH = "0" * 64
ANYBODY = "public"
"""The actor of a public route, until its use case knows better."""
RefusalPage = Callable[[FrontlineError, int, str, Headers], Response | None]
"""Takes the error, its status, and the path and headers of the request."""
_ACTOR_PATTERN = re.compile(r"agent:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """An authenticated caller."""

    client_id: str
    scopes: frozenset[str]

    def require(self, scopes: frozenset[str]) -> None:
        """Raises: Forbidden: one of `scopes` is missing."""
        missing = scopes - self.scopes
        if missing:
            raise Forbidden(f"this needs the scope {min(missing)}", code="scope_missing")


@dataclass(frozen=True, kw_only=True, slots=True)
class _LiveKey:
    sha256: str
    client: Client
    expires_at: datetime | None


class Clients:
    """The clients file in memory, read again within a second of a change."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Raises: Misconfigured: the file cannot be used."""
        self._path = path
        self._clock = clock
        self._checked_at = clock.monotonic()
        self._seen = _fingerprint(path)
        self._keys = _load(path)

    def authenticate(self, authorization: str | None) -> Client:
        """The caller behind an Authorization header.

        Raises:
            Unauthenticated: the header is absent, no bearer key, unknown, wrong, revoked or expired.
        """
        self._reload_if_changed()
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Unauthenticated("send a key as Authorization: Bearer fl_…")
        shape = KEY_PATTERN.fullmatch(key.strip())
        found = self._keys.get(shape[1]) if shape else None
        # Compared even where nothing was found, so that the time taken does not tell which prefixes exist.
        matches = hmac.compare_digest(hash_key(key.strip()), found.sha256 if found else _NO_KEY_HASH)
        if found is None or not matches:
            raise Unauthenticated("the key is not valid")
        if found.expires_at is not None and found.expires_at <= self._clock.now():
            raise Unauthenticated("the client has expired")
        return found.client

    def _reload_if_changed(self) -> None:
        now = self._clock.monotonic()
        if now - self._checked_at < _RELOAD_EVERY_S:
            return
        self._checked_at = now
        seen = _fingerprint(self._path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys = _load(self._path)
        except Misconfigured as unusable:
            # A half-written or broken file must not lock everybody out: the last good one stays in force.
            _log.error("keeping the previous API clients: %s", unusable.detail)


class NeedsScope:
    """What `needs_scope` puts on a route. The route class reads it; FastAPI never calls it."""

    def __init__(self, scopes: frozenset[str]) -> None:
        """Args: scopes: all of them are needed; none means that any valid key will do."""
        self.scopes = scopes

    async def __call__(self) -> None:
        """Nothing: the check was made before the body was read."""


def needs_scope(*scopes: str) -> params.Depends:
    """Declare what a caller of this route must hold, as `dependencies=[needs_scope("tickets:write")]`.

    Args:
        scopes: all of them are needed; none means that any valid key will do.
    Raises:
        Misconfigured: a scope is unknown.
    """
    unknown = set(scopes) - SCOPES
    if unknown:
        raise Misconfigured(f"unknown scope {min(unknown)}")
    return Depends(NeedsScope(frozenset(scopes)))


class Public:
    """What `public` puts on a route. The route class reads it; FastAPI never calls it."""

    def __init__(self, refusal_page: RefusalPage) -> None:
        """Args: refusal_page: see `public`."""
        self.refusal_page = refusal_page

    async def __call__(self) -> None:
        """Nothing: there is nobody to check."""


def public(refusal_page: RefusalPage) -> params.Depends:
    """Declare that anybody may call this route: its address itself is the secret. Keys and actors are not looked at.

    Parameters that the route does not know are passed over, because programs add theirs to links in mails.

    Args:
        refusal_page: makes the page for a person who is refused; returns None where a program asks, which is then told
            by a problem document.
    """
    return Depends(Public(refusal_page))


def actor_of(request: Request, client: Client) -> str:
    """Who acts: the client itself, or the agent that Support-Actor names.

    Raises:
        InvalidInput: the header is not "agent:<uuid>".
        Forbidden: the client may not act for others.
    """
    named = request.headers.get("support-actor")
    if named is None:
        return f"client:{client.client_id}"
    if not _ACTOR_PATTERN.fullmatch(named):
        raise InvalidInput("Support-Actor must be agent:<uuid>", pointers=[("header/Support-Actor", "malformed")])
    client.require(frozenset({"act-as"}))
    return named


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file is replaced, also behind the symbolic links of a mounted Secret. None: absent."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _load(path: Path) -> dict[str, _LiveKey]:
    return {
        key.prefix: _LiveKey(
            sha256=key.sha256,
            client=Client(client_id=client.client_id, scopes=frozenset(client.scopes)),
            expires_at=client.expires_at,
        )
        for client in read_clients(path).clients
        for key in client.keys
    }
