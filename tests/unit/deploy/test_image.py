"""The image's recipe fits the manifests and is made of locked packages alone."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name

from tools.image import (
    QUESTION,
    RECIPE,
    ImageError,
    check_base,
    check_recipe,
    locked_for,
    read_interpreter,
    this_interpreter,
)
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


def test_a_python_says_what_it_is_and_whether_a_base_without_glibc_is_meant() -> None:
    answer = subprocess.run([sys.executable, "-c", QUESTION], capture_output=True, text=True, check=True).stdout
    assert read_interpreter(answer) == this_interpreter()
    assert read_interpreter("3.11 linux aarch64  \n").libc == ""


def test_the_builder_itself_fits_the_recipe() -> None:
    check_recipe(this_interpreter())
    check_base(this_interpreter(), this_interpreter())


@pytest.mark.parametrize(
    ("field", "other", "words"),
    [
        ("python", "3.13", "the base image has Python 3.13 for linux"),
        ("machine", "aarch64", "on aarch64"),
        ("libc", "", "no glibc"),
    ],
)
def test_a_base_that_could_not_run_what_is_built_is_refused(field: str, other: str, words: str) -> None:
    builder = replace(this_interpreter(), machine="x86_64")
    with pytest.raises(ImageError, match=words):
        check_base(replace(builder, **{field: other}), builder)


def test_another_python_than_the_recipes_lays_nothing_out() -> None:
    with pytest.raises(ImageError, match=r"the base image has Python 3\.11 .*; it needs Python 3\.13"):
        check_recipe(replace(this_interpreter(), python="3.13"))
