"""Who calls whom, as the network policies are checked against it, is what the services do."""

import ast

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


def test_servers_may_stand_at_addresses(copy: Copy) -> None:
    """As deploy/README.md says: an overlay patches the one policy."""
    patches = "".join(
        f"""  - target: {{kind: NetworkPolicy, name: {name}}}
    patch: |
      - {{op: replace, path: /spec/egress/0/to, value: [{{ipBlock: {{cidr: {address}}}}}]}}
"""
        for name, address in {"kafka": "10.20.30.0/24", "postgresql": "192.168.7.9/32"}.items()
    )
    copy.change("overlays/local/kustomization.yaml", "replicas:\n", f"patches:\n{patches}replicas:\n")
    assert find_faults(copy.root) == []
