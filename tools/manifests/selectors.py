"""That selectors take what they mean and nothing else."""

from collections.abc import Iterator, Sequence

from tools.manifests.objects import Document, Fault, Installation, Manifest, Pod, pods_of, selects

_CHANGING = frozenset({"app.kubernetes.io/version", "helm.sh/chart", "pod-template-hash"})


def check(installation: Installation) -> Iterator[Fault]:
    """Deployments take their own pods; Services and budgets take one Deployment's; policies take something."""
    pods = list(installation.pods())
    for manifest in installation.running:
        match manifest.kind:
            case "Deployment":
                yield from _check_one(manifest, "spec.selector", manifest.find("spec.selector"), pods)
                for pod in pods_of(manifest):
                    if not selects(manifest.find("spec.selector"), pod.labels):
                        reason = "the Deployment does not select its own pods"
                        yield manifest.fault("spec.selector", reason, "repeat the template's labels in it")
            case "Service":
                yield from _check_one(manifest, "spec.selector", {"matchLabels": manifest.find("spec.selector")}, pods)
            case "PodDisruptionBudget":
                yield from _check_one(manifest, "spec.selector", manifest.find("spec.selector"), pods)
            case "NetworkPolicy":
                selector = manifest.find("spec.podSelector")
                if selector and not any(selects(selector, pod.labels) for pod in pods):
                    yield manifest.fault("spec.podSelector", "it takes no pod", "use the labels that the pods have")
            case _:
                pass


def _check_one(manifest: Manifest, field: str, selector: Document | None, pods: Sequence[Pod]) -> Iterator[Fault]:
    taken = sorted(pod.owner.name for pod in pods if selects(selector, pod.labels))
    if len(taken) != 1:
        what = f"it takes the pods of {', '.join(taken)}" if taken else "it takes no pod"
        yield manifest.fault(field, what, "select by name and component, as the one Deployment's pods are labelled")
    for label in _CHANGING & set((selector or {}).get("matchLabels") or ()):
        reason = f"{label} changes with each release, and a selector cannot"
        yield manifest.fault(f"{field}.{label}", reason, "keep it out (labels: includeSelectors: false)")
