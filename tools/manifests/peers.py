"""That the address by which one service calls another leads to that other's API, by a Service that is rendered."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from contracts.topics import TOPICS
from tools.manifests.objects import COMPONENT, NAME, Container, Document, Fault, Installation, Manifest
from tools.manifests.variables import config_maps_of, environment_of

_PORTS = {"http": 80, "https": 443}
_CLUSTER = ".svc.cluster.local"


def check(installation: Installation) -> Iterator[Fault]:
    """Every FRONTLINE_PEERS_…_URL of every container."""
    config_maps = config_maps_of(installation)
    services = list(installation.of("Service"))
    for pod in installation.pods():
        for container in pod.containers():
            environment = environment_of(container, config_maps)
            for called in TOPICS:
                name = f"FRONTLINE_PEERS_{called.upper()}_URL"
                if name in environment:
                    yield from _check_url(container, name, environment[name], called, services)


def _check_url(container: Container, name: str, url: str, called: str, services: list[Manifest]) -> Iterator[Fault]:
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError as wrong:
        yield container.fault(f"env {name}", str(wrong), f"say http://{called}:8000, for instance")
        return
    namespace = container.pod.owner.namespace
    found = next((one for one in services if parts.hostname in _names_of(one, namespace)), None)
    if found is None:
        reason = f"there is no Service {parts.hostname}"
        yield container.fault(f"env {name}", reason, f"name the Service of {called}'s API")
        return
    selector: Document = found.find("spec.selector") or {}
    if (selector.get(NAME), selector.get(COMPONENT)) != (called, "api"):
        reason = f"the Service {found.name} leads to {selector.get(NAME)}, not to {called}'s API"
        yield container.fault(f"env {name}", reason, f"name the Service of {called}'s API")
    offered = [one["port"] for one in found.find("spec.ports") or () if one.get("appProtocol") == parts.scheme]
    if port not in offered:
        reason = f"the Service {found.name} speaks no {parts.scheme} at {port}"
        yield container.fault(f"env {name}", reason, f"say one of {offered}, as its ports and their appProtocol do")


def _names_of(service: Manifest, namespace: str) -> tuple[str, ...]:
    """The names by which pods of a namespace find a Service."""
    full = f"{service.name}.{service.namespace}"
    short = (service.name,) if service.namespace == namespace else ()
    return (*short, full, f"{full}.svc", f"{full}{_CLUSTER}")
