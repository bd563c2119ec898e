"""That every pod keeps within the restricted Pod Security profile, and within what our image needs of it."""

from collections.abc import Iterator
from typing import Any

from tools.manifests.objects import Container, Fault, Installation, Pod, find

_WANTED_OF_PODS = {
    "automountServiceAccountToken": (False, "no service talks to the Kubernetes API"),
    "enableServiceLinks": (False, "service links inject variables that our settings would refuse"),
    "securityContext.runAsNonRoot": (True, "the services need no root"),
    "securityContext.seccompProfile.type": ("RuntimeDefault", "the restricted profile asks for it"),
}
_WANTED_OF_CONTAINERS = {
    "securityContext.allowPrivilegeEscalation": (False, "the restricted profile asks for it"),
    "securityContext.readOnlyRootFilesystem": (True, "the services write nothing but to /tmp"),
    "securityContext.capabilities.drop": (["ALL"], "the services need none"),
}
_SAID_FOR_ALL = frozenset({"runAsNonRoot", "runAsUser", "runAsGroup", "seccompProfile"})
"""What a pod's security context says, for all of its containers: one that says it again says otherwise."""
_SAID_BY_CONTAINERS = frozenset({"allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities", "privileged"})
_OTHER_PODS = ("Pod", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "CronJob")
_NEVER_OF_PODS = ("hostNetwork", "hostPID", "hostIPC", "hostUsers")
_VOLUMES = frozenset({"emptyDir", "secret", "configMap"})


def check(installation: Installation) -> Iterator[Fault]:
    """Every pod and every container in it, those of migrations too."""
    for pod in installation.pods():
        yield from _check_pod(pod)
        for container in pod.containers():
            yield from _check_container(container)
    yield from _check_namespace(installation)
    for account in installation.of("ServiceAccount"):
        if account.find("automountServiceAccountToken") is not False:
            yield account.fault("automountServiceAccountToken", "a token would be mounted", "set it to false")
    for other in installation.of(*_OTHER_PODS):
        yield other.fault(
            "kind", f"nothing here looks into the pods of a {other.kind}", "make it a Deployment or a Job"
        )
    for granted in installation.of("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        yield granted.fault("(the object)", "no service talks to the Kubernetes API", "take it out")


def _check_namespace(installation: Installation) -> Iterator[Fault]:
    namespaces = {namespace.name: namespace for namespace in installation.of("Namespace")}
    for part in (installation.running, installation.migrations):
        for manifest in part:
            if manifest.kind != "Namespace" and manifest.namespace not in namespaces:
                reason = f"no namespace.yaml beside the overlay makes {manifest.namespace or 'its namespace'}"
                yield manifest.fault("metadata.namespace", reason, "name the same in both")
    for namespace in namespaces.values():
        if namespace.labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            reason = "the cluster would let in pods of any kind"
            yield namespace.fault("metadata.labels", reason, "set pod-security.kubernetes.io/enforce: restricted")


def _check_pod(pod: Pod) -> Iterator[Fault]:
    for field, (wanted, reason) in _WANTED_OF_PODS.items():
        if _at(pod, field) != wanted:
            yield pod.fault(
                field, f"it is {_at(pod, field)}, but {reason}", f"set it to {wanted} in components/restricted"
            )
    for field in ("runAsUser", "runAsGroup"):
        if not (_at(pod, f"securityContext.{field}") or 0) >= 10_000:
            reason = "a low number may be somebody on the node"
            yield pod.fault(f"securityContext.{field}", reason, "set it to 10001 in components/restricted")
    for field in sorted(set(_at(pod, "securityContext") or ()) - _SAID_FOR_ALL):
        yield pod.fault(f"securityContext.{field}", "the image needs nothing of the kind", "take it out")
    for field in _NEVER_OF_PODS:
        if pod.spec.get(field):
            yield pod.fault(field, "the pod would share it with its node", "take it out")
    for number, volume in enumerate(pod.spec.get("volumes", ())):
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            reason = f"a volume of the kind {', '.join(sorted(kinds))} is more than the services need"
            yield pod.fault(f"volumes[{number}]", reason, f"use {', '.join(sorted(_VOLUMES))}")
        if "emptyDir" in kinds and not find(volume, "emptyDir.sizeLimit"):
            yield pod.fault(f"volumes[{number}].emptyDir.sizeLimit", "it could fill the node", "give it a size")


def _check_container(container: Container) -> Iterator[Fault]:
    for field, (wanted, reason) in _WANTED_OF_CONTAINERS.items():
        if container.find(field) != wanted:
            fix = f"set it to {wanted} in components/restricted"
            yield container.fault(field, f"it is {container.find(field)}, but {reason}", fix)
    for field in ("securityContext.privileged", "securityContext.capabilities.add"):
        if container.find(field):
            yield container.fault(field, "the services need no privilege", "take it out")
    for field in sorted(set(container.find("securityContext") or ()) - _SAID_BY_CONTAINERS):
        reason = "it goes before what the pod says, or asks for more than the image needs"
        yield container.fault(f"securityContext.{field}", reason, "take it out")
    if container.find("command"):
        yield container.fault("command", "the image's entrypoint is left out", "say it in args")
    paths = {mount["mountPath"] for mount in container.document.get("volumeMounts", ())}
    if "/tmp" not in paths:  # noqa: S108 - a path in the container
        yield container.fault("volumeMounts", "nothing can be written at all", "mount the volume tmp at /tmp")
    for number, port in enumerate(container.document.get("ports", ())):
        if port.get("hostPort"):
            yield container.fault(f"ports[{number}].hostPort", "the port would be the node's", "take it out")


def _at(pod: Pod, field: str) -> Any:
    return pod.owner.find(f"{pod.path}.spec.{field}")
