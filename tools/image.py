"""`make image`: the image of all services, from requirements.lock and the wheels of this checkout.

Run as `python -m tools.image build --tag frontline:0.1.0 [--base python@sha256:...]`, or `python -m tools.image lay-out
FOLDER` to leave what the recipe copies in a folder, for any other builder.
"""
# the docker client carries no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

import argparse
import compileall
import os
import platform
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import distribution, version
from pathlib import Path

import docker
from docker.errors import BuildError, DockerException
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "deploy" / "images" / "Dockerfile"
SERVICES = ("intake", "routing", "escalation", "feedback")
MEMBERS = (*(f"libs/{name}" for name in ("common", "contracts")), *(f"services/{name}" for name in SERVICES))
"""What of this checkout is in the image."""
_BUILD_S = 600
QUESTION = """
import platform, sys
print("%d.%d" % sys.version_info[:2], sys.platform, platform.machine(), *platform.libc_ver())
"""
"""What any Python is asked for `read_interpreter`."""


class ImageError(Exception):
    """The image cannot be built; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """What decides which wheels and which compiled files a Python can use: "3.11", "linux", "x86_64", "glibc"."""

    python: str
    system: str
    machine: str
    libc: str

    def __str__(self) -> str:
        """In words."""
        return f"Python {self.python} for {self.system} on {self.machine}, {self.libc or 'no glibc'}"


def read_interpreter(said: str) -> Interpreter:
    """What a Python answers to QUESTION. The version of its libc is left out: a base may well have an older one."""
    python, system, machine, libc, *_ = (*said.split(), "")
    return Interpreter(python=python, system=system, machine=machine, libc=libc)


def this_interpreter() -> Interpreter:
    """The one that chooses the wheels and compiles them."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Interpreter(python=python, system=sys.platform, machine=platform.machine(), libc=platform.libc_ver()[0])


def check_base(base: Interpreter, builder: Interpreter) -> None:
    """Refuse to build for a base that cannot run the result: that would show at the first import, in a cluster.

    Raises:
        ImageError: they differ.
    """
    if base != builder:
        raise ImageError(f"the base image has {base}; it needs {builder}, as has what builds here")


def check_recipe(builder: Interpreter) -> None:
    """Refuse to lay out for the recipe's own base what that base cannot run; on which machine it will be, nobody knows.

    Raises:
        ImageError: they differ.
    """
    python = re.findall(r":(\d+\.\d+)", _base_of_recipe())[0]
    check_base(Interpreter(python=python, system="linux", machine=builder.machine, libc="glibc"), builder)


