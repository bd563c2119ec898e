"""What deploy/README.md tells an operator to type fits the manifests."""

import re

from tools.manifests.objects import Installation
from tools.manifests.render import ROOT

README = (ROOT.parent / "README.md").read_text()
COMMANDS = README.partition("```sh\n")[2].partition("```")[0]


def test_there_are_ten_commands() -> None:
    numbers = re.findall(r"# (\d+)$", COMMANDS, flags=re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 11)]


def test_the_image_that_is_pushed_is_the_one_that_runs_and_migrates(sound: Installation) -> None:
    built = re.findall(r"--tag (\S+)", COMMANDS)
    pushed = re.findall(r"docker push (\S+)", COMMANDS)
    rendered = {container.document["image"] for pod in sound.pods() for container in pod.containers()}
    assert built == pushed == [*rendered]
