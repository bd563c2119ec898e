"""Reads from the folders which modules there are, in which order they stand, and which lack a place or a reason.

Nothing is imported: docstrings and tuples are read from the source. A library names its modules in a tuple LAYERS of
its `__init__`, a service its slices in a tuple SLICES, both highest first. A slice has the rooms of ROOMS; a module of
its own needs a line in the slice's docstring, "`engine.py` (above domain): why", which also gives it its place.
"""

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOMS = ("api | consumers | timers", "schemas", "usecases", "store", "tables", "domain")
"""The rooms of a slice, highest first; "|" sets rooms side by side that never import each other."""

ABOVE_SLICES = ("__main__", "app", "queries")
BELOW_SLICES = ("metadata | settings",)
LIBRARIES = frozenset({"contracts", "common", "devstack"})
"""Their order is the first contract of `tools.layers`; a new one needs its place there first."""

UNORDERED = frozenset({"migrations"})
"""Alembic loads a migration by its path, and it imports nothing of ours but the tables of its time."""

_REASON = re.compile(r"`(?P<name>\w+)(?:\.py|/)?` \(above `?(?P<below>\w+)`?\):\s*\S")


class Misplaced(Exception):
    """The tree cannot be checked: a module has no place or no reason. One fault a line."""

    def __init__(self, faults: Sequence[str]) -> None:
        """Args: faults: each says where, what is wrong and what to do."""
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of ours: its dotted name, its folder, and its modules in layers, highest first."""

    name: str
    folder: Path
    layers: tuple[str, ...]

    @property
    def modules(self) -> frozenset[str]:
        """The names of the modules that exist."""
        return modules_of(self.folder)


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Every package of ours; the slices by the name of their service, highest first."""

    libraries: tuple[Package, ...]
    services: tuple[Package, ...]
    slices: dict[str, tuple[Package, ...]]


def read_tree(root: Path) -> Tree:
    """Read all packages under `root`.

    Raises:
        Misplaced: with every fault of the whole tree.
    """
    faults: list[str] = []

    def read(readers: Iterable[Callable[[], Package]]) -> tuple[Package, ...]:
        packages: list[Package] = []
        for reader in readers:
            try:
                packages.append(reader())
            except Misplaced as misplaced:
                faults.extend(misplaced.faults)
        return tuple(packages)

    libraries = read(partial(read_library, folder) for folder in _packages(root, "libs"))
    services = read(partial(read_service, folder) for folder in _packages(root, "services"))
    slices = {each.name: read(partial(read_slice, each, name) for name in slices_of(each)) for each in services}
    if faults:
        raise Misplaced(faults)
    return Tree(libraries=libraries, services=services, slices=slices)


def modules_of(folder: Path) -> frozenset[str]:
    """The importable children of a package: files and folders with source."""
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    folders = {path.name for path in folder.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    return frozenset(files | folders)


def read_library(folder: Path) -> Package:
    """A library: every module stands in the tuple LAYERS of its `__init__`.

    Raises:
        Misplaced: a module is missing there, or one there does not exist.
    """
    if folder.name not in LIBRARIES:
        raise Misplaced([f"{folder}: this library has no place; order it in tools/rooms.py and tools/layers.py"])
    declared = _read_tuple(folder, "LAYERS")
    faults = _compare(folder, declared, known=frozenset(), where="the tuple LAYERS of its package's __init__")
    if faults:
        raise Misplaced(faults)
    return Package(name=folder.name, folder=folder, layers=declared)


def read_service(folder: Path) -> Package:
    """A service: its slices in the order of its tuple SLICES, between the modules that every service has.

    Raises:
        Misplaced: a folder is no slice, a slice does not exist, or a module has neither a place nor a reason.
    """
    slices = _read_tuple(folder, "SLICES")
    known = frozenset(_names((*ABOVE_SLICES, *BELOW_SLICES)))
    layers, faults = _place_own(folder, (*ABOVE_SLICES, *slices, *BELOW_SLICES))
    where = (
        'the tuple SLICES of the service\'s __init__ (a slice), or its docstring as "`name.py` (above <module>): why"'
    )
    faults += _compare(folder, layers, known=known, where=where)
    if faults:
        raise Misplaced(faults)
    return Package(name=folder.name, folder=folder, layers=layers)


def read_slice(service: Package, name: str) -> Package:
    """A slice: the rooms, and its own modules where its docstring places and explains them.

    Raises:
        Misplaced: a module is neither a room nor explained.
    """
    folder = service.folder / name
    layers, faults = _place_own(folder, ROOMS)
    where = 'the docstring of the slice\'s __init__ as "`name.py` (above <room>): why"'
    faults += _compare(folder, layers, known=frozenset(_names(ROOMS)), where=where)
    if faults:
        raise Misplaced(faults)
    return Package(name=f"{service.name}.{name}", folder=folder, layers=layers)


def slices_of(service: Package) -> tuple[str, ...]:
    """The service's slices, highest first."""
    return _read_tuple(service.folder, "SLICES")


def _packages(root: Path, kind: str) -> list[Path]:
    return sorted(path.parent for path in root.glob(f"{kind}/*/src/*/__init__.py"))


def _place_own(folder: Path, order: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Set each explained module directly above the one that its explanation names; a later one may name an earlier."""
    placed = list(order)
    faults: list[str] = []
    for found in _REASON.finditer(_docstring(folder)):
        name, below = found["name"], found["below"]
        position = next((index for index, layer in enumerate(placed) if below in _names((layer,))), None)
        if position is None:
            faults.append(f"{folder}/__init__.py: `{name}` stands above `{below}`, which has no place itself")
        else:
            placed.insert(position, name)
    return tuple(placed), faults


def _compare(folder: Path, layers: Sequence[str], *, known: frozenset[str], where: str) -> list[str]:
    present = modules_of(folder)
    placed = _names(layers)
    faults = [
        f"{folder}: `{name}` has no place; give it one in {where}, or put its content into a known room"
        for name in sorted(present - set(placed) - UNORDERED)
    ]
    faults += [
        f"{folder}/{name}: this folder holds source but no __init__.py that says what it is"
        for name in sorted(present - UNORDERED)
        if (folder / name).is_dir() and not (folder / name / "__init__.py").exists()
    ]
    faults += [
        f"{folder}/__init__.py: `{name}` is placed but does not exist; take the line out"
        for name in placed
        if name not in present and name not in known
    ]
    return faults


def _names(layers: Sequence[str]) -> list[str]:
    return [name.strip() for layer in layers for name in re.split("[|:]", layer)]


def _docstring(folder: Path) -> str:
    return ast.get_docstring(_parse(folder)) or ""


def _read_tuple(folder: Path, name: str) -> tuple[str, ...]:
    for statement in _parse(folder).body:
        if (
            isinstance(statement, ast.Assign)
            and isinstance(target := statement.targets[0], ast.Name)
            and target.id == name
        ):
            return tuple(ast.literal_eval(statement.value))
    raise Misplaced([f"{folder}/__init__.py: there is no tuple {name} that names the modules, highest first"])


def _parse(folder: Path) -> ast.Module:
    init = folder / "__init__.py"
    if not init.exists():
        raise Misplaced([f"{folder}: this folder has no __init__.py that says what it holds"])
    return ast.parse(init.read_text(), filename=str(init))
