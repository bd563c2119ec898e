"""Apache Kafka's jars: resolved once into a committed list with SHA-256, fetched by it, verified at every start.

`python -m devstack.jars` resolves the list anew, after a change of `ROOTS`. Others may keep lists of their own.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import Misconfigured, Unavailable
from devstack.progress import Cancel, Progress

if TYPE_CHECKING:
    from jgo.maven import MavenContext

ROOTS = (
    "org.apache.kafka:kafka_2.13:4.3.1",
    # Named although kafka depends on it: without it the resolver settles on 3.9.1, and the broker does not start.
    "org.apache.kafka:kafka-clients:4.3.1",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.1",
)
LIST = Path(__file__).with_name("kafka-jars.txt")
_TRIES = 3
_FETCHERS = 8


@dataclass(frozen=True, kw_only=True)
class Jar:
    """One locked jar: Maven coordinates "group:artifact:version", size in bytes, SHA-256 in hex."""

    coordinates: str
    size_bytes: int
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in the cache."""
        return self.coordinates.replace(":", "-") + ".jar"


def locked_jars(listed: Path | None = None) -> list[Jar]:
    """The committed list, Kafka's by default, in class path order."""
    rows = [line.split() for line in (listed or LIST).read_text().splitlines() if line and not line.startswith("#")]
    return [Jar(coordinates=row[0], size_bytes=int(row[1]), sha256=row[2]) for row in rows]


def fetch_jars(
    cache: Path, *, progress: Progress, cancel: Cancel, repository: str = "", listed: Path | None = None
) -> list[Path]:
    """Return all jars, verified; those that the cache lacks are fetched into it first.

    Args:
        cache: a folder shared by all stacks of one user; two commands may fill it at once.
        repository: URL of a Maven repository to use instead of the central one, such as a company's mirror.
        listed: another committed list than Kafka's.
    Raises:
        Unavailable: the network, the disk, or a file that is not what the list says.
        Interrupted: called off; the cache holds whole files only.
    """
    jars = locked_jars(listed)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        missing = [jar for jar in jars if not _is_there(cache / jar.file_name, jar)]
        if missing:
            _fetch_missing(missing, cache, repository, _ByteCounter(missing, progress, cancel))
    except OSError as failed:
        raise Unavailable(f"cannot fetch the jars into {cache}: {failed.strerror or failed}") from failed
    return [cache / jar.file_name for jar in jars]


def _is_there(path: Path, jar: Jar) -> bool:
    return path.is_file() and path.stat().st_size == jar.size_bytes and _sha256(path) == jar.sha256


def _fetch_missing(missing: Sequence[Jar], cache: Path, repository: str, counter: "_ByteCounter") -> None:
    from jgo.maven import MavenContext, PythonResolver  # slow to load, and needed by a user's first start only

    authorities = os.environ.get("SSL_CERT_FILE")
    if authorities and "CURL_CA_BUNDLE" not in os.environ:
        # Other tools honour this variable, but requests, with which jgo fetches, only knows its own two.
        os.environ.setdefault("REQUESTS_CA_BUNDLE", authorities)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as folder:
        context = MavenContext(
            repo_cache=Path(folder),
            remote_repos={"given": repository} if repository else None,
            resolver=PythonResolver(progress_callback=counter.count_file),
        )

        def fetch(jar: Jar) -> None:
            fetched = _fetch(jar, context, counter.cancel)
            fetched.replace(cache / jar.file_name)

        # Largest first: the last fetcher to end should not be the one with the most to do.
        by_size = sorted(missing, key=lambda jar: -jar.size_bytes)
        with ThreadPoolExecutor(_FETCHERS) as pool:
            try:
                list(pool.map(fetch, by_size))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _fetch(jar: Jar, context: "MavenContext", cancel: Cancel) -> Path:
    artifact = context.create_dependency(jar.coordinates).artifact
    fault = ""
    for _ in range(_TRIES):
        cancel.check()
        try:
            path = Path(artifact.resolve())
            if _sha256(path) == jar.sha256:
                return path
            fault = "its SHA-256 is not the one in the list"
        except (OSError, RuntimeError) as failed:
            # jgo raises the errors of `requests`, which are OSErrors, and RuntimeError for other answers than 200.
            fault = str(failed)
        if artifact.cached_path is not None:
            artifact.cached_path.unlink(missing_ok=True)
    raise Unavailable(f"cannot fetch {jar.coordinates} by Maven coordinates: {fault}")


class _ByteCounter:
    """Adds up what several fetchers have, and stops them when the work is called off."""

    def __init__(self, jars: Sequence[Jar], progress: Progress, cancel: Cancel) -> None:
        self._total = sum(jar.size_bytes for jar in jars)
        self._progress = progress
        self.cancel = cancel
        self._done = 0
        self._lock = threading.Lock()

    @contextmanager
    def count_file(self, _name: str, _size: int) -> Generator[Callable[[int], None]]:
        yield self._add

    def _add(self, count: int) -> None:
        self.cancel.check()
        with self._lock:
            self._done += count
            done = self._done
        self._progress.bytes_fetched(done, self._total)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_list(roots: Sequence[str] = ROOTS, listed: Path | None = None) -> int:
    """Resolve the roots and write their list anew, by default Kafka's; return how many jars it names.

    Raises:
        Misconfigured: one coordinate without a plain jar, which the list cannot express.
    """
    import jgo  # see _fetch_missing

    lines: list[str] = []
    for artifact in jgo.resolve("+".join(roots)):
        if artifact.classifier or artifact.packaging != "jar":
            raise Misconfigured(f"{artifact} is not a plain jar")
        path = Path(artifact.resolve())
        coordinates = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
        lines.append(f"{coordinates} {path.stat().st_size} {_sha256(path)}")
    header = "# coordinates, bytes, SHA-256; written by `devstack.jars.write_list`\n"
    (listed or LIST).write_text(header + "\n".join(lines) + "\n")
    return len(lines)


def cache_folder() -> Path:
    """Where this user's downloads are kept: `$XDG_CACHE_HOME/frontline` or `~/.cache/frontline`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "frontline"


if __name__ == "__main__":
    write_list()
