"""The authorisation matrix, generated from an application's routes: every route by every kind of credential.

A cell that may pass makes a real call with an empty body and made-up ids, which changes nothing: the edge checks keys
and scopes before it reads anything else, so any answer but 401 and 403 means "let in".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from common.web.clients import SCOPES, create_key
from common.web.routes import ScopedRoute

_MADE_UP_ID = "00000000-0000-7000-8000-000000000000"
_PARAMETER = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One call and what must become of it.

    Attributes:
        credential: "none", "wrong", "expired", "scope <name>", "all but <name>" or "all needed".
        status: 401 or 403; None is anything else.
    """

    method: str
    path: str
    credential: str
    scopes: frozenset[str]
    status: int | None


def cells(app: FastAPI) -> Iterator[Cell]:
    """Every cell of an application's matrix."""
    for route in app.routes:
        assert isinstance(route, ScopedRoute), f"{route} lies outside the edge"
        for method in sorted(route.methods or ()):
            path = _PARAMETER.sub(_MADE_UP_ID, route.path)
            yield from _public_cells(method, path) if route.public else _cells_of(method, path, route.scopes)


def _public_cells(method: str, path: str) -> Iterator[Cell]:
    """A public route lets everybody in, whatever credential they show."""
    for credential in ("none", "wrong", "expired"):
        yield Cell(method=method, path=path, credential=credential, scopes=frozenset({"feedback:read"}), status=None)


def _cells_of(method: str, path: str, needed: frozenset[str]) -> Iterator[Cell]:
    def cell(credential: str, scopes: frozenset[str], status: int | None) -> Cell:
        return Cell(method=method, path=path, credential=credential, scopes=scopes, status=status)

    for credential in ("none", "wrong", "expired"):
        yield cell(credential, needed, 401)
    for scope in sorted(SCOPES):
        held = frozenset({scope})
        yield cell(f"scope {scope}", held, None if needed <= held else 403)
    for scope in sorted(needed):
        yield cell(f"all but {scope}", SCOPES - {scope}, 403)
    yield cell("all needed", needed, None)


class Keyring:
    """Keys for cells, one for each set of scopes."""

    def __init__(self, clients_file: Path, now: datetime) -> None:
        """Args: now: the present of the application under test."""
        self._file = clients_file
        self._now = now
        self._keys: dict[tuple[bool, frozenset[str]], str] = {}

    def headers(self, cell: Cell) -> dict[str, str]:
        """The headers that carry a cell's credential."""
        if cell.credential == "none":
            return {}
        if cell.credential == "wrong":
            key = self._key(cell.scopes, expired=False)
            return {"authorization": f"Bearer {key[:-1]}{'A' if key[-1] != 'A' else 'B'}"}
        return {"authorization": f"Bearer {self._key(cell.scopes, expired=cell.credential == 'expired')}"}

    def _key(self, scopes: frozenset[str], *, expired: bool) -> str:
        wanted = (expired, scopes)
        if wanted not in self._keys:
            ends = self._now - timedelta(seconds=1) if expired else None
            client = f"cell-{len(self._keys)}"
            self._keys[wanted] = create_key(self._file, client, scopes=sorted(scopes), now=self._now, expires_at=ends)
        return self._keys[wanted]


async def check_authorization(app: FastAPI, http: httpx.AsyncClient, keyring: Keyring) -> int:
    """Call every cell and fail on the first that comes out otherwise; returns how many there are.

    Args:
        http: speaks to `app`, without a key of its own. Keys must have been read by the application: make a keyring's
            keys by `prepare` before the application looks at its clients file.
    """
    count = 0
    for cell in cells(app):
        answer = await http.request(cell.method, cell.path, headers=keyring.headers(cell))
        let_in = answer.status_code not in (401, 403)
        if (cell.status is None) != let_in or (cell.status is not None and answer.status_code != cell.status):
            pytest.fail(f"{cell.method} {cell.path} with {cell.credential}: {answer.status_code}, not {cell.status}")
        count += 1
    return count


def prepare(app: FastAPI, keyring: Keyring) -> None:
    """Make every key that the matrix needs."""
    for cell in cells(app):
        keyring.headers(cell)
