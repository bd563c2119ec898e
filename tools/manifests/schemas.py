"""That a cluster would understand every object: the schemas of the oldest and the newest Kubernetes that we promise."""

import functools
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
from kubernetes_validate import utils

from tools.manifests.objects import Fault, Installation, Manifest

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
                yield from _check(manifest, version)


def _check(manifest: Manifest, version: str) -> Iterator[Fault]:
    try:
        kubernetes_validate.validate(dict(manifest.document), version, strict=True)
    except kubernetes_validate.ValidationError as wrong:
        steps: list[Any] = list(wrong.absolute_path)
        field = ".".join(str(step) for step in steps) or "(the object)"
        yield manifest.fault(field, f"Kubernetes {version}: {wrong.message}", "write it as the API reference says")
    except kubernetes_validate.SchemaNotFoundError:
        reason = f"Kubernetes {version} knows no {manifest.kind} of {manifest.document['apiVersion']}"
        yield manifest.fault("apiVersion", reason, "use a version that every Kubernetes we promise serves")
