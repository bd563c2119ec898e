"""The clients file: made, changed and read without ever being half a file."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.errors import Conflict, InvalidInput, Misconfigured, NotFound
from common.web.clients import KEY_PATTERN, create_key, hash_key, list_clients, read_clients, revoke_key

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_key_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    """The file holds prefix and SHA-256, is readable by its owner alone, and the text fits the pattern."""
    path = tmp_path / "keys" / "clients.json"
    key = create_key(path, "crm", scopes=["tickets:write", "tickets:read"], now=NOW)
    assert KEY_PATTERN.fullmatch(key)
    [client] = json.loads(path.read_text())["clients"]
    assert client["scopes"] == ["tickets:read", "tickets:write"]
    assert client["keys"] == [{"prefix": key[3:11], "sha256": hash_key(key), "created_at": "2026-03-01T00:00:00Z"}]
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_live_keys_and_no_third(tmp_path: Path) -> None:
    """A third asks to revoke one first; after that there is room."""
    path = tmp_path / "clients.json"
    first, _ = (create_key(path, "crm", scopes=["tickets:read"], now=NOW) for _ in range(2))
    with pytest.raises(Conflict, match="two live keys"):
        create_key(path, "crm", scopes=["tickets:read"], now=NOW)
    assert revoke_key(path, first[3:11]).client_id == "crm"
    create_key(path, "crm", scopes=["tickets:read"], now=NOW)
    with pytest.raises(NotFound):
        revoke_key(path, first[3:11])


def test_a_client_without_keys_goes(tmp_path: Path) -> None:
    """The last key takes it along."""
    path = tmp_path / "clients.json"
    key = create_key(path, "crm", scopes=["tickets:read"], now=NOW)
    revoke_key(path, key[3:11])
    assert list_clients(path) == ()


def test_editors_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """Each change stands upon the one before, and no leftover files remain."""
    path = tmp_path / "clients.json"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: create_key(path, f"client-{n}", scopes=["tickets:read"], now=NOW), range(24)))
    assert len(list_clients(path)) == 24
    assert {file.name for file in tmp_path.iterdir()} == {"clients.json", "clients.json.lock"}


@pytest.mark.parametrize(
    ("client_id", "scopes"), [("", ["tickets:read"]), ("CRM", ["tickets:read"]), ("crm", ["tickets:reed"])]
)
def test_bad_input_changes_nothing(tmp_path: Path, client_id: str, scopes: list[str]) -> None:
    """Refused before the file is touched."""
    path = tmp_path / "clients.json"
    with pytest.raises(InvalidInput):
        create_key(path, client_id, scopes=scopes, now=NOW)
    assert not path.exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"clients":[{}]}', '{"clients":[{"client_id":"a","scopes":["x"]}]}'])
def test_an_unusable_file_says_so(tmp_path: Path, content: str) -> None:
    """Malformed, or with an unknown scope."""
    path = tmp_path / "clients.json"
    path.write_text(content)
    with pytest.raises(Misconfigured, match="clients"):
        read_clients(path)


def test_a_time_without_its_offset_is_refused(tmp_path: Path) -> None:
    """It could not be compared with now, and every request of the client would fail."""
    path = tmp_path / "clients.json"
    path.write_text('{"clients": [{"client_id": "a", "scopes": [], "expires_at": "2030-01-01T00:00:00"}]}')
    with pytest.raises(Misconfigured, match="timezone"):
        read_clients(path)
