"""`python -m tools.manifests [--root FOLDER] [--json]`: everything that is wrong with the manifests, a line each."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tools.manifests import (
    availability,
    brokers,
    completeness,
    flows,
    peers,
    probes,
    references,
    releases,
    schemas,
    security,
    selectors,
    topics,
    variables,
)
from tools.manifests.objects import Fault, Installation
from tools.manifests.render import ROOT, NotRendered, render_installation

CHECKS: dict[str, Callable[[Installation], Iterator[Fault]]] = {
    "completeness": completeness.check,
    "schemas": schemas.check,
    "references": references.check,
    "peers": peers.check,
    "selectors": selectors.check,
    "security": security.check,
    "probes": probes.check,
    "variables": variables.check,
    "topics": topics.check,
    "brokers": brokers.check,
    "flows": flows.check,
    "availability": availability.check,
    "releases": releases.check,
}


def find_faults(root: Path) -> list[Fault]:
    """Every fault of every overlay under `root`.

    Raises:
        NotRendered: an overlay does not even render.
    """
    overlays = sorted(path.name for path in (root / "overlays").iterdir())
    found = (fault for overlay in overlays for fault in check(render_installation(root, overlay)))
    return list(dict.fromkeys(found))


def check(installation: Installation) -> Iterator[Fault]:
    """Every fault of one rendered installation; where objects are missing, the other checks would only say it again."""
    missing = list(completeness.check(installation))
    yield from missing
    if not missing:
        for name, one in CHECKS.items():
            if name != "completeness":
                yield from one(installation)


def main(arguments: Sequence[str]) -> int:
    """Returns 0, or 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.manifests", description="Check deploy/k8s.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder that holds base and overlays")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    asked = parser.parse_args(arguments)
    try:
        faults = find_faults(asked.root.resolve())
    except NotRendered as refused:
        print(refused)
        return 1
    for fault in faults:
        print(json.dumps(asdict(fault)) if asked.json else fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
