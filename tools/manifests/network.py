"""What network policies let through, as the Kubernetes documentation defines it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from tools.manifests.objects import Document, Manifest, selects

_SIDES = ("Egress", "Ingress")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Somebody who calls or is called: a pod, of ours or of another namespace, or an address outside.

    Attributes:
        name: nobody else's.
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


class Network:
    """What the policies of one namespace let through."""

    def __init__(self, policies: Sequence[Manifest]) -> None:
        """Args: policies: all of them; the order does not matter."""
        self._policies = policies
        self._known: dict[tuple[str, str], list[tuple[str, Document]] | None] = {}

    def passes(self, flow: Flow) -> bool:
        """Whether it gets out where it starts and in where it ends."""
        return all(self._side_passes(flow, side) for side in _SIDES)

    def openers(self, flow: Flow) -> list[str]:
        """The policies with a rule for this flow, at either end."""
        rules = ((side, *named) for side in _SIDES for named in self._rules_over(flow, side) or ())
        return sorted({name for side, name, rule in rules if _rule_takes(rule, flow, side)})

    def ports(self) -> set[int]:
        """Every port that a rule says by its number."""
        rules = (rule for policy in self._policies for side in _SIDES for rule in _rules_of(policy, side))
        said = (port.get(field) for rule in rules for port in rule.get("ports") or () for field in ("port", "endPort"))
        return {port for port in said if isinstance(port, int)}

    def _side_passes(self, flow: Flow, side: str) -> bool:
        """A pod that no policy concerns is open; one that some concern needs a rule of one of them."""
        rules = self._rules_over(flow, side)
        return rules is None or any(_rule_takes(rule, flow, side) for _, rule in rules)

    def _rules_over(self, flow: Flow, side: str) -> list[tuple[str, Document]] | None:
        """The rules for the flow's end that this side is about, with their policies' names; None: nothing is denied."""
        place = flow.source if side == "Egress" else flow.target
        known = (place.name, side)
        if known not in self._known:
            concerned = [
                policy
                for policy in (self._policies if place.policed else ())
                if side in _sides(policy) and selects(policy.find("spec.podSelector"), place.labels)
            ]
            rules = [(policy.name, rule) for policy in concerned for rule in _rules_of(policy, side)]
            self._known[known] = rules if concerned else None
        return self._known[known]


def _rules_of(policy: Manifest, side: str) -> Sequence[Document]:
    return policy.find(f"spec.{side.lower()}") or ()


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
