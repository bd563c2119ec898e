"""That every service has all of its objects."""

from collections.abc import Iterator

from contracts.topics import TOPICS
from tools.manifests.objects import COMPONENT, NAME, Fault, Installation

_OF_EACH_SERVICE = (
    ("Deployment", "api"),
    ("Deployment", "worker"),
    ("PodDisruptionBudget", "api"),
    ("PodDisruptionBudget", "worker"),
    ("Service", "api"),
    ("Job", "migrate"),
    ("ServiceAccount", ""),
)


def check(installation: Installation) -> Iterator[Fault]:
    """Every object that a service must have, and no object twice."""
    found = [(one.kind, one.labels.get(NAME, ""), one.labels.get(COMPONENT, "")) for one in installation.everything]
    for service in TOPICS:
        for kind, component in _OF_EACH_SERVICE:
            if found.count((kind, service, component)) != 1:
                yield Fault(
                    file=f"deploy/k8s/{'migrations' if kind == 'Job' else f'base/{service}'}/kustomization.yaml",
                    object=f"{kind}/{service}{f'-{component}' if component else ''}",
                    field="resources",
                    reason=f"there are {found.count((kind, service, component))} of it, not one",
                    fix="list the file that holds it, once",
                )
