"""Running a pod of the manifests as a container: its command, environment, user, rights and mounts, as rendered.

What a cluster adds is done here: files of Secrets, names of Services, published ports. Nothing that a manifest says is
left out, except for requests of CPU, the priority among pods and the spread over nodes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from tools.manifests.objects import Container, Manifest, Pod

_SIZES = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a cluster would provide.

    Attributes:
        config_maps: name to variables.
        secrets: a folder with a folder for each Secret, a file for each of its keys.
        overridden: variables that an overlay for these containers would set otherwise.
    """

    network: Network
    config_maps: Mapping[str, Mapping[str, str]]
    secrets: Path
    overridden: Mapping[str, str] = field(default_factory=dict[str, str])


def config_maps(manifests: Sequence[Manifest]) -> dict[str, dict[str, str]]:
    """Every ConfigMap's variables by its name."""
    return {one.name: dict(one.document["data"]) for one in manifests if one.kind == "ConfigMap"}


def contain(pod: Pod, around: Surroundings, *, aliases: Sequence[str], ports: Mapping[str, int]) -> DockerContainer:
    """A container, not started yet, that is what the manifest says.

    Args:
        aliases: names under which the others reach it.
        ports: the pod's named ports ("http", "admin") to ports of this machine.
    """
    (container,) = pod.containers()
    name = f"{pod.service}-{pod.component}"
    made = DockerContainer(container.document["image"], command=container.document["args"])
    made.with_name(f"frontline-tests-{around.network.name[:8]}-{name}")
    made.with_network(around.network).with_network_aliases(name, *aliases)
    variables = environment(container, around.config_maps)
    made.with_envs(**variables | {name: text for name, text in around.overridden.items() if name in variables})
    _mount(made, container, around.secrets)
    for port in container.document.get("ports", ()):
        made.ports[f"{port['containerPort']}/tcp"] = (_LOOPBACK, ports[port["name"]])
    return made.with_kwargs(**security(container), mem_limit=_bytes(container.find("resources.limits.memory")))


def environment(container: Container, config_maps: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The variables: of ConfigMaps in their order, then its own."""
    variables: dict[str, str] = {}
    for source in container.document.get("envFrom", ()):
        variables |= config_maps[source["configMapRef"]["name"]]
    return variables | {entry["name"]: entry["value"] for entry in container.document.get("env", ())}


def security(container: Container) -> dict[str, Any]:
    """The security context in the engine's words.

    Raises:
        KeyError: the manifest leaves open what must be said.
    """
    of_pod = container.pod.spec["securityContext"]
    own = container.document["securityContext"]
    options = [] if own["allowPrivilegeEscalation"] else ["no-new-privileges"]
    if of_pod["seccompProfile"]["type"] != "RuntimeDefault":
        options.append("seccomp=unconfined")
    return {
        "user": f"{of_pod['runAsUser']}:{of_pod['runAsGroup']}",
        "read_only": own["readOnlyRootFilesystem"],
        "cap_drop": own["capabilities"]["drop"],
        "security_opt": options,
    }


def _mount(made: DockerContainer, container: Container, secrets: Path) -> None:
    volumes = {volume["name"]: volume for volume in container.pod.spec.get("volumes", ())}
    for mount in container.document.get("volumeMounts", ()):
        volume = volumes[mount["name"]]
        if "emptyDir" in volume:
            made.with_tmpfs_mount(mount["mountPath"], f"size={_bytes(volume['emptyDir']['sizeLimit'])}")
        else:
            made.with_volume_mapping(secrets / volume["secret"]["secretName"], mount["mountPath"], "ro")


def _bytes(quantity: str) -> int:
    found = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", quantity)
    assert found, f"{quantity} is no quantity of memory that these tests know"
    return int(found[1]) * _SIZES[found[2]]
