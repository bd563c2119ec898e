"""That the topics are the contract's: the same list, partitions and retention, and what keeps an acknowledged event."""

from collections.abc import Iterator, Sequence

from contracts.topics import TOPICS, Topic, topic_name
from tools.manifests.objects import Container, Document, Fault, Installation, Manifest
from tools.manifests.variables import config_maps_of, environment_of

_PREFIX = "FRONTLINE_KAFKA_TOPIC_PREFIX"
_USUAL_COPIES = 3
_KNOWN = frozenset({"topicName", "partitions", "replicas", "config"})


def check(installation: Installation) -> Iterator[Fault]:
    """Each topic of the contract once, under the name by which the processes ask for it, and nothing else."""
    prefix = _prefix(installation)
    wanted = {topic_name(service, prefix): topic for service, topic in TOPICS.items()}
    found = [one for one in installation.topics if one.kind == "KafkaTopic"]
    names = [topic_of(one) for one in found]
    for name, topic in wanted.items():
        if names.count(name) != 1:
            yield Fault(
                file="deploy/k8s/topics/kustomization.yaml",
                object=f"KafkaTopic/{name}",
                field="resources",
                reason=f"{topic.producer} publishes it, and there are {names.count(name)} of it, not one",
                fix=f"list the file that holds it, once; what {_PREFIX} says is the overlay's namePrefix for topics",
            )
    for manifest, name in zip(found, names, strict=True):
        if name not in wanted:
            yield manifest.fault("metadata.name", f"no service publishes {name}", "take it out")
        else:
            yield from _check_topic(manifest, wanted[name])
    for manifest in installation.usual_topics:
        yield from _check_copies(manifest)
        if (manifest.find("spec.replicas") or 1) < _USUAL_COPIES:
            reason = "one lost broker would lose events, or stop them; only an overlay of one broker has less"
            yield manifest.fault("spec.replicas", reason, f"say {_USUAL_COPIES}")
    yield from _check_settings(installation)


def topic_of(manifest: Manifest) -> str:
    """The name that a KafkaTopic has in Kafka: its own, unless it says another."""
    return str(manifest.find("spec.topicName") or manifest.name)


def _prefix(installation: Installation) -> str:
    """What the processes put in front of a topic's name; where they disagree, `_check_settings` says so."""
    return next((prefix for _, prefix in _prefixes(installation)), "")


def _prefixes(installation: Installation) -> Sequence[tuple[Container, str]]:
    config_maps = config_maps_of(installation)
    return [
        (container, environment_of(container, config_maps).get(_PREFIX, ""))
        for pod in installation.pods()
        if pod.component == "worker"
        for container in pod.containers()
    ]


def _check_topic(manifest: Manifest, topic: Topic) -> Iterator[Fault]:
    if manifest.document["apiVersion"] != "kafka.strimzi.io/v1":
        yield manifest.fault("apiVersion", "Strimzi 1.0 serves v1 alone", "say kafka.strimzi.io/v1")
    if not manifest.labels.get("strimzi.io/cluster"):
        yield manifest.fault("metadata.labels", "no topic operator would see it", "set strimzi.io/cluster")
    for field in sorted(set(manifest.find("spec") or ()) - _KNOWN):
        yield manifest.fault(f"spec.{field}", "a KafkaTopic has no such field", f"it has {', '.join(sorted(_KNOWN))}")
    if manifest.find("spec.partitions") != topic.partitions:
        reason = f"it has {manifest.find('spec.partitions')}, and the contract says {topic.partitions} for ever"
        yield manifest.fault("spec.partitions", reason, f"say {topic.partitions}")
    config: Document = manifest.find("spec.config") or {}
    retention_ms = int(topic.retention.total_seconds() * 1000)
    if int(config.get("retention.ms", 0)) < retention_ms:
        reason = f"consumers may be away for {topic.retention.days} days"
        yield manifest.fault("spec.config.retention.ms", reason, f"say {retention_ms} or more")
    if config.get("cleanup.policy", "delete") != "delete":
        yield manifest.fault("spec.config.cleanup.policy", "every event counts, not the last per key", "say delete")
    if int(config.get("retention.bytes", -1)) != -1:
        reason = "a busy day would shorten the time that consumers may be away"
        yield manifest.fault("spec.config.retention.bytes", reason, "take it out")
    yield from _check_copies(manifest)


def _check_copies(manifest: Manifest) -> Iterator[Fault]:
    config: Document = manifest.find("spec.config") or {}
    replicas, least = manifest.find("spec.replicas") or 1, int(config.get("min.insync.replicas", 1))
    if replicas > 1 and not 1 < least < replicas:
        reason = f"of {replicas} copies {least} must be in step: a lost broker would lose events, or stop them"
        yield manifest.fault("spec.config.min.insync.replicas", reason, f"say {max(2, replicas - 1)}")


def _check_settings(installation: Installation) -> Iterator[Fault]:
    """Whoever publishes and whoever consumes mean the same topics; and a relay refuses one of another size."""
    prefix = _prefix(installation)
    for container, own in _prefixes(installation):
        if own != prefix:
            reason = f"it is {own or 'empty'}, and the others' is {prefix or 'empty'}"
            yield container.fault(f"env {_PREFIX}", reason, "set it in frontline-settings, for all")
    sizes = {topic.partitions for topic in TOPICS.values()}
    for config_map in installation.of("ConfigMap"):
        told: Document = config_map.find("data") or {}
        if "FRONTLINE_KAFKA_PARTITIONS" in told and {told["FRONTLINE_KAFKA_PARTITIONS"]} != {str(n) for n in sizes}:
            reason = f"it is {told['FRONTLINE_KAFKA_PARTITIONS']}, and the topics have {max(sizes)}"
            yield config_map.fault("data.FRONTLINE_KAFKA_PARTITIONS", reason, f"say {max(sizes)}")
