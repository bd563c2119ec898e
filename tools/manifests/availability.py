"""That a release, a node's drain and a busy neighbour leave the service standing."""

from collections.abc import Iterator, Sequence

from tools.manifests.objects import Container, Document, Fault, Installation, Manifest, Pod, selects


def check(installation: Installation) -> Iterator[Fault]:
    """Budgets, rollouts, spread, and what each container asks of its node."""
    for budget in installation.of("PodDisruptionBudget"):
        if budget.find("spec.minAvailable") is not None or budget.find("spec.maxUnavailable") != 1:
            yield budget.fault("spec", "with one replica a drain of its node would hang", "say maxUnavailable: 1")
        if budget.find("spec.unhealthyPodEvictionPolicy") != "AlwaysAllow":
            reason = "a pod that never gets ready would hold up a drain"
            yield budget.fault("spec.unhealthyPodEvictionPolicy", reason, "say AlwaysAllow")
    for deployment in installation.of("Deployment"):
        yield from _check_rollout(deployment)
        if deployment.find("spec.replicas") == 0:
            yield deployment.fault("spec.replicas", "nobody would do its work", "say 1 or more, or leave it out")
    for pod in installation.pods():
        if pod.owner.kind == "Deployment":
            yield from _check_spread(pod)
        for container in pod.containers():
            yield from _check_resources(container)
    for job in installation.of("Job"):
        yield from _check_job(job)


def _check_spread(pod: Pod) -> Iterator[Fault]:
    constraints: Sequence[Document] = pod.spec.get("topologySpreadConstraints") or ()
    if not any(constraint.get("topologyKey") == "kubernetes.io/hostname" for constraint in constraints):
        yield pod.fault("topologySpreadConstraints", "all replicas may land on one node", "spread them by hostname")
    for number, constraint in enumerate(constraints):
        selector: Document | None = constraint.get("labelSelector")
        if not selector or not selects(selector, pod.labels):
            field = f"topologySpreadConstraints[{number}].labelSelector"
            yield pod.fault(field, "it counts other pods than its own, or none", "repeat the pod's own labels")


def _check_rollout(deployment: Manifest) -> Iterator[Fault]:
    rollout: Document = deployment.find("spec.strategy.rollingUpdate") or {}
    surge, gone = rollout.get("maxSurge"), rollout.get("maxUnavailable")
    if deployment.labels.get("app.kubernetes.io/component") == "api" and (gone != 0 or not surge):
        reason = "a rollout would answer with fewer processes"
        yield deployment.fault("spec.strategy.rollingUpdate", reason, "say maxSurge: 1, maxUnavailable: 0")
    if deployment.labels.get("app.kubernetes.io/component") == "worker" and surge != 0:
        reason = "each further member makes the consumer group deal out its partitions once more"
        yield deployment.fault("spec.strategy.rollingUpdate", reason, "say maxSurge: 0, maxUnavailable: 1")


def _check_resources(container: Container) -> Iterator[Fault]:
    requests: Document = container.find("resources.requests") or {}
    limits: Document = container.find("resources.limits") or {}
    if not requests.get("cpu"):
        yield container.fault("resources.requests.cpu", "the scheduler would take it for free", "say 100m")
    if limits.get("cpu"):
        yield container.fault("resources.limits.cpu", "its quota freezes the event loop", "take it out")
    if not limits.get("memory") or limits.get("memory") != requests.get("memory"):
        reason = "more than asked for is taken away when the node is full"
        yield container.fault("resources.limits.memory", reason, "say the same as requests.memory")


def _check_job(job: Manifest) -> Iterator[Fault]:
    if (job.find("spec.activeDeadlineSeconds") or 3600) < 3600:
        yield job.fault("spec.activeDeadlineSeconds", "a long migration would be cut off", "take it out")
    if job.find("spec.template.spec.restartPolicy") != "Never":
        yield job.fault("spec.template.spec.restartPolicy", "the log of a failed run would be gone", "say Never")
    if job.find("spec.ttlSecondsAfterFinished") is not None:
        reason = "it would vanish, and whoever compares the cluster with the manifests would make it again"
        yield job.fault("spec.ttlSecondsAfterFinished", reason, "take it out")
