"""Where Kafka's brokers listen, as processes are told."""

from collections.abc import Mapping


def ports_of_brokers(environment: Mapping[str, str]) -> set[int]:
    """The ports in FRONTLINE_KAFKA_BOOTSTRAP; what is malformed there, `variables` refuses."""
    brokers = environment.get("FRONTLINE_KAFKA_BOOTSTRAP", "").split(",")
    ports = [broker.rpartition(":")[2] for broker in brokers]
    return {int(port) for port in ports if port.isdecimal()}
