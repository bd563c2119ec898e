"""That network policies let through what the platform needs, and nothing of what it must not do."""

from collections.abc import Iterator, Mapping

from devstack.plans import CALLERS
from tools.manifests.network import Flow, Place, openers, passes
from tools.manifests.objects import Fault, Installation, Pod
from tools.manifests.variables import config_maps_of

_HTTP, _ADMIN = 8000, 9000
_FOREIGN = {"kubernetes.io/metadata.name": "elsewhere"}
_DNS = Place(
    name="DNS",
    labels={"k8s-app": "kube-dns"},
    namespace_labels={"kubernetes.io/metadata.name": "kube-system"},
)
_KAFKA = Place(
    name="Kafka",
    labels={"strimzi.io/kind": "Kafka", "strimzi.io/broker-role": "true"},
    namespace_labels=_FOREIGN,
)
_POSTGRESQL = Place(name="PostgreSQL", labels={"cnpg.io/podRole": "instance"}, namespace_labels=_FOREIGN)
_GATEWAY = Place(name="the gateway", namespace_labels={**_FOREIGN, "frontline-access": "gateway"})
_PROMETHEUS = Place(name="Prometheus", namespace_labels={**_FOREIGN, "frontline-access": "monitoring"})
_COLLECTOR = Place(name="the collector", namespace_labels={**_FOREIGN, "frontline-access": "telemetry"})
_STRANGER = Place(name="a pod of another namespace", namespace_labels=_FOREIGN)
_WORLD = Place(name="the world", address="203.0.113.10")
_METADATA = Place(name="the cloud's metadata", address="169.254.169.254")
_PRIVATE = Place(name="a private address", address="10.1.2.3")
_MAIL_AND_WEB = (25, 443, 465, 587)


def check(installation: Installation) -> Iterator[Fault]:
    """Every flow that must pass, every one that must not, and that nothing is open by default."""
    policies = [one for one in installation.running if one.kind == "NetworkPolicy"]
    places = {f"{pod.service}-{pod.component}": _place(pod) for pod in installation.pods()}
    for flow in _needed(places, _kafka_port(installation)):
        if not passes(flow, policies):
            yield _fault("NetworkPolicy/(none)", f"{flow} is needed and does not pass", "add the rule, at both ends")
    for flow in _forbidden(places):
        if passes(flow, policies):
            opened = ", ".join(openers(flow, policies)) or "(none selects it)"
            yield _fault(f"NetworkPolicy/{opened}", f"{flow} passes and must not", "narrow the rule that opens it")
    if not any(
        one.find("spec.podSelector") == {}
        and set(one.find("spec.policyTypes") or ()) == {"Ingress", "Egress"}
        and not one.find("spec.ingress")
        and not one.find("spec.egress")
        for one in policies
    ):
        yield _fault("NetworkPolicy/deny", "a pod that nobody thought of would be open", "deny all, both ways")


def _fault(named: str, reason: str, fix: str) -> Fault:
    return Fault(file="deploy/k8s/base/network/kustomization.yaml", object=named, field="spec", reason=reason, fix=fix)


def _place(pod: Pod) -> Place:
    ports = {
        str(port["name"]): int(port["containerPort"])
        for container in pod.containers()
        for port in container.document.get("ports", ())
        if "name" in port
    }
    name = f"{pod.service}-{pod.component}"
    own_namespace = {"kubernetes.io/metadata.name": pod.owner.namespace}
    return Place(name=name, policed=True, labels=pod.labels, namespace_labels=own_namespace, ports=ports)


def _kafka_port(installation: Installation) -> int:
    for variables in config_maps_of(installation).values():
        bootstrap = variables.get("FRONTLINE_KAFKA_BOOTSTRAP", "")
        port = bootstrap.split(",")[0].rpartition(":")[2]
        if port.isdecimal():
            return int(port)
    return 9092


def _needed(places: Mapping[str, Place], kafka_port: int) -> Iterator[Flow]:
    for name, place in places.items():
        service, _, component = name.partition("-")
        yield Flow(source=place, target=_DNS, port=53)
        yield Flow(source=place, target=_DNS, port=53, protocol="UDP")
        yield Flow(source=place, target=_POSTGRESQL, port=5432)
        if component == "migrate":
            continue
        yield Flow(source=_PROMETHEUS, target=place, port=_ADMIN)
        yield Flow(source=place, target=_COLLECTOR, port=4318)
        if component == "api":
            yield Flow(source=_GATEWAY, target=place, port=_HTTP)
        else:
            yield Flow(source=place, target=_KAFKA, port=kafka_port)
        if service in CALLERS:
            for peer in ("intake-api", "routing-api"):
                yield Flow(source=place, target=places[peer], port=_HTTP)
    for port in _MAIL_AND_WEB:
        yield Flow(source=places["escalation-worker"], target=_WORLD, port=port)


def _forbidden(places: Mapping[str, Place]) -> Iterator[Flow]:
    for name, place in places.items():
        service, _, component = name.partition("-")
        for source in (_STRANGER, _GATEWAY):
            yield Flow(source=source, target=place, port=_ADMIN)
        yield Flow(source=_STRANGER, target=place, port=_HTTP)
        yield Flow(source=_PROMETHEUS, target=place, port=_HTTP)
        for target in (_METADATA, _PRIVATE, *(() if name == "escalation-worker" else (_WORLD,))):
            yield Flow(source=place, target=target, port=443)
        yield Flow(source=place, target=_STRANGER, port=443)
        if component != "worker":
            yield Flow(source=place, target=_KAFKA, port=9092)
        for other in places.values():
            calls = service in CALLERS and component != "migrate" and other.name in ("intake-api", "routing-api")
            if not calls:
                yield Flow(source=place, target=other, port=_HTTP)
