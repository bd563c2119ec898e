"""`python -m contracts write | check | release`: the published documents, and the promises made with them.

write    the documents anew, from the code
check    that the committed documents are those of the code, and that no release of the major is broken
release  freeze the present contract as the release of its version, with golden events
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.asyncapi import asyncapi
from contracts.documents import closed_schema, open_schema
from contracts.registry import EVENT_TYPES
from contracts.releases import RELEASED, NotReleasable, list_faults, present, release, written

FOLDER = Path(__file__).resolve().parents[2] / "documents"


def documents() -> dict[str, str]:
    """Every document's text by its path below the folder."""
    texts = {"asyncapi.json": written(asyncapi())}
    for name in EVENT_TYPES:
        texts[f"schemas/{name}.json"] = written(open_schema(name))
        texts[f"schemas/{name}.closed.json"] = written(closed_schema(name))
    return texts


def write(folder: Path) -> None:
    """Write every document, and take away those that no type has any more."""
    texts = documents()
    for path in _written(folder):
        if path not in texts:
            (folder / path).unlink()
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def differing(folder: Path) -> list[str]:
    """The documents that are not as this code would write them: changed, absent or left over."""
    texts = documents()
    return sorted(
        path
        for path in {*texts, *_written(folder)}
        if path not in texts or not (folder / path).exists() or (folder / path).read_text() != texts[path]
    )


def main(arguments: Sequence[str]) -> int:
    """Returns 1 where documents differ or a release is broken, 2 for an unknown command."""
    match arguments:
        case ["write"]:
            write(FOLDER)
        case ["check"]:
            if different := differing(FOLDER):
                print("these documents are not what the code says; run `python -m contracts write` and commit them:")
                print(*(f"  libs/contracts/documents/{path}" for path in different), sep="\n")
                return 1
            if faults := list_faults(RELEASED, present()):
                print("readers of what is released would break; take it back, or make a `.v2` type on a new topic:")
                print(*(f"  {fault}" for fault in faults), sep="\n")
                return 1
        case ["release"]:
            try:
                print(f"released in {release(RELEASED)}; commit it, and never change it")
            except NotReleasable as refused:
                print("not released:", *(f"  {fault}" for fault in refused.args), sep="\n", file=sys.stderr)
                return 1
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def _written(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.json")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
