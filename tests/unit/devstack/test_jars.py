"""Fetching Kafka's jars: only whole and verified files ever lie in the cache."""

import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from common.errors import Unavailable
from devstack import jars
from devstack.jars import fetch_jars, locked_jars
from devstack.progress import Cancel, Interrupted, Silent

CONTENT = b"not really a jar " * 10_000


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden argument
        """Say nothing."""


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """A Maven repository on this machine, its files under `tmp_path / "repository"`."""
    folder = tmp_path / "repository"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a list that names two jars."""
    listed = tmp_path / "kafka-jars.txt"
    rows = [f"org.example:{name}:1.0 {len(CONTENT)} {hashlib.sha256(CONTENT).hexdigest()}" for name in ("one", "two")]
    listed.write_text("# a comment\n" + "\n".join(rows) + "\n")
    monkeypatch.setattr(jars, "LIST", listed)
    return tmp_path / "cache"


def publish(tmp_path: Path, name: str, content: bytes = CONTENT) -> None:
    """Put a jar into the repository."""
    path = tmp_path / "repository" / "org" / "example" / name / "1.0" / f"{name}-1.0.jar"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_the_committed_list_is_complete() -> None:
    listed = locked_jars()
    names = {jar.coordinates.split(":")[1] for jar in listed}
    assert {"kafka_2.13", "kafka-clients", "log4j-core"} <= names
    assert all(len(jar.sha256) == 64 and jar.size_bytes > 0 for jar in listed)
    versions = {jar.coordinates.split(":")[2] for jar in listed if jar.coordinates.startswith("org.apache.kafka:")}
    assert versions == {"4.3.1"}


def test_fetches_what_is_missing_and_nothing_twice(tmp_path: Path, repository: str, cache: Path) -> None:
    publish(tmp_path, "one")
    publish(tmp_path, "two")
    fetched = fetch_jars(cache, progress=Silent(), cancel=Cancel(), repository=repository)
    assert [path.read_bytes() for path in fetched] == [CONTENT, CONTENT]
    assert fetch_jars(cache, progress=Silent(), cancel=Cancel(), repository="http://127.0.0.1:1") == fetched


def test_a_damaged_file_in_the_cache_is_fetched_again(tmp_path: Path, repository: str, cache: Path) -> None:
    publish(tmp_path, "one")
    publish(tmp_path, "two")
    first, _ = fetch_jars(cache, progress=Silent(), cancel=Cancel(), repository=repository)
    first.write_bytes(b"x" * len(CONTENT))
    fetch_jars(cache, progress=Silent(), cancel=Cancel(), repository=repository)
    assert first.read_bytes() == CONTENT


def test_a_file_that_is_not_the_listed_one_is_refused(tmp_path: Path, repository: str, cache: Path) -> None:
    publish(tmp_path, "one")
    publish(tmp_path, "two", b"evil" + CONTENT[4:])
    with pytest.raises(Unavailable, match=r"org\.example:two:1\.0.*SHA-256"):
        fetch_jars(cache, progress=Silent(), cancel=Cancel(), repository=repository)
    assert not (cache / "org.example-two-1.0.jar").exists()
    assert not list(cache.glob(".fetch-*"))


def test_a_missing_file_is_told_by_its_coordinates(tmp_path: Path, repository: str, cache: Path) -> None:
    publish(tmp_path, "one")
    with pytest.raises(Unavailable, match=r"cannot fetch org\.example:two:1\.0"):
        fetch_jars(cache, progress=Silent(), cancel=Cancel(), repository=repository)


def test_calling_off_leaves_no_half_file(tmp_path: Path, repository: str, cache: Path) -> None:
    publish(tmp_path, "one")
    publish(tmp_path, "two")
    cancel = Cancel()

    class CallsOff(Silent):
        def bytes_fetched(self, done: int, total: int) -> None:
            assert 0 < done < total
            cancel.call_off()

    with pytest.raises(Interrupted):
        fetch_jars(cache, progress=CallsOff(), cancel=cancel, repository=repository)
    assert list(cache.iterdir()) == []
