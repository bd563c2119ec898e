"""The metrics that the documents name are there, under the names that Prometheus reads."""

import re
import subprocess
import sys

import pytest

from tools.manifests.render import ROOT

CHECKOUT = ROOT.parent.parent
OPERATORS = (CHECKOUT / "docs" / "operators.md").read_text()


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """What the processes show."""
    command = [sys.executable, "-m", "tests.unit.deploy.exported"]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


def test_documents_name_metrics_as_prometheus_reads_them(exported: set[str]) -> None:
    for path in (CHECKOUT / "docs").glob("*.md"):
        named = set(re.findall(r"\bfrontline_[a-z_]+[a-z]", path.read_text()))
        assert named <= exported, f"{path.name}: {sorted(named - exported)}"


def test_an_alarm_on_a_counter_is_about_its_rising(exported: set[str]) -> None:
    """A counter's value says only what happened since its process began."""
    alarms = re.findall(r"^\| `(.*)` \|", OPERATORS.partition("| Alarm when |")[2].partition("\n\n")[0], re.MULTILINE)
    assert len(alarms) > 8
    for alarm in alarms:
        for name in re.findall(r"frontline_\w+", alarm):
            assert bool(re.search(rf"rising\({name}[{{)]", alarm)) == name.endswith("_total"), alarm


def test_rising_is_written_out() -> None:
    assert "`increase(m[15m]) > 0 or (m unless m offset 15m)`" in OPERATORS
