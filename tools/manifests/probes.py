"""That every process is probed as it answers, and has the time to start and to stop."""

from collections.abc import Iterator

from pydantic import ValidationError

from common.settings import LifeSettings
from tools.manifests.objects import Container, Fault, Installation
from tools.manifests.variables import ConfigMaps, config_maps_of, environment_of

_PATHS = {"startupProbe": "/startupz", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
_START_S = 60
"""A process waits for its database while it starts; less patience than this would restart it for that."""
_LIVENESS_S = 30
_SPARE_S = 5
"""Between the end of a drain and the kill."""


def check(installation: Installation) -> Iterator[Fault]:
    """The processes that keep running; a migration has no probes."""
    config_maps = config_maps_of(installation)
    for pod in installation.pods():
        if pod.owner.kind == "Deployment":
            for container in pod.containers():
                yield from _check_probes(container)
                yield from _check_grace(container, config_maps)


def _check_probes(container: Container) -> Iterator[Fault]:
    ports = {port.get("name"): port.get("containerPort") for port in container.document.get("ports", ())}
    for probe, path in _PATHS.items():
        if container.find(probe) is None:
            yield container.fault(probe, "there is none", f"ask {path} on the port admin")
        elif container.find(f"{probe}.httpGet") is None:
            yield container.fault(probe, "the image has no shell or tool to run", f"ask {path} by httpGet")
        else:
            if container.find(f"{probe}.httpGet.path") != path:
                asked = container.find(f"{probe}.httpGet.path")
                yield container.fault(f"{probe}.httpGet.path", f"{asked} means something else", f"ask {path}")
            if container.find(f"{probe}.httpGet.port") != "admin":
                reason = "a crowded API would be taken for a dead one"
                yield container.fault(f"{probe}.httpGet.port", reason, "ask the port admin")
    if ports.get("admin") != 9000 or ("http" in ports and ports["http"] != 8000):
        yield container.fault("ports", f"the processes listen on 8000 and 9000, not on {ports}", "say those")
    if _patience(container, "startupProbe") < _START_S:
        reason = f"a start may take {_START_S} s, and it allows {_patience(container, 'startupProbe')}"
        yield container.fault("startupProbe", reason, "raise periodSeconds or failureThreshold")
    if _patience(container, "livenessProbe") < _LIVENESS_S:
        reason = f"a pause of {_patience(container, 'livenessProbe')} s would be death"
        yield container.fault("livenessProbe", reason, f"allow {_LIVENESS_S} s")


def _check_grace(container: Container, config_maps: ConfigMaps) -> Iterator[Fault]:
    pod = container.pod
    grace = pod.spec.get("terminationGracePeriodSeconds", 30)
    before = container.find("lifecycle.preStop.sleep.seconds") or 0
    if set(container.find("lifecycle.preStop") or ()) - {"sleep"}:
        reason = "the image has nothing to run, and nobody knows how much of the time to stop it takes"
        yield container.fault("lifecycle.preStop", reason, "use sleep")
    drain = _drain_seconds(container, config_maps)
    if grace < before + drain + _SPARE_S:
        reason = f"{before} s before SIGTERM, {drain:g} s of drain and {_SPARE_S} to spare are more than {grace}"
        yield pod.fault("terminationGracePeriodSeconds", reason, f"raise it to {before + drain + _SPARE_S:g}")
    if pod.component == "api" and before < 5:
        reason = "requests still come for some seconds after SIGTERM, until every endpoint list is renewed"
        yield container.fault("lifecycle.preStop", reason, "sleep 10 s")


def _drain_seconds(container: Container, config_maps: ConfigMaps) -> float:
    """The drain that the container's variables ask for, else the default; a malformed one is `variables`' to refuse."""
    asked = environment_of(container, config_maps).get("FRONTLINE_LIFE_DRAIN_TIMEOUT")
    try:
        life = LifeSettings.model_validate({"drain_timeout": asked} if asked else {})
    except ValidationError:
        life = LifeSettings()
    return life.drain_timeout.total_seconds()


def _patience(container: Container, probe: str) -> int:
    return (container.find(f"{probe}.periodSeconds") or 10) * (container.find(f"{probe}.failureThreshold") or 3)
