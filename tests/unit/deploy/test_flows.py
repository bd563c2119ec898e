"""Who calls whom, as the network policies are checked against it, is what the services do."""

import ast
from collections.abc import Mapping

import pytest

from tests.unit.deploy.conftest import Copy
from tools.manifests.__main__ import find_faults
from tools.manifests.flows import CALLS
from tools.manifests.render import ROOT

SOURCES = ROOT.parent.parent / "services"


def called_by(service: str) -> set[str]:
    """The services that one makes calls to: what stands as `service` of a `Call`."""
    return {
        str(ast.literal_eval(keyword.value))
        for path in (SOURCES / service / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Call"
        for keyword in node.keywords
        if keyword.arg == "service"
    }


def test_the_table_of_callers_is_what_the_services_do() -> None:
    table = {
        service: {peer.removesuffix("-api") for name in CALLS if name.startswith(service) for peer in CALLS[name]}
        for service in ("intake", "routing", "escalation", "feedback")
    }
    assert table == {service: called_by(service) for service in table}


def patched(patches: Mapping[str, str]) -> str:
    """The overlay's patches of network policies: one JSON operation for each."""
    listed = "".join(
        f"  - target: {{kind: NetworkPolicy, name: {name}}}\n    patch: |\n      - {operation}\n"
        for name, operation in patches.items()
    )
    return f"patches:\n{listed}replicas:\n"


@pytest.mark.parametrize(
    "patches",
    [
        {
            "kafka": "{op: replace, path: /spec/egress/0/to, value: [{ipBlock: {cidr: 10.20.30.0/24}}]}",
            "postgresql": "{op: replace, path: /spec/egress/0/to, value: [{ipBlock: {cidr: 192.168.7.9/32}}]}",
        },
        {
            "outside": "{op: add, path: /spec/egress/-, value: {to: [{ipBlock: {cidr: 10.2.3.4/32}}], "
            "ports: [{protocol: TCP, port: 2525}]}}"
        },
    ],
    ids=["servers at addresses", "a mail relay inside"],
)
def test_an_overlay_may_patch_the_one_policy(copy: Copy, patches: Mapping[str, str]) -> None:
    """As deploy/README.md says of servers that stand elsewhere and of receivers inside."""
    copy.change("overlays/local/kustomization.yaml", "replicas:\n", patched(patches))
    assert find_faults(copy.root) == []
