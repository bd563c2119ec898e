"""The image's recipe fits the manifests and is made of locked packages alone."""

import json
import re

import pytest
from packaging.utils import canonicalize_name

from tools.image import RECIPE, ImageError, locked_for
from tools.manifests.objects import Installation


def instruction(name: str) -> str:
    """The last of the recipe's instructions of this name."""
    return re.findall(rf"^{name} (.+)$", RECIPE.read_text(), flags=re.MULTILINE)[-1]


def test_the_image_runs_as_the_user_of_the_manifests(sound: Installation) -> None:
    users = {
        f"{pod.spec['securityContext']['runAsUser']}:{pod.spec['securityContext']['runAsGroup']}"
        for pod in sound.pods()
    }
    assert users == {instruction("USER")}


def test_nothing_stands_between_a_signal_and_python() -> None:
    assert json.loads(instruction("ENTRYPOINT")) == ["python3", "-P", "-m"]


def test_the_image_shows_the_ports_of_the_manifests(sound: Installation) -> None:
    ports = {
        str(port["containerPort"])
        for pod in sound.pods()
        for container in pod.containers()
        for port in container.document.get("ports", ())
    }
    assert ports == set(instruction("EXPOSE").split())


def test_packages_come_with_their_hashes() -> None:
    text = locked_for(frozenset({canonicalize_name("pydantic-core"), canonicalize_name("asyncpg")}))
    pinned = re.findall(r"^([a-z0-9-]+)==\S+", text, flags=re.MULTILINE)
    assert pinned == ["asyncpg", "pydantic-core"]
    assert text.count("--hash=sha256:") > len(pinned)


def test_a_package_that_is_not_locked_is_refused() -> None:
    with pytest.raises(ImageError, match="lacks no-such-package; say make lock"):
        locked_for(frozenset({canonicalize_name("no-such-package")}))
