"""The stack's own folder: where things lie in it, its lock, and files that are never half-written."""

import fcntl
import os
import tempfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from common.errors import Conflict, Unavailable

DATA_OF_ROOT = Path("/var/lib/frontline")
"""Root's PostgreSQL data where the stack's own folder cannot be reached by `nobody`."""
CACHE_OF_ROOT = Path("/var/cache/frontline")
"""Root's copy of the PostgreSQL binaries, readable by everybody."""
_INSIDE = "inside"


class StackFolder:
    """Paths inside one stack's folder, usually `.frontline` in the checkout."""

    def __init__(self, root: Path) -> None:
        """Args: root: need not exist yet."""
        self.root = root.resolve()
        self.logs = self.root / "logs"
        self.state = self.root / "state.json"
        self.status = self.root / "status.json"
        self.processes = self.root / "processes.json"
        self.clients = self.root / "api-clients.json"
        self.development_key = self.root / "development-key"
        self.webhooks_key = self.root / "webhooks-key"
        self.directory_made = self.root / "directory-made"
        self.kafka = self.root / "kafka"
        self._identity = self.root / "identity"
        self._place = self.root / "postgres-place"
        self._lock = self.root / "lock"

    def key_of(self, service: str) -> Path:
        """Where the API key lies by which a service calls the others."""
        return self.root / f"{service}-key"

    @property
    def identity(self) -> str:
        """What tells this stack from every other, wherever its folder lies; it is made with the folder."""
        return self._identity.read_text().strip()

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data folder: inside, except for root where `nobody` could not reach it.

        That was decided when the folder was made, because permissions above it may change while the server runs. The
        place outside is named by the folder's identity, not by its path: a checkout that is moved finds its data
        again, and one that is deleted and made anew does not meet its predecessor's.
        """
        inside = self._place.read_text().strip() == _INSIDE
        return self.root / "postgres" if inside else DATA_OF_ROOT / self.identity / "postgres"

    def create(self) -> None:
        """Make the folder and its `logs`.

        Raises:
            Unavailable: the place cannot be written to.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            # PostgreSQL's data may lie below and belong to `nobody`, who must be able to pass. Secrets have mode 0600.
            self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
            if not self._place.exists():
                inside = os.geteuid() != 0 or reachable_by_all(self.root.parent)
                write_whole(self._place, _INSIDE if inside else "outside")
            if not self._identity.exists():
                write_whole(self._identity, uuid.uuid4().hex)
            if not self.postgres.is_relative_to(self.root):
                make_passable(DATA_OF_ROOT)
                make_passable(self.postgres.parent)
        except OSError as failed:
            raise Unavailable(f"cannot create {self.root}: {failed.strerror}") from failed

    @contextmanager
    def locked(self) -> Generator[None]:
        """Hold the stack's lock, so that no two commands change one stack at once. The lock dies with its process.

        Raises:
            Conflict: another command is at work here.
        """
        self.create()
        with self._lock.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as taken:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                raise Conflict(f"another frontline command is at work on {self.root} (process {holder})") from taken
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield


def reachable_by_all(folder: Path) -> bool:
    """Whether any user of the machine may pass through `folder` and everything above it."""
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents) if part.exists())


def make_passable(folder: Path) -> None:
    """Make a folder of root's that any user may pass through, whatever root's umask says."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)


def write_whole(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file's text at once: readers see the old text or the new one, never a part.

    Raises:
        Unavailable: the disk is full or the place cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as failed:
        raise Unavailable(f"cannot write {path}: {failed.strerror}") from failed
