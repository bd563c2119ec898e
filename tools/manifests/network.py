"""What network policies let through, as the Kubernetes documentation defines it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from tools.manifests.objects import Document, Manifest, selects


@dataclass(frozen=True, kw_only=True)
class Place:
    """Somebody who calls or is called: a pod, of ours or of another namespace, or an address outside.

    Attributes:
        policed: in the namespace of the policies.
        ports: the pod's ports by name.
        address: of somebody who is no pod.
    """

    name: str
    policed: bool = False
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    namespace_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    ports: Mapping[str, int] = field(default_factory=dict[str, int])
    address: str = ""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A connection that somebody opens."""

    source: Place
    target: Place
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        """In words."""
        return f"{self.source.name} to {self.target.name}, {self.protocol} {self.port}"


def passes(flow: Flow, policies: Sequence[Manifest]) -> bool:
    """Whether it gets out where it starts and in where it ends."""
    return all(_side_passes(flow, policies, side) for side in ("Egress", "Ingress"))


def openers(flow: Flow, policies: Sequence[Manifest]) -> list[str]:
    """The policies with a rule for this flow, at either end."""
    return sorted(
        {
            policy.name
            for side in ("Egress", "Ingress")
            for policy in _policies_over(flow, policies, side)
            if any(_rule_takes(rule, flow, side) for rule in policy.find(f"spec.{side.lower()}") or ())
        }
    )


def _side_passes(flow: Flow, policies: Sequence[Manifest], side: str) -> bool:
    """A pod that no policy concerns is open; one that some concern needs a rule of one of them."""
    concerned = list(_policies_over(flow, policies, side))
    rules = (rule for policy in concerned for rule in policy.find(f"spec.{side.lower()}") or ())
    return not concerned or any(_rule_takes(rule, flow, side) for rule in rules)


def _policies_over(flow: Flow, policies: Sequence[Manifest], side: str) -> Iterator[Manifest]:
    place = flow.source if side == "Egress" else flow.target
    for policy in policies if place.policed else ():
        if side in _sides(policy) and selects(policy.find("spec.podSelector"), place.labels):
            yield policy


def _sides(policy: Manifest) -> Sequence[str]:
    implied = ["Ingress", "Egress"] if policy.find("spec.egress") else ["Ingress"]
    return policy.find("spec.policyTypes") or implied


def _rule_takes(rule: Document, flow: Flow, side: str) -> bool:
    far, key = (flow.target, "to") if side == "Egress" else (flow.source, "from")
    peers: Sequence[Document] = rule.get(key) or ()
    ports: Sequence[Document] = rule.get("ports") or ()
    return (not peers or any(_peer_is(peer, far) for peer in peers)) and (
        not ports or any(_port_is(port, flow) for port in ports)
    )


def _peer_is(peer: Document, place: Place) -> bool:
    if "ipBlock" in peer:
        return bool(place.address) and _within(peer["ipBlock"], place.address)
    if place.address:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], place.namespace_labels):
            return False
    elif not place.policed:
        return False  # a pod selector alone means pods of the policy's own namespace
    return "podSelector" not in peer or selects(peer["podSelector"], place.labels)


def _within(block: Document, address: str) -> bool:
    asked = ip_address(address)
    return asked in ip_network(block["cidr"]) and not any(
        asked in ip_network(excepted) for excepted in block.get("except") or ()
    )


def _port_is(port: Document, flow: Flow) -> bool:
    if port.get("protocol", "TCP") != flow.protocol:
        return False
    wanted = port.get("port")
    if isinstance(wanted, str):  # a name, which means nothing on a pod that has no port of that name
        return flow.target.ports.get(wanted) == flow.port
    return wanted is None or wanted == flow.port or wanted < flow.port <= port.get("endPort", wanted)
