"""Bring up the environment from a plain Python: uv into .tools, the locked packages and our members into .venv.

Run by `make` with whatever `python3` is there (3.11 or newer, which make has checked), so it uses the standard library
only and says in one line what is missing. Several runs at once are safe: the first does the work, the others wait.
"""

import fcntl
import importlib.util
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
UV = TOOLS / "bin" / "uv"
VENV = ROOT / ".venv"
STAMP = VENV / ".installed"
LOCK = ROOT / "requirements.lock"
UV_LOCK = ROOT / "tools" / "uv.txt"
_MISLEADING = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
"""Variables that would send packages elsewhere. Addresses, certificates and caches of the user stay in force."""


class BootstrapError(Exception):
    """The environment cannot be built; the message says what to do."""


def main() -> int:
    """Build what is missing or older than its inputs; returns the exit code."""
    try:
        _check_parts()
        with _alone():
            if not _is_fresh():
                _build()
    except BootstrapError as error:
        print(f"frontline: {error}", file=sys.stderr)
        return 1
    return 0


def _check_parts() -> None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise BootstrapError(
            f"{sys.executable} cannot make virtual environments; install its venv and pip parts "
            "(on Debian and Ubuntu: apt install python3-venv)"
        )


@contextmanager
def _alone() -> Generator[None]:
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _members() -> list[Path]:
    return sorted(path.parent for folder in ("libs", "services") for path in (ROOT / folder).glob("*/pyproject.toml"))


def _is_fresh() -> bool:
    """Whether the stamp is newer than every input and was set in this very folder (a moved checkout is not fresh)."""
    if not STAMP.exists() or STAMP.read_text() != str(ROOT):
        return False
    inputs = [LOCK, UV_LOCK, Path(__file__), *(member / "pyproject.toml" for member in _members())]
    return all(path.stat().st_mtime <= STAMP.stat().st_mtime for path in inputs)


def _build() -> None:
    STAMP.unlink(missing_ok=True)
    print("Preparing the environment: uv, then the packages of requirements.lock", flush=True)
    if not _works(TOOLS / "bin" / "python"):
        _run([sys.executable, "-m", "venv", str(TOOLS)], "make a virtual environment for uv")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]
    pip = [str(TOOLS / "bin" / "python"), "-m", "pip", "install", *quiet]
    _run([*pip, "--require-hashes", "-r", str(UV_LOCK)], "install uv")
    if not _works(VENV / "bin" / "python"):
        _uv("venv", "--clear", "--no-project", "--prompt", "frontline", "--python", sys.executable, str(VENV))
    into = ["--python", str(VENV / "bin" / "python")]
    _uv("pip", "sync", *into, "--require-hashes", str(LOCK))
    editable = [word for member in _members() for word in ("--editable", str(member))]
    _uv("pip", "install", *into, "--no-deps", "--no-build-isolation", *editable)
    STAMP.write_text(str(ROOT))


def _works(python: Path) -> bool:
    """Whether this interpreter is there, starts (its base may be gone) and is of the version that runs this."""
    check = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    return python.exists() and subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0


def _uv(*arguments: str) -> None:
    # A person sees how the download goes on; a log need not list every package.
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    _run([str(UV), *arguments, *quiet], f"run uv {' '.join(arguments[:2])}")


def _run(command: Sequence[str], purpose: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    environment["UV_PYTHON"] = sys.executable
    environment.setdefault("UV_HTTP_TIMEOUT", "120")
    try:
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    except subprocess.CalledProcessError as failed:
        raise BootstrapError(
            f"could not {purpose} (see above); it needs a connection to the usual Python package registry"
        ) from failed


if __name__ == "__main__":
    sys.exit(main())
