"""That workers speak to Kafka's brokers in the way in which these listen, each service under a name of its own."""

from collections.abc import Iterator, Mapping

from tools.manifests.objects import Container, Fault, Installation
from tools.manifests.variables import config_maps_of, environment_of

_PLAIN, _TLS = 9092, 9093
"""Strimzi's internal listeners."""
_BOOTSTRAP = "FRONTLINE_KAFKA_BOOTSTRAP"
_PROTOCOL = "FRONTLINE_KAFKA_SECURITY_PROTOCOL"
_USER = "FRONTLINE_KAFKA_SASL_USERNAME"
_SIGN_IN = "FRONTLINE_KAFKA_SASL_PASSWORD_FILE"


def check(installation: Installation) -> Iterator[Fault]:
    """The listener's port against the protocol; and who signs in."""
    config_maps = config_maps_of(installation)
    users: dict[str, str] = {}
    for pod in installation.pods():
        for container in pod.containers():
            environment = environment_of(container, config_maps)
            if pod.component == "worker":
                yield from _check_listener(container, environment)
                user = environment.get(_USER, "")
                if user and users.setdefault(user, pod.service) != pod.service:
                    reason = f"{users[user]} signs in as {user} too, and each would have the other's rights"
                    yield container.fault(f"env {_USER}", reason, f"make a user for {pod.service} alone")
            elif _SIGN_IN in environment:
                yield container.fault(f"env {_SIGN_IN}", "only workers talk to Kafka", "give it to workers alone")


def ports_of_brokers(environment: Mapping[str, str]) -> set[int]:
    """The ports in FRONTLINE_KAFKA_BOOTSTRAP; what is malformed there, `variables` refuses."""
    ports = [broker.rpartition(":")[2] for broker in environment.get(_BOOTSTRAP, "").split(",")]
    return {int(port) for port in ports if port.isdecimal()}


def _check_listener(container: Container, environment: Mapping[str, str]) -> Iterator[Fault]:
    protocol = environment.get(_PROTOCOL, "PLAINTEXT")
    other, words = (_PLAIN, "plain text") if protocol.endswith("SSL") else (_TLS, "TLS")
    if other in ports_of_brokers(environment):
        reason = f"the listener at {other} speaks {words}, and {_PROTOCOL} is {protocol}"
        fix = f"say {_TLS if other == _PLAIN else _PLAIN}, or another protocol"
        yield container.fault(f"env {_BOOTSTRAP}", reason, fix)
