"""Rendering an overlay by `kubectl kustomize`, so that the checks see what a cluster would be given."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from tools.manifests.objects import Installation, Manifest

ROOT = Path(__file__).resolve().parent.parent.parent / "deploy" / "k8s"
_ORIGIN = "config.kubernetes.io/origin"


class NotRendered(Exception):
    """An overlay does not render; the message is kustomize's own."""


def render_installation(root: Path, overlay: str) -> Installation:
    """Everything of an overlay, its namespace too, which is applied by itself.

    Args:
        root: the folder of the manifests.
        overlay: its name, "local".
    Raises:
        NotRendered: see there.
    """
    folder = root / "overlays" / overlay
    parts = (folder, folder / "migrations", folder / "topics", root / "topics")
    with ThreadPoolExecutor(len(parts)) as pool:
        running, migrations, topics, usual_topics = pool.map(render, [root] * len(parts), parts)
    namespace = [
        Manifest(file=f"deploy/k8s/{path.relative_to(root).as_posix()}", document=yaml.safe_load(path.read_text()))
        for path in folder.glob("namespace.yaml")
    ]
    return Installation(running=[*namespace, *running], migrations=migrations, topics=topics, usual_topics=usual_topics)


def render(root: Path, folder: Path) -> Sequence[Manifest]:
    """The objects of one kustomization, each with the file it comes from.

    Raises:
        NotRendered: kustomize refused, or warned.
    """
    # A kustomization around it asks where each object comes from; the overlay itself does not say so to the cluster.
    with tempfile.TemporaryDirectory(prefix="frontline-manifests-") as scratch:
        around = {"resources": [os.path.relpath(folder, scratch)], "buildMetadata": ["originAnnotations"]}
        (Path(scratch) / "kustomization.yaml").write_text(yaml.safe_dump(around))
        kubectl = Path(sys.executable).with_name("kubectl")
        ended = subprocess.run([kubectl, "kustomize", scratch], capture_output=True, text=True, check=False)
    if ended.returncode or ended.stderr:
        raise NotRendered(f"deploy/k8s/{folder.relative_to(root)}: {ended.stderr.strip()}")
    documents: list[Any] = [found for found in yaml.load_all(ended.stdout, Loader=yaml.CSafeLoader) if found]
    return [_manifest(document, root, folder, Path(scratch)) for document in documents]


def _manifest(document: Any, root: Path, folder: Path, scratch: Path) -> Manifest:
    annotations = document["metadata"].get("annotations", {})
    origin: dict[str, str] = yaml.safe_load(annotations.pop(_ORIGIN, "")) or {}
    if not annotations:
        document["metadata"].pop("annotations", None)
    # An object of a generator names the generator's file instead of its own.
    written = origin.get("path") or origin.get("configuredIn")
    path = Path(os.path.normpath(scratch / written)) if written else folder / "kustomization.yaml"
    return Manifest(file=f"deploy/k8s/{path.relative_to(root).as_posix()}", document=document)
