"""The values that the checks look at: rendered objects, the pods in them, and what is wrong with one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
"""A YAML mapping, as it came."""

NAME = "app.kubernetes.io/name"
COMPONENT = "app.kubernetes.io/component"
_POD_PATHS = {"Deployment": "spec.template", "Job": "spec.template"}
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One rendered object. `file` is where it is written, from the root of the manifests."""

    file: str
    document: Document

    @property
    def kind(self) -> str:
        """ "Deployment", for instance."""
        return str(self.document["kind"])

    @property
    def name(self) -> str:
        """Its name, with whatever an overlay added."""
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace; empty where an overlay names none."""
        return str(self.document["metadata"].get("namespace", ""))

    @property
    def labels(self) -> Mapping[str, str]:
        """Its own labels, not those of its pods."""
        return self.document["metadata"].get("labels", {})

    def find(self, path: str) -> Any:
        """What stands at "spec.ports[0].name"; None where nothing does."""
        return find(self.document, path)

    def fault(self, field: str, reason: str, fix: str) -> "Fault":
        """Something wrong with this object."""
        return Fault(file=self.file, object=f"{self.kind}/{self.name}", field=field, reason=reason, fix=fix)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong, where, why that matters, and what to do."""

    file: str
    object: str
    field: str
    reason: str
    fix: str

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.file}: {self.object} {self.field}: {self.reason}; {self.fix}"


@dataclass(frozen=True, kw_only=True)
class Pod:
    """The pods of a Deployment or a Job."""

    owner: Manifest
    path: str
    labels: Mapping[str, str]
    spec: Document

    @property
    def service(self) -> str:
        """Whose pods: "intake"."""
        return self.labels.get(NAME, "")

    @property
    def component(self) -> str:
        """ "api", "worker" or "migrate"."""
        return self.labels.get(COMPONENT, "")

    def containers(self) -> Iterator["Container"]:
        """All of them, those that run before the others too."""
        for group in ("initContainers", "containers"):
            for number, document in enumerate(self.spec.get(group, ())):
                yield Container(pod=self, path=f"{self.path}.spec.{group}[{number}]", document=document)

    def fault(self, field: str, reason: str, fix: str) -> Fault:
        """Something wrong with the pods; `field` from their spec on."""
        return self.owner.fault(f"{self.path}.spec.{field}", reason, fix)


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of a pod."""

    pod: Pod
    path: str
    document: Document

    def find(self, path: str) -> Any:
        """See `Manifest.find`."""
        return find(self.document, path)

    def fault(self, field: str, reason: str, fix: str) -> Fault:
        """Something wrong with the container; `field` from it on."""
        return self.pod.owner.fault(f"{self.path}.{field}", reason, fix)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Everything that an overlay renders: what keeps running, what migrates, and the topics.

    Attributes:
        usual_topics: the topics as they are where an overlay does not change them; no part of `everything`.
    """

    running: Sequence[Manifest]
    migrations: Sequence[Manifest]
    topics: Sequence[Manifest]
    usual_topics: Sequence[Manifest]

    @property
    def everything(self) -> Sequence[Manifest]:
        """All objects."""
        return (*self.running, *self.migrations, *self.topics)

    def of(self, *kinds: str) -> Iterator[Manifest]:
        """All objects of these kinds."""
        return (manifest for manifest in self.everything if manifest.kind in kinds)

    def pods(self) -> Iterator[Pod]:
        """The pods of every Deployment and Job."""
        return (pod for manifest in self.everything for pod in pods_of(manifest))


def pods_of(manifest: Manifest) -> Iterator[Pod]:
    """The one kind of pod that an object makes, or nothing."""
    path = _POD_PATHS.get(manifest.kind)
    if path:
        template: Document = manifest.find(path) or {}
        yield Pod(
            owner=manifest,
            path=path,
            labels=template.get("metadata", {}).get("labels", {}),
            spec=template.get("spec", {}),
        )


def find(document: Any, path: str) -> Any:
    """What stands at a path such as "spec.ports[0].name" below a document; None where nothing does."""
    for key, index in _STEP.findall(path):
        try:
            document = document[int(index) if index else key]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def selects(selector: Document | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions) takes these labels; an empty one takes all."""
    wanted: Mapping[str, str] = (selector or {}).get("matchLabels") or {}
    expressions: Sequence[Document] = (selector or {}).get("matchExpressions") or ()
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _expression_holds(expression, labels) for expression in expressions
    )


def _expression_holds(expression: Document, labels: Mapping[str, str]) -> bool:
    present, value = expression["key"] in labels, labels.get(expression["key"])
    values: Sequence[str] = expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return present and value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return present
        case "DoesNotExist":
            return not present
        case operator:
            raise ValueError(f"there is no operator {operator} in a label selector")
