"""That the topics are the contract's: the same list, partitions and retention, and what keeps an acknowledged event."""

from collections.abc import Iterator

from contracts.topics import TOPICS, Topic
from tools.manifests.objects import Document, Fault, Installation, Manifest

_KNOWN = frozenset({"topicName", "partitions", "replicas", "config"})


def check(installation: Installation) -> Iterator[Fault]:
    """Each topic of the contract once, and nothing else."""
    found = [one for one in installation.topics if one.kind == "KafkaTopic"]
    names = [one.find("spec.topicName") or one.name for one in found]
    for service, topic in TOPICS.items():
        if names.count(topic.name) != 1:
            yield Fault(
                file="deploy/k8s/topics/kustomization.yaml",
                object=f"KafkaTopic/{topic.name}",
                field="resources",
                reason=f"{service} publishes it, and there are {names.count(topic.name)} of it, not one",
                fix="list the file that holds it, once",
            )
    by_name = {topic.name: topic for topic in TOPICS.values()}
    for manifest, name in zip(found, names, strict=True):
        if name not in by_name:
            yield manifest.fault("spec.topicName", f"no service publishes {name}", "take it out")
        else:
            yield from _check_topic(manifest, by_name[name])
    yield from _check_settings(installation)


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
    replicas, least = manifest.find("spec.replicas") or 1, int(config.get("min.insync.replicas", 1))
    if replicas > 1 and not 1 < least < replicas:
        reason = f"of {replicas} copies {least} must be in step: a lost broker would lose events, or stop them"
        yield manifest.fault("spec.config.min.insync.replicas", reason, f"say {max(2, replicas - 1)}")


def _check_settings(installation: Installation) -> Iterator[Fault]:
    """The relay refuses to publish into a topic of another size than it is told."""
    sizes = {topic.partitions for topic in TOPICS.values()}
    for config_map in installation.of("ConfigMap"):
        told: Document = config_map.find("data") or {}
        if "FRONTLINE_KAFKA_PARTITIONS" in told and {told["FRONTLINE_KAFKA_PARTITIONS"]} != {str(n) for n in sizes}:
            reason = f"it is {told['FRONTLINE_KAFKA_PARTITIONS']}, and the topics have {max(sizes)}"
            yield config_map.fault("data.FRONTLINE_KAFKA_PARTITIONS", reason, f"say {max(sizes)}")
