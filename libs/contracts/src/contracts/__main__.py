"""`python -m contracts write | check`: the published documents, written anew or compared with what is committed."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from contracts.asyncapi import asyncapi
from contracts.documents import closed_schema, open_schema
from contracts.registry import EVENT_TYPES

FOLDER = Path(__file__).resolve().parents[2] / "documents"


def documents() -> dict[str, str]:
    """Every document's text by its path below the folder."""
    texts = {"asyncapi.json": _text(asyncapi())}
    for name in EVENT_TYPES:
        texts[f"schemas/{name}.json"] = _text(open_schema(name))
        texts[f"schemas/{name}.closed.json"] = _text(closed_schema(name))
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
    """Returns 1 where documents differ, 2 for anything but `write` or `check`."""
    match arguments:
        case ["write"]:
            write(FOLDER)
        case ["check"]:
            if different := differing(FOLDER):
                print("these documents are not what the code says; run `python -m contracts write` and commit them:")
                print(*(f"  libs/contracts/documents/{path}" for path in different), sep="\n")
                return 1
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


def _written(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.json")]


def _text(document: dict[str, object]) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
