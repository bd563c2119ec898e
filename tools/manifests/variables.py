"""That the settings classes would accept what the manifests set: names, types, and secrets in their place."""

import base64
from collections.abc import Iterator, Mapping

import certifi

from common.settings import PREFIX, ServiceSettings, WrongSettings, load, variables
from tools.manifests.objects import Container, Fault, Installation
from tools.manifests.references import SECRETS
from tools.settings import SERVICES

ConfigMaps = Mapping[str, Mapping[str, str]]
"""Variables by the name of the ConfigMap that holds them."""
_EXAMPLES = {
    "url": "postgresql://somebody:password@postgresql:5432/database",
    "webhook-secret": f"whsec_{base64.b64encode(bytes(24)).decode()}",
}
"""By a Secret's key: content that a setting would accept; any text where nothing stands here."""


def check(installation: Installation) -> Iterator[Fault]:
    """The variables of every container of ours, as its process would load them."""
    config_maps = config_maps_of(installation)
    for pod in installation.pods():
        settings = SERVICES.get(pod.service)
        for container in pod.containers() if settings else ():
            yield from _check_container(container, settings or ServiceSettings, config_maps)
    yield from _check_for_secrets(installation)


def _check_container(container: Container, settings: type[ServiceSettings], config_maps: ConfigMaps) -> Iterator[Fault]:
    args = container.document.get("args") or ["", ""]
    if args[:2] != [container.pod.service, container.pod.component]:
        reason = f"{' '.join(args)} is not what the labels say"
        yield container.fault("args", reason, f"say [{container.pod.service}, {container.pod.component}]")
    environment = environment_of(container, config_maps)
    secret = {variable.name for variable in variables(settings) if variable.secret}
    for name in sorted(secret & environment.keys()):
        yield container.fault(f"env {name}", "a secret stands in a manifest", f"mount a Secret and set {name}_FILE")
    for name, value in sorted(environment.items()):
        plain = name.removesuffix("_FILE")
        if plain in secret or value.startswith("/"):
            key = _key_at(container, value)
            if key is None:
                reason = f"no Secret with such a key is mounted at {value}"
                yield container.fault(f"env {name}", reason, "mount the Secret there, under a key that it has")
            if plain in secret:
                environment[plain] = _EXAMPLES.get(key or "", "text")
                del environment[name]
            else:
                environment[name] = certifi.where()  # a file that is there, and full of certificates
    try:
        load(settings, environment)
    except WrongSettings as wrong:
        for problem in wrong.problems:
            variable, _, reason = problem.partition(" ")
            fix = "mend it in components/settings, or where an overlay overrides it"
            yield container.fault(f"env {variable.rstrip(':')}", reason, fix)


def config_maps_of(installation: Installation) -> ConfigMaps:
    """All of them."""
    return {one.name: one.find("data") or {} for one in installation.of("ConfigMap")}


def environment_of(container: Container, config_maps: ConfigMaps) -> dict[str, str]:
    """The variables of a container with our prefix: of its ConfigMaps, in their order, then its own."""
    found: dict[str, str] = {}
    for source in container.document.get("envFrom", ()):
        found |= config_maps.get(source.get("configMapRef", {}).get("name", ""), {})
    found |= {entry["name"]: str(entry.get("value", "")) for entry in container.document.get("env", ())}
    return {name: value for name, value in found.items() if name.startswith(PREFIX)}


def _key_at(container: Container, path: str) -> str | None:
    """The key of the promised Secret that is mounted as the file `path`; None where none is."""
    folder, _, key = path.rpartition("/")
    volumes = {volume["name"]: volume for volume in container.pod.spec.get("volumes", ())}
    for mount in container.document.get("volumeMounts", ()):
        secret = volumes.get(mount["name"], {}).get("secret", {}).get("secretName", "")
        if mount["mountPath"] == folder and key in SECRETS.get(secret, ()):
            return key
    return None


def _check_for_secrets(installation: Installation) -> Iterator[Fault]:
    secret = {variable.name for settings in SERVICES.values() for variable in variables(settings) if variable.secret}
    for config_map in installation.of("ConfigMap"):
        for name in sorted(secret & set(config_map.find("data") or {})):
            fix = f"mount a Secret and set {name}_FILE"
            yield config_map.fault(f"data.{name}", "anybody may read a ConfigMap, and this is a secret", fix)
    for made in installation.of("Secret"):
        yield made.fault("(the object)", "a Secret in a manifest is one that everybody has", "take it out")
