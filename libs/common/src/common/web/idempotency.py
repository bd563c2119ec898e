"""Idempotency keys: one effect per client and key, and the same answer for every repeat.

The claim, the effect and the answer are rows of one transaction, so no half-done state can outlive a crash: a twin
waits at the key's row for the first to end, and then finds its answer or takes the key itself.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
from fastapi import Request, Response
from sqlalchemy import text

from common.errors import InvalidInput, Unavailable
from common.timers import Periodic
from common.transaction import Transaction
from common.web.problems import KeyInUse, KeyReused

_KEY_SHAPE = re.compile(r'"([\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
_KEPT_HEADERS = ("content-type", "etag", "location", "support-event")
_ATTEMPTS = 3
_DELETE_AT_ONCE = 500
_BATCHES_A_TURN = 20

# The time-out is set by the statement's own source row, after that row has taken down the usual one, so that it holds
# before the insert waits for a twin. What the statement returns sets it back for the rest of the transaction.
_CLAIM = """
with usual as materialized (select current_setting('lock_timeout') as lock_timeout)
insert into idempotency_key as k (client_id, key, fingerprint, created_at, expires_at)
select cast($1 as text), cast($2 as text), cast($3 as bytea), cast($4 as timestamptz), cast($5 as timestamptz)
from usual where set_config('lock_timeout', '2000', true) is not null
on conflict (client_id, key) do update
set fingerprint = excluded.fingerprint, created_at = excluded.created_at, expires_at = excluded.expires_at,
    status = null, headers = null, body = null
where k.expires_at <= excluded.created_at
returning set_config('lock_timeout', (select lock_timeout from usual), true)
"""
_FIND = text(
    "select fingerprint, status, headers, body from idempotency_key where client_id = :client_id and key = :key"
)
_STORE = """
update idempotency_key set status = $3, headers = cast(cast($4 as text) as jsonb), body = $5
where client_id = $1 and key = $2
"""
_DELETE = text(
    """
    delete from idempotency_key where (client_id, key) in (
      select client_id, key from idempotency_key where expires_at <= :now
      order by expires_at limit :at_once for update skip locked
    )
    """
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A key that a request wants to run under. `fingerprint` is what the request says, in 32 bytes."""

    client_id: str
    key: str
    fingerprint: bytes
    life: timedelta


class OnceResponse(Response):
    """An answer that holds a secret: whoever repeats the request gets the other body, and only that one is kept."""

    def __init__(self, content: bytes, *, repeated: bytes, status_code: int, headers: Mapping[str, str]) -> None:
        """Args: content: the body as JSON; repeated: the same without the secret."""
        shown = {**headers, "cache-control": "no-store"}
        super().__init__(content, status_code=status_code, headers=shown, media_type="application/json")
        self.repeated = repeated


def read_key(request: Request) -> str | None:
    """The Idempotency-Key header, quoted or bare; None where absent.

    Raises:
        InvalidInput: it is empty, longer than 255, given twice, or holds anything but visible ASCII.
    """
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    shape = _KEY_SHAPE.fullmatch(given[0].strip())
    if len(given) > 1 or not shape:
        fault = ("header/Idempotency-Key", "must be one text of 1 to 255 visible ASCII characters, quoted or bare")
        raise InvalidInput("Idempotency-Key cannot be used", code="idempotency_key_malformed", pointers=[fault])
    return shape[1] or shape[2]


def fingerprint(request: Request, document: Any) -> bytes:
    """SHA-256 of method, concrete path, query and canonical body: the same for a repeat, another for another request.

    Args:
        document: the decoded body; members may come in any order and with any spacing.
    """
    digest = hashlib.sha256()
    for part in (request.method, request.url.path, request.url.query):
        digest.update(part.encode() + b"\n")
    digest.update(msgspec.json.encode(document, order="sorted"))
    return digest.digest()


async def claim(tx: Transaction, wanted: Claim) -> Response | None:
    """Take the key for this transaction, or return the answer that it already has.

    Returns:
        None: the key is ours until the transaction ends. Else the stored answer, to be sent as it is.
    Raises:
        KeyInUse: a twin still runs after two seconds.
        KeyReused: the key belongs to another request.
        Unavailable: the key was deleted between two looks, again and again.
    """
    named = {"client_id": wanted.client_id, "key": wanted.key}
    values = (wanted.client_id, wanted.key, wanted.fingerprint, tx.now, tx.now + wanted.life)
    for _ in range(_ATTEMPTS):
        try:
            if await tx.fetch(_CLAIM, *values):
                return None
        except asyncpg.LockNotAvailableError as held:
            raise KeyInUse from held
        # A new statement, because the claim's own snapshot may be older than the row that it met.
        stored = (await tx.connection.execute(_FIND, named)).first()
        if stored is not None:
            return _replay(wanted, *stored)
    raise Unavailable("the idempotency key is being deleted")


async def store(tx: Transaction, held: Claim, response: Response) -> None:
    """Keep the answer under the key, in the transaction of the effect."""
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    await tx.fetch(
        _STORE,
        held.client_id,
        held.key,
        response.status_code,
        msgspec.json.encode(headers).decode(),
        response.repeated if isinstance(response, OnceResponse) else bytes(response.body),
    )


async def delete_expired(tx: Transaction) -> None:
    """Delete the keys that expired first, a batch at a time, until no full batch is left or the turn is over."""
    for _ in range(_BATCHES_A_TURN):
        deleted = await tx.connection.execute(_DELETE, {"now": tx.now, "at_once": _DELETE_AT_ONCE})
        if deleted.rowcount < _DELETE_AT_ONCE:
            return


EXPIRED_KEYS = Periodic(name="expired-keys", every=timedelta(seconds=10), run=delete_expired)
"""Runs in every service: a thousand keys a second, in one transaction a turn."""


def _replay(wanted: Claim, stored: bytes, status: int, headers: dict[str, str], body: bytes) -> Response:
    if bytes(stored) != wanted.fingerprint:
        raise KeyReused
    return Response(body, status_code=status, headers={**headers, "idempotency-replayed": "true"})
