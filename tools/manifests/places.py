"""Who else there is on the network: servers, guests of the cluster, and addresses outside of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_network

from tools.manifests.network import Place
from tools.manifests.objects import Manifest

_FOREIGN = {"kubernetes.io/metadata.name": "elsewhere"}
DNS = Place(
    name="DNS",
    labels={"k8s-app": "kube-dns"},
    namespace_labels={"kubernetes.io/metadata.name": "kube-system"},
)
KAFKA = Place(
    name="Kafka",
    labels={"strimzi.io/kind": "Kafka", "strimzi.io/broker-role": "true"},
    namespace_labels=_FOREIGN,
)
POSTGRESQL = Place(name="PostgreSQL", labels={"cnpg.io/podRole": "instance"}, namespace_labels=_FOREIGN)
GATEWAY = Place(name="the gateway", namespace_labels={**_FOREIGN, "frontline-access": "gateway"})
PROMETHEUS = Place(name="Prometheus", namespace_labels={**_FOREIGN, "frontline-access": "monitoring"})
COLLECTOR = Place(name="the collector", namespace_labels={**_FOREIGN, "frontline-access": "telemetry"})
_STRANGER = Place(name="a pod of another namespace", namespace_labels=_FOREIGN)
_SYSTEM = Place(name="a system pod", namespace_labels={"kubernetes.io/metadata.name": "kube-system"})
OUTSIDERS = (_STRANGER, _SYSTEM, GATEWAY, PROMETHEUS, COLLECTOR, DNS, KAFKA, POSTGRESQL)
"""Pods of other namespaces."""

WORLD = Place(name="the world", address="203.0.113.10")
WORLD_IPV6 = Place(name="the world by IPv6", address="2001:db8::10")
METADATA = Place(name="the cloud's metadata", address="169.254.169.254")
_NEVER_CALLED = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"),
    *("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fc00::/7", "fe80::/10", "fec0::/10"),
    "ff00::/8",
)
"""Ranges that no webhook may reach, as escalation's own rule for addresses has it: private and shared ones, this
machine and this network, all who listen, and IPv4 within IPv6."""


def _two_of(text: str) -> Iterator[Place]:
    """Two addresses of a range, so that an exception for a part of it is seen; where hardly anybody's servers stand."""
    network = ip_network(text)
    for part in (1, 2):
        address = str(network[network.num_addresses // 3 * part])
        yield Place(name=f"{address} of {text}", address=address)


ADDRESSES = (WORLD, WORLD_IPV6, METADATA, *(place for text in _NEVER_CALLED for place in _two_of(text)))


def neighbour(namespace: str) -> Place:
    """A pod in the namespace of ours that is none of ours."""
    own_namespace = {"kubernetes.io/metadata.name": namespace}
    return Place(name=f"another pod of {namespace}", policed=True, namespace_labels=own_namespace)


def where(server: Place, policies: Sequence[Manifest], name: str) -> Place:
    """Where a server stands: at its usual place, or at the address that an overlay's policy of this name leads to."""
    for policy in policies:
        for rule in policy.find("spec.egress") or () if policy.name == name else ():
            for peer in rule.get("to") or ():
                if "ipBlock" in peer:
                    return replace(server, address=str(ip_network(peer["ipBlock"]["cidr"])[0]))
    return server