def lay_out(folder: Path) -> None:
    """Fill an empty folder with the recipe and what it copies.

    Raises:
        ImageError: uv failed; its own words went to standard error.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="frontline-image-") as scratch:
        locked, wheels = Path(scratch) / "locked.txt", Path(scratch) / "wheels"
        locked.write_text(locked_for(_needed_packages()))
        hashed = ("--require-hashes", "--only-binary", ":all:", "-r", str(locked))
        _uv("pip", "install", "--no-deps", "--target", str(folder / "packages"), *hashed)
        for member in MEMBERS:
            _uv("build", "--wheel", "--no-build-isolation", "--out-dir", str(wheels), str(ROOT / member))
        built = sorted(str(wheel) for wheel in wheels.glob("*.whl"))
        _uv("pip", "install", "--no-deps", "--target", str(folder / "services"), *built)
    shutil.rmtree(folder / "packages" / "bin", ignore_errors=True)
    for part in ("packages", "services"):
        # By hash, not by date, since copying may change dates; never checked again, since an image does not change.
        compiled = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(folder / part, quiet=1, workers=0, invalidation_mode=compiled)
        for path in (folder / part).rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)  # whoever builds, any user in the image may read
    shutil.copy(RECIPE, folder / "Dockerfile")


def build(*, tag: str, base: str) -> str:
    """Build the image and return its id.

    Args:
        base: a reference of an image with Python 3.11; empty takes the recipe's own.
    Raises:
        ImageError: no engine answers, the base does not fit what builds here, or the build failed.
    """
    arguments = {"VERSION": version("frontline-common"), "REVISION": _revision()} | ({"BASE": base} if base else {})
    with tempfile.TemporaryDirectory(prefix="frontline-image-") as folder:
        try:
            with closing(docker.from_env(timeout=_BUILD_S)) as client:
                check_base(_ask(client, base or _base_of_recipe()), this_interpreter())
                lay_out(Path(folder))
                image, _ = client.images.build(
                    path=folder, tag=tag, buildargs=arguments, network_mode="none", rm=True, forcerm=True
                )
        except BuildError as failed:
            raise ImageError("".join(str(line.get("stream", "")) for line in failed.build_log) + failed.msg) from failed
        except DockerException as failed:
            raise ImageError(f"cannot build {tag}: {failed}") from failed
    return str(image.id)


def locked_for(names: frozenset[NormalizedName]) -> str:
    """The part of requirements.lock that pins these packages, hashes and all.

    Raises:
        ImageError: it lacks one of them.
    """
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)[1:]
    by_name = {canonicalize_name(entry.partition("==")[0].partition("[")[0]): entry for entry in entries}
    missing = names - by_name.keys()
    if missing:
        raise ImageError(f"requirements.lock lacks {', '.join(sorted(missing))}; say make lock")
    return "".join(by_name[name] for name in sorted(names))


def _needed_packages() -> frozenset[NormalizedName]:
    """What the services need, and what that needs in turn as installed here; without this checkout's own members."""
    found: set[tuple[NormalizedName, str]] = set()
    waiting = [Requirement(f"frontline-{service}") for service in SERVICES]
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *wanted.extras):
            if (canonicalize_name(wanted.name), extra) not in found:
                found.add((canonicalize_name(wanted.name), extra))
                waiting += _requirements(wanted.name, extra)
    return frozenset(name for name, _ in found if not name.startswith("frontline-"))


def _requirements(name: str, extra: str) -> Iterator[Requirement]:
    own = {f"frontline-{Path(member).name}": ROOT / member / "pyproject.toml" for member in MEMBERS}.get(name)
    # Of our own, what the checkout says now: what was installed may be older.
    lines = tomllib.loads(own.read_text())["project"]["dependencies"] if own else distribution(name).requires
    for line in lines or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def _uv(*arguments: str) -> None:
    uv = ROOT / ".tools" / "bin" / "uv"
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    command = [str(uv), *arguments, "--quiet", "--python", sys.executable]
    if subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode:
        raise ImageError(f"uv {' '.join(arguments[:2])} failed")


def _ask(client: docker.DockerClient, base: str) -> Interpreter:
    """What Python a base has; an image that the engine lacks is pulled, as the build itself would."""
    said = client.containers.run(base, entrypoint=["python3", "-c", QUESTION], network_mode="none", remove=True)
    return read_interpreter(said.decode())


def _base_of_recipe() -> str:
    return re.findall(r"^ARG BASE=(\S+)", RECIPE.read_text(), flags=re.MULTILINE)[0]


def _revision() -> str:
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


def main(arguments: Sequence[str]) -> int:
    """Returns 0, or 1 where the image could not be built."""
    parser = argparse.ArgumentParser(prog="python -m tools.image", description="The image of all services.")
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build the image with the engine that DOCKER_HOST names")
    building.add_argument("--tag", default=f"frontline:{version('frontline-common')}")
    building.add_argument("--base", default="", help="the image to build on, best by digest")
    laying = commands.add_parser("lay-out", help="leave recipe and contents in a folder, for another builder")
    laying.add_argument("folder", type=Path)
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "lay-out":
            check_recipe(this_interpreter())
            lay_out(asked.folder)
        else:
            print(f"{asked.tag} is {build(tag=asked.tag, base=asked.base)}")
    except ImageError as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
