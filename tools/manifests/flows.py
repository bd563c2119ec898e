"""That network policies let through what the platform needs, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence

from tools.manifests.brokers import ports_of_brokers
from tools.manifests.network import Flow, Network, Place
from tools.manifests.objects import Fault, Installation, Manifest, Pod
from tools.manifests.places import (
    ADDRESSES,
    COLLECTOR,
    DNS,
    GATEWAY,
    KAFKA,
    OUTSIDERS,
    POSTGRESQL,
    PROMETHEUS,
    WORLD,
    WORLD_IPV6,
    neighbour,
    where,
)
from tools.manifests.variables import config_maps_of, environment_of

CALLS: Mapping[str, Sequence[str]] = {
    "escalation-api": ("routing-api",),
    "escalation-worker": ("intake-api", "routing-api"),
    "feedback-worker": ("intake-api",),
}
"""Which process of ours calls which: an answer to an offered handoff is passed on at once, the rest is sent later."""
_HTTP, _ADMIN = 8000, 9000
_OUTSIDE: Mapping[str, Sequence[int]] = {"escalation-worker": (25, 443, 465, 587), "intake-worker": (443,)}
"""By which ports a process of ours calls the world: mail and webhooks."""
_TRIED = frozenset({22, 80, 443, 4317, 5432, 8000, 8080, 9000, 9091, 9092, 9093, 9094})
_TRIED_BY_UDP = frozenset({53, 443})


def check(installation: Installation) -> Iterator[Fault]:
    """Every flow that must pass, that no other does, and that nothing is open by default."""
    policies = [one for one in installation.running if one.kind == "NetworkPolicy"]
    network = Network(policies)
    pods = {f"{pod.service}-{pod.component}": pod for pod in installation.pods()}
    ours = {name: _place(name, pod) for name, pod in pods.items()}
    strange = [neighbour(namespace) for namespace in sorted({pod.owner.namespace for pod in pods.values()})]
    needed = [
        *_needed(ours, policies, _ports_of_brokers(installation, pods)),
        *_needed_by_all([*ours.values(), *strange]),
    ]
    for flow in needed:
        if not network.passes(flow):
            yield _fault("NetworkPolicy/(none)", f"{flow} is needed and does not pass", "add the rule, at both ends")
    yield from _check_others(network, [*ours.values(), *strange], needed)
    if not any(
        one.find("spec.podSelector") == {}
        and set(one.find("spec.policyTypes") or ()) == {"Ingress", "Egress"}
        and not one.find("spec.ingress")
        and not one.find("spec.egress")
        for one in policies
    ):
        yield _fault("NetworkPolicy/deny", "a pod that nobody thought of would be open", "deny all, both ways")


def _check_others(network: Network, ours: Sequence[Place], needed: Sequence[Flow]) -> Iterator[Fault]:
    """One fault for each port that a policy opens too far, since one wrong rule can open hundreds of flows."""
    wanted = {str(flow) for flow in needed}
    opened: dict[tuple[str, str], list[Flow]] = {}
    for flow in _tried(ours, network.ports()):
        if network.passes(flow) and str(flow) not in wanted:
            opener = ", ".join(network.openers(flow)) or "(none selects it)"
            opened.setdefault((opener, f"{flow.protocol} {flow.port}"), []).append(flow)
    for (opener, _), flows in opened.items():
        more = f", and {len(flows) - 1} more like it" if len(flows) > 1 else ""
        reason = f"{flows[0]} passes and must not{more}"
        yield _fault(f"NetworkPolicy/{opener}", reason, "narrow the rule that opens it")


def _tried(ours: Sequence[Place], said: set[int]) -> Iterator[Flow]:
    """From each of ours to everybody, and from everybody to each of ours, by every port that anybody may mean."""
    pairs = [(source, target) for source in ours for target in (*ours, *OUTSIDERS, *ADDRESSES)]
    pairs += [(source, target) for source in (*OUTSIDERS, WORLD) for target in ours]
    for source, target in pairs:
        for port in sorted(_TRIED | said):
            yield Flow(source=source, target=target, port=port)
        for port in sorted(_TRIED_BY_UDP):
            yield Flow(source=source, target=target, port=port, protocol="UDP")


def _needed(ours: Mapping[str, Place], policies: Sequence[Manifest], brokers: Mapping[str, set[int]]) -> Iterator[Flow]:
    postgresql, kafka = where(POSTGRESQL, policies, "postgresql"), where(KAFKA, policies, "kafka")
    for name, place in ours.items():
        yield Flow(source=place, target=postgresql, port=5432)
        if name.endswith("-migrate"):
            continue
        yield Flow(source=PROMETHEUS, target=place, port=_ADMIN)
        yield Flow(source=place, target=COLLECTOR, port=4318)
        if name.endswith("-api"):
            yield Flow(source=GATEWAY, target=place, port=_HTTP)
        for port in brokers.get(name, ()):
            yield Flow(source=place, target=kafka, port=port)
        for peer in CALLS.get(name, ()):
            yield Flow(source=place, target=ours[peer], port=_HTTP)
    for name, ports in _OUTSIDE.items():
        for port in ports:
            for address in WORLD, WORLD_IPV6:
                yield Flow(source=ours[name], target=address, port=port)


def _needed_by_all(places: Sequence[Place]) -> Iterator[Flow]:
    for place in places:
        yield Flow(source=place, target=DNS, port=53)
        yield Flow(source=place, target=DNS, port=53, protocol="UDP")


def _ports_of_brokers(installation: Installation, pods: Mapping[str, Pod]) -> Mapping[str, set[int]]:
    """By worker, where its brokers listen."""
    config_maps = config_maps_of(installation)
    return {
        name: ports_of_brokers(environment_of(container, config_maps))
        for name, pod in pods.items()
        if pod.component == "worker"
        for container in pod.containers()
    }


def _fault(named: str, reason: str, fix: str) -> Fault:
    return Fault(file="deploy/k8s/base/network/kustomization.yaml", object=named, field="spec", reason=reason, fix=fix)


def _place(name: str, pod: Pod) -> Place:
    ports = {
        str(port["name"]): int(port["containerPort"])
        for container in pod.containers()
        for port in container.document.get("ports", ())
        if "name" in port
    }
    own_namespace = {"kubernetes.io/metadata.name": pod.owner.namespace}
    return Place(name=name, policed=True, labels=pod.labels, namespace_labels=own_namespace, ports=ports)
