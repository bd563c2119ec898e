"""What no file may say, and how long and how named a source file may be.

Run as `python -m tools.words [root]`. It reads every text file of the checkout, but not what git ignores.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SKIPPED = frozenset({"__pycache__", "results", "node_modules"})
SHOWN = frozenset({".ci"})
"""Folders with a dot are tools' own and not read, but for these."""

LONGEST = 400
"""Lines of a source file; longer ones are split by subject (aim at 200)."""

VAGUE = frozenset({"util", "utils", "helper", "helpers", "manager", "managers", "base", "misc", "common2"})

# Written in parts, so that this file does not say them.
_HOSTS = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("repo1", "maven", "org"),
    ("maven", "apache", "org"),
    ("crates", "io"),
    ("rubygems", "org"),
    ("proxy", "golang", "org"),
    ("docker", "io"),
    ("ghcr", "io"),
    ("quay", "io"),
    ("gcr", "io"),
)
_OPEN = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK")


@dataclass(frozen=True, kw_only=True)
class Word:
    """A pattern that no line may match, and what to do instead."""

    name: str
    pattern: re.Pattern[str]
    says: str


WORDS = (
    Word(
        name="registry",
        pattern=re.compile("|".join(re.escape(".".join(parts)) for parts in _HOSTS)),
        says="no registry's address stands in the tree: pip, uv and the rest are set up by who runs them",
    ),
    Word(
        name="machine",
        pattern=re.compile(r"(?<![\w.}])/(?:root|home/\w+|Users/\w+)/"),
        says="a path of one machine; take it from an argument, a setting or the checkout",
    ),
    Word(
        name="open",
        pattern=re.compile(rf"\b(?:{'|'.join(_OPEN)})\b"),
        says="nothing is left open in a file; do it, or say in the documentation what is not there",
    ),
    Word(
        name="reason",
        pattern=re.compile(r"#\s*noqa(?!: [A-Z]+\d+(?:, ?[A-Z]+\d+)* - \S)"),
        says="an exception names its rule and its reason: `# noqa: S101 - why`",
    ),
    Word(
        name="reason",
        pattern=re.compile(r"#\s*(?:pyright|type): ignore(?!\[[\w, -]+\] - \S)"),
        says="an exception names its rule and its reason: `# pyright: ignore[rule] - why`",
    ),
)


def main(root: Path) -> int:
    """Check every file under `root`; prints each breach and returns 1 where there is one."""
    breaches = [breach for path in files_of(root) for breach in check(path, root)]
    print(*breaches, sep="\n", end="\n" if breaches else "")
    return 1 if breaches else 0


def files_of(folder: Path) -> Iterator[Path]:
    """Every file under the folder, without what tools keep for themselves."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            hidden = path.name.startswith(".") and path.name not in SHOWN
            if not hidden and path.name not in SKIPPED and not path.name.endswith(".egg-info"):
                yield from files_of(path)
        elif not path.is_symlink():
            yield path


def check(path: Path, root: Path) -> list[str]:
    """The breaches of one file, as "path:line: [word] what to do"; a file that is no text has none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []
    place = path.relative_to(root).as_posix()
    breaches = [
        f"{place}:{number}: [{word.name}] {word.says}"
        for number, line in enumerate(lines, start=1)
        for word in WORDS
        if word.pattern.search(line)
    ]
    if path.suffix == ".py" and len(lines) > LONGEST:
        breaches.append(f"{place}:{LONGEST}: [size] {len(lines)} lines; split the file by subject (aim at 200)")
    if path.suffix == ".py" and path.stem in VAGUE:
        breaches.append(f"{place}:1: [name] a name that says nothing; call the file by what it holds")
    return breaches


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
