"""That a cluster would understand every object: the schemas of the oldest and the newest Kubernetes that we promise."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
from kubernetes_validate import utils

from tools.manifests.objects import Fault, Installation

OLDEST, NEWEST = "1.32", "1.37"
_OWN_SCHEMAS = frozenset({"KafkaTopic"})
"""Kinds of operators, which Kubernetes itself has no schema for; `topics` looks at them."""

# The library reads a megabyte of definitions from the disk for each object; once is enough.
utils.schema_contents = functools.cache(utils.schema_contents)


def check(installation: Installation) -> Iterator[Fault]:
    """Strictly: a field that the schema does not know is a fault."""
    for manifest in installation.everything:
        if manifest.kind not in _OWN_SCHEMAS:
            for version in (OLDEST, NEWEST):
                wrong = _find_breach(json.dumps(manifest.document), version)
                if wrong is not None:
                    yield manifest.fault(*wrong)


@functools.cache
def _find_breach(text: str, version: str) -> tuple[str, str, str] | None:
    """Field, reason and fix of the first breach in an object, given as JSON; the same object is looked at once."""
    document: dict[str, Any] = json.loads(text)
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as wrong:
        steps: list[Any] = list(wrong.absolute_path)
        field = ".".join(str(step) for step in steps) or "(the object)"
        return field, f"Kubernetes {version}: {wrong.message}", "write it as the API reference says"
    except kubernetes_validate.SchemaNotFoundError:
        reason = f"Kubernetes {version} knows no {document['kind']} of {document['apiVersion']}"
        return "apiVersion", reason, "use a version that every Kubernetes we promise serves"
    return None
