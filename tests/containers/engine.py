"""The container engine. `python -m tests.containers.engine` ends with 1 and says what to do where none answers."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

import docker
from docker.errors import DockerException


class NoEngine(RuntimeError):
    """No container engine answers; the message says how to have one."""


@contextmanager
def connected() -> Generator[docker.DockerClient]:
    """A client of the engine that DOCKER_HOST names, or of the usual socket.

    Raises:
        NoEngine: none answers.
    """
    try:
        client = docker.from_env(timeout=600)
    except DockerException as silent:
        where = os.environ.get("DOCKER_HOST") or "the usual socket"
        raise NoEngine(
            f"no container engine answers at {where}: start one (Debian's Docker engine will do; where no image can be "
            f"pulled, root and debootstrap too), or name its address in DOCKER_HOST ({silent})"
        ) from silent
    try:
        yield client
    finally:
        client.close()


def main() -> int:
    """Returns 0 where an engine answers, else 1."""
    try:
        with connected() as client:
            print(f"containers run on {client.info()['Name']}, engine {client.version()['Version']}")  # noqa: T201 - a command
        return 0
    except NoEngine as silent:
        print(silent, file=sys.stderr)  # noqa: T201 - a command prints
        return 1


if __name__ == "__main__":
    sys.exit(main())
