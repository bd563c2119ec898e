"""That whatever an object names is there: ConfigMaps, Secrets and their keys, service accounts, ports, volumes."""

from collections.abc import Iterator, Mapping

from contracts.topics import TOPICS
from devstack.plans import CALLERS
from tools.manifests.objects import Container, Fault, Installation, Manifest, Pod, selects

SECRETS: Mapping[str, tuple[str, ...]] = {
    "frontline-clients": ("clients.json",),
    **{f"{service}-database": ("url",) for service in TOPICS},
    **{f"{service}-database-owner": ("url",) for service in TOPICS},
    **{f"{service}-peers": ("key",) for service in CALLERS},
    "escalation-notices": ("smtp-password", "webhook-secret"),
    "intake-webhooks": ("key",),
    **{f"frontline-{service}": ("password",) for service in TOPICS},
    "frontline-cluster-ca-cert": ("ca.crt",),
    "frontline-postgresql-ca": ("ca.crt",),
}
"""The Secrets that must exist beforehand, and their keys; deploy/README.md says which for what."""


def check(installation: Installation) -> Iterator[Fault]:
    """Every name that one object gives for another."""
    for part in (installation.running, installation.migrations):
        alone = Installation(running=part, migrations=(), topics=(), usual_topics=())
        config_maps = {one.name for one in alone.of("ConfigMap")}
        accounts = {one.name for one in alone.of("ServiceAccount")}
        for pod in alone.pods():
            yield from _check_pod(pod, config_maps, accounts)
    pods = list(installation.pods())
    for service in installation.of("Service"):
        yield from _check_service(service, pods)


def _check_pod(pod: Pod, config_maps: set[str], accounts: set[str]) -> Iterator[Fault]:
    account = pod.spec.get("serviceAccountName")
    # A migration comes before the accounts and talks to nobody who would ask for one.
    if account != pod.service and (account is not None or pod.owner.kind == "Deployment"):
        reason = f"it is {account or 'that of all pods without one'}, and what is granted to {pod.service} is not"
        yield pod.fault("serviceAccountName", reason, f"say {pod.service}")
    if account is not None and account not in accounts:
        yield pod.fault("serviceAccountName", f"there is no ServiceAccount {account}", "name one that base defines")
    for number, volume in enumerate(pod.spec.get("volumes", ())):
        secret = volume.get("secret", {}).get("secretName")
        if secret is not None:
            yield from _check_secret(pod, f"volumes[{number}].secret.secretName", secret)
        named = volume.get("configMap", {}).get("name")
        if named is not None and named not in config_maps:
            yield pod.fault(f"volumes[{number}].configMap.name", f"there is no ConfigMap {named}", "generate it")
    volumes = {volume["name"] for volume in pod.spec.get("volumes", ())}
    mounted: set[str] = set()
    for container in pod.containers():
        yield from _check_container(container, config_maps, volumes)
        mounted |= {mount["name"] for mount in container.document.get("volumeMounts", ())}
    for unused in sorted(volumes - mounted):
        yield pod.fault("volumes", f"no container mounts {unused}", "mount it, or take it out")


def _check_secret(pod: Pod, field: str, secret: str) -> Iterator[Fault]:
    """A Secret must be there, and nobody's but the pod's own: a runtime role owns nothing, a key names its caller."""
    role = "owner" if pod.owner.kind == "Job" else "runtime"
    database = f"{pod.service}-database{'-owner' if role == 'owner' else ''}"
    if secret not in SECRETS:
        yield pod.fault(field, f"no Secret {secret} is promised", f"use one of {', '.join(SECRETS)}")
    elif "-database" in secret and secret != database:
        yield pod.fault(field, f"{secret} is not for the {role} role of {pod.service}", f"mount {database}")
    elif _owner_of(secret) not in (None, pod.service):
        yield pod.fault(field, f"{secret} is of another service than {pod.service}", "mount the service's own")


def _owner_of(secret: str) -> str | None:
    """The one service that a Secret is for; None where it is for several."""
    owned = (name for name in TOPICS if secret == f"frontline-{name}" or secret.startswith(f"{name}-"))
    return next(owned, None)


def _check_container(container: Container, config_maps: set[str], volumes: set[str]) -> Iterator[Fault]:
    for number, source in enumerate(container.document.get("envFrom", ())):
        named = source.get("configMapRef", {}).get("name")
        if named is None:
            reason = "a whole Secret as variables shows it to whoever lists them"
            yield container.fault(f"envFrom[{number}]", reason, "mount it and name its file by the _FILE variable")
        elif named not in config_maps:
            field = f"envFrom[{number}].configMapRef.name"
            yield container.fault(field, f"there is no ConfigMap {named}", "generate it in components/settings")
    for number, variable in enumerate(container.document.get("env", ())):
        if "secretKeyRef" in variable.get("valueFrom", {}):
            reason = "a Secret as a variable shows it to whoever lists them"
            yield container.fault(f"env[{number}]", reason, "mount it and name its file by the _FILE variable")
    for number, mount in enumerate(container.document.get("volumeMounts", ())):
        if mount["name"] not in volumes:
            field = f"volumeMounts[{number}].name"
            yield container.fault(field, f"the pod has no volume {mount['name']}", "add it to the pod's volumes")
    ports = {port.get("name") for port in container.document.get("ports", ())}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        port = container.find(f"{probe}.httpGet.port")
        if port is not None and port not in ports:
            yield container.fault(f"{probe}.httpGet.port", f"the container has no port {port}", "name one of its ports")


def _check_service(service: Manifest, pods: list[Pod]) -> Iterator[Fault]:
    behind = [pod for pod in pods if selects({"matchLabels": service.find("spec.selector")}, pod.labels)]
    offered = {port.get("name") for pod in behind for one in pod.containers() for port in one.document.get("ports", ())}
    for number, port in enumerate(service.find("spec.ports") or ()):
        if port.get("targetPort") not in offered:
            field = f"spec.ports[{number}].targetPort"
            reason = f"no pod behind it has a port {port.get('targetPort')}"
            yield service.fault(field, reason, "name the port as the container does")
