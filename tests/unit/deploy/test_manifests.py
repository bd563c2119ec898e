"""The manifests are sound, and every way to break them is refused with words that help."""

import json
import re

import pytest

from contracts.topics import TOPICS
from tests.unit.deploy.breakages import BREAKAGES
from tests.unit.deploy.breakages.breakage import Breakage
from tests.unit.deploy.conftest import Copy
from tools.manifests.__main__ import check, find_faults, main
from tools.manifests.objects import Installation
from tools.manifests.render import ROOT, NotRendered, render_installation
from tools.manifests.topics import topic_of

PREFIX = "FRONTLINE_KAFKA_TOPIC_PREFIX"


def test_the_manifests_are_sound() -> None:
    assert find_faults(ROOT) == []


def test_rendering_twice_gives_the_same(sound: Installation) -> None:
    assert render_installation(ROOT, "local") == sound


def test_the_topics_are_the_contracts(sound: Installation) -> None:
    rendered = {topic_of(one): one for one in sound.topics}
    assert {name: one.find("spec.partitions") for name, one in rendered.items()} == {
        topic.name: topic.partitions for topic in TOPICS.values()
    }
    assert {name: one.find("spec.config")["retention.ms"] for name, one in rendered.items()} == {
        topic.name: topic.retention.total_seconds() * 1000 for topic in TOPICS.values()
    }


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_a_broken_manifest_is_refused(copy: Copy, breakage: Breakage) -> None:
    copy.change(breakage.file, breakage.old, breakage.new)
    faults = list(check(copy.render(breakage.file)))
    assert any(
        fault.object.startswith(breakage.object) and breakage.field in fault.field and breakage.reason in fault.reason
        for fault in faults
    ), "\n".join(map(str, faults)) or "no fault at all"
    for fault in faults:
        assert re.fullmatch(r"deploy/k8s/[\w/.-]+\.yaml", fault.file)
        assert fault.fix


def test_an_installation_that_shares_its_brokers_with_another_is_sound(copy: Copy) -> None:
    """One prefix for the processes, and for the topics."""
    settings = "      - FRONTLINE_INSTALLATION=local\n"
    copy.change("overlays/local/settings/kustomization.yaml", settings, f"{settings}      - {PREFIX}=acme.\n")
    copy.change(
        "overlays/local/topics/kustomization.yaml", "namespace: kafka\n", "namespace: kafka\nnamePrefix: acme.\n"
    )
    assert find_faults(copy.root) == []


def test_what_does_not_render_is_said_in_kustomizes_words(copy: Copy) -> None:
    copy.change("base/intake/kustomization.yaml", "worker.yaml", "workers.yaml")
    with pytest.raises(NotRendered, match=r"workers\.yaml"):
        find_faults(copy.root)


def test_the_command_fails_and_prints_a_line_for_each_fault(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    copy.change("topics/intake.yaml", "partitions: 24", "partitions: 12")
    assert main(["--root", str(copy.root)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("deploy/k8s/topics/intake.yaml: KafkaTopic/support.intake.v1 spec.partitions: it has 12")
    assert main(["--root", str(copy.root), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["fix"] == "say 24"
