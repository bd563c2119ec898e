"""API clients: one JSON file with their scopes and the hashes of their keys, edited here and by nobody else.

A key is "fl_<8 hex>_<43 base64url>": a public prefix to find it by and 256 random bits. The file holds the SHA-256 of
the whole text; a slow hash is for passwords, which people choose. A client has at most two live keys, so that it can
change to a new one before the old one goes.
"""

import fcntl
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec

from common.errors import Conflict, InvalidInput, Misconfigured, NotFound

SCOPES = frozenset(
    {
        "tickets:read", "tickets:write", "alerts:write", "agents:read", "agents:write", "routing:read", "routing:write",
        "routing:admin", "escalation:read", "escalation:write", "feedback:read", "feedback:write", "events:read",
        "ops:read", "ops:write", "webhooks:write", "act-as",
    }
)  # fmt: skip
"""Every scope that a client can hold."""
MAX_LIVE_KEYS = 2
KEY_PATTERN = re.compile(r"fl_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_CLIENT_ID_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its offset: one without could not be compared with now."""


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One live key: what finds it and what proves it."""

    prefix: str
    sha256: str
    created_at: Instant


class ClientRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One client. After `expires_at` none of its keys is accepted."""

    client_id: str
    scopes: tuple[str, ...]
    expires_at: Instant | None = None
    keys: tuple[KeyRecord, ...] = ()


class ClientsFile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    clients: tuple[ClientRecord, ...] = ()


def hash_key(key: str) -> str:
    """SHA-256 of a key's text, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def read_clients(path: Path) -> ClientsFile:
    """Read the file.

    Raises:
        Misconfigured: it is absent, unreadable, malformed, or names an unknown scope.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=ClientsFile)
    except OSError as unreadable:
        raise Misconfigured(f"cannot read the API clients file: {unreadable}") from unreadable
    except msgspec.DecodeError as malformed:
        raise Misconfigured(f"the API clients file {path} is malformed: {malformed}") from malformed
    for client in file.clients:
        unknown = set(client.scopes) - SCOPES
        if unknown:
            raise Misconfigured(f"{path}: client {client.client_id} has the unknown scope {min(unknown)}")
    return file


def list_clients(path: Path) -> tuple[ClientRecord, ...]:
    """All clients, in the file's order; none where the file does not exist yet.

    Raises:
        Misconfigured: the file is malformed.
    """
    return read_clients(path).clients if path.exists() else ()


def create_key(
    path: Path, client_id: str, *, scopes: Sequence[str], now: datetime, expires_at: datetime | None = None
) -> str:
    """Give a client a new key and return its text, which is stored nowhere. Makes client and file where absent.

    Args:
        scopes: what the client may do from now on, with all its keys.
        expires_at: when the client ends, aware; None is never.
    Raises:
        InvalidInput: the client id or a scope cannot be used.
        Conflict: the client has two live keys; revoke one first.
        Misconfigured: the file is malformed.
    """
    unknown = set(scopes) - SCOPES
    if unknown:
        raise InvalidInput(f"unknown scope {min(unknown)}; known are {', '.join(sorted(SCOPES))}")
    if not _CLIENT_ID_PATTERN.fullmatch(client_id):
        raise InvalidInput("a client id is 1 to 63 of a-z, 0-9, dot, dash and underscore, beginning with a-z or 0-9")
    prefix = secrets.token_hex(4)
    key = f"fl_{prefix}_{secrets.token_urlsafe(32)}"

    def add(clients: tuple[ClientRecord, ...]) -> Iterator[ClientRecord]:
        known = {client.client_id: client for client in clients}
        client = known.get(client_id, ClientRecord(client_id=client_id, scopes=()))
        if len(client.keys) >= MAX_LIVE_KEYS:
            raise Conflict(f"client {client_id} has two live keys; revoke one first", code="too_many_keys")
        record = KeyRecord(prefix=prefix, sha256=hash_key(key), created_at=now)
        known[client_id] = ClientRecord(
            client_id=client_id, scopes=tuple(sorted(set(scopes))), expires_at=expires_at, keys=(*client.keys, record)
        )
        yield from known.values()

    _edit(path, add)
    return key


def revoke_key(path: Path, prefix: str) -> ClientRecord:
    """Take a key away, effective within a second everywhere; return its client. A client without keys goes too.

    Raises:
        NotFound: no live key has this prefix.
        Misconfigured: the file is malformed.
    """
    owners: list[ClientRecord] = []

    def remove(clients: tuple[ClientRecord, ...]) -> Iterator[ClientRecord]:
        for client in clients:
            keys = tuple(key for key in client.keys if key.prefix != prefix)
            if len(keys) < len(client.keys):
                owners.append(client)
            if keys:
                yield msgspec.structs.replace(client, keys=keys)
        if not owners:
            raise NotFound(f"no live key has the prefix {prefix}")

    _edit(path, remove)
    return owners[0]


def _edit(path: Path, change: Callable[[tuple[ClientRecord, ...]], Iterator[ClientRecord]]) -> None:
    with _locked(path):
        edited = ClientsFile(clients=tuple(change(list_clients(path))))
        _replace(path, msgspec.json.format(msgspec.json.encode(edited)) + b"\n")


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """One editor at a time, by a lock file beside the file: the file itself is replaced, a lock on it would be lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that a reader sees the old or the new one, and after a crash too."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
