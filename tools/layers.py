"""The import contracts, made from the folders and checked by import-linter: arrows point down only.

Run as `python -m tools.layers [root]`. What must hold is said in docs/architecture.md; `tools.rooms` reads the order of
the modules from each package, so that a module without a place fails before anything is linted.
"""

import configparser
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

from tools.rooms import UNORDERED, Misplaced, Package, Tree, read_tree

OPEN_TO_SLICES = frozenset({"domain", "usecases"})
"""What a slice may use of the slices below it."""

OPEN_TO_DOMAIN = frozenset({"errors", "match"})
"""What a domain may use of `common`."""

VALUES = frozenset({"msgspec"})
"""The one package not ours that a domain may use: it makes frozen values, as contracts does, and nothing else."""

IMPURE = ("asyncio", "logging", "os", "random", "secrets", "socket", "subprocess", "threading", "time")
"""Modules of Python's own library that bring a clock, chance or the outer world into a domain."""

Options = dict[str, str | Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Contract:
    """One contract as import-linter reads it; a sequence among the options becomes a list of lines."""

    name: str
    kind: str
    guidance: str
    options: Options


def main(root: Path) -> int:
    """Check the tree under `root`; returns 1 where a contract is broken or a module has no place."""
    try:
        tree = read_tree(root)
    except Misplaced as misplaced:
        print(str(misplaced).replace(f"{root}/", ""))
        return 1
    return 0 if _lint(tree, contracts_of(tree)) else 1


def contracts_of(tree: Tree) -> list[Contract]:
    """Every contract of the tree."""
    contracts = [_between_packages(tree), _no_cycles(tree), *(_downwards(package) for package in tree.libraries)]
    for service in tree.services:
        slices = tree.slices[service.name]
        contracts += [_downwards(service, except_for=_reads_across(service))]
        contracts += [_downwards(package) for package in slices]
        contracts += [_closed_rooms(package, slices) for package in slices]
        contracts += _room_contracts(service, slices)
        contracts += [_pure_domain(package, tree) for package in slices]
    return [contract for contract in contracts if all(contract.options.values())]


def _reads_across(service: Package) -> str:
    """The one arrow that points up: an api room answers lists and searches over several slices from queries.py."""
    return f"{service.name}.*.api -> {service.name}.queries"


def _between_packages(tree: Tree) -> Contract:
    side_by_side = [*(service.name for service in tree.services), "devstack"]
    return Contract(
        name="services and devstack stand side by side, above common, above contracts",
        kind="layers",
        guidance="What two services need moves to common; what one must tell another is an event of contracts.",
        options={"layers": (" | ".join(side_by_side), "common", "contracts")},
    )


def _no_cycles(tree: Tree) -> Contract:
    return Contract(
        name="no package imports in a circle",
        kind="acyclic_siblings",
        guidance="Move what both sides need into a module below them.",
        options={
            "ancestors": [package.name for package in (*tree.libraries, *tree.services)],
            "ignore_imports": [_reads_across(service) for service in tree.services],
            "unmatched_ignore_imports_alerting": "none",
        },
    )


def _downwards(package: Package, except_for: str = "") -> Contract:
    layers = [re.sub(r"\w+", r"(\g<0>)", layer) for layer in package.layers]
    options: Options = {"layers": layers, "containers": [package.name], "exhaustive": "true"}
    if package.modules & UNORDERED:
        options["exhaustive_ignores"] = sorted(package.modules & UNORDERED)
    if except_for:
        options |= {"ignore_imports": [except_for], "unmatched_ignore_imports_alerting": "none"}
    return Contract(
        name=f"arrows point down in {package.name}",
        kind="layers",
        guidance="A lower room never imports a higher one: pass the value as an argument, or move the code down.",
        options=options,
    )


def _closed_rooms(package: Package, slices: Sequence[Package]) -> Contract:
    others = [other for other in slices if other.name != package.name]
    service = package.name.partition(".")[0]
    contract = _forbid(
        f"{package.name} uses only domain and usecases of other slices",
        "Ask the other slice through a function of its usecases.",
        sources=[package.name],
        forbidden=[f"{other.name}.{room}" for other in others for room in sorted(other.modules - OPEN_TO_SLICES)],
    )
    # The same thing has one shape over the whole API: a slice may answer with the body of a lower one, or hold it.
    contract.options["ignore_imports"] = [f"{service}.*.{room} -> {service}.*.schemas" for room in ("api", "schemas")]
    contract.options["unmatched_ignore_imports_alerting"] = "none"
    return contract


def _room_contracts(service: Package, slices: Sequence[Package]) -> list[Contract]:
    def rooms(*names: str) -> list[str]:
        return [f"{package.name}.{room}" for package in slices for room in names if room in package.modules]

    def own(*names: str) -> list[str]:
        return [f"{service.name}.{name}" for name in names if name in service.modules]

    return [
        _forbid(
            f"in {service.name}, servers are reached through common",
            "aiokafka, asyncpg and uvicorn are wrapped once, in common.",
            sources=[service.name],
            forbidden=["aiokafka", "asyncpg", "uvicorn"],
        ),
        _forbid(
            f"in {service.name}, HTTP stands in api and schemas",
            "Raise an error of common.errors; the web edge maps it.",
            sources=rooms("consumers", "timers", "usecases", "store", "tables"),
            forbidden=["fastapi", "starlette", "common.web"],
        ),
        _forbid(
            f"in {service.name}, settings end at the use cases",
            "Pass the one value that is needed as an argument.",
            sources=rooms("store", "tables", "domain"),
            forbidden=own("settings"),
        ),
        Contract(
            name=f"in {service.name}, queries serve api rooms only",
            kind="protected",
            guidance="queries.py answers reads across slices; a decision loads what it needs through its own store.",
            options={"protected_modules": own("queries"), "allowed_importers": [f"{service.name}.*.api"]},
        ),
    ]


def _pure_domain(package: Package, tree: Tree) -> Contract:
    common = next(library for library in tree.libraries if library.name == "common")
    service = package.name.partition(".")[0]
    ours = {library.name for library in (*tree.libraries, *tree.services)} | {"tools", "tests", "benchmarks"}
    return _forbid(
        f"{package.name}.domain imports no framework, no clock and no other room",
        "A domain is values and decisions: Python, contracts, common.errors, common.match and lower domains.",
        sources=[f"{package.name}.domain"] if "domain" in package.modules else [],
        forbidden=[
            *(f"common.{module}" for module in sorted(common.modules - OPEN_TO_DOMAIN - UNORDERED)),
            *(f"{service}.{name}" for name in ("metadata", "settings", "queries") if _has(tree, service, name)),
            *(f"{other.name}.usecases" for other in tree.slices[service] if "usecases" in other.modules),
            *sorted(_installed() - ours - VALUES),
            *IMPURE,
        ],
    )


def _has(tree: Tree, service: str, module: str) -> bool:
    return any(package.name == service and module in package.modules for package in tree.services)


def _installed() -> set[str]:
    """Every package in the environment, by the name it is imported by."""
    return {name for name in packages_distributions() if name.isidentifier() and not name.startswith("__editable__")}


def _forbid(name: str, guidance: str, *, sources: Sequence[str], forbidden: Sequence[str]) -> Contract:
    """No module of the sources may itself import one of the forbidden; through others it may."""
    return Contract(
        name=name,
        kind="forbidden",
        guidance=guidance,
        options={"source_modules": sources, "forbidden_modules": forbidden, "allow_indirect_imports": "true"},
    )


def _lint(tree: Tree, contracts: Sequence[Contract]) -> bool:
    packages = (*tree.libraries, *tree.services)
    # import-linter finds packages by name: those of this tree must come before any installed copy.
    sys.path[:0] = [str(package.folder.parent) for package in packages]
    # It prints through a console that would break long module names at the width of the terminal.
    os.environ["COLUMNS"] = "160"
    from importlinter.application.use_cases import lint_imports
    from importlinter.configuration import configure

    configure()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "importlinter.ini"
        with path.open("w") as file:
            _as_ini([package.name for package in packages], contracts).write(file)
        return lint_imports(config_filename=str(path), cache_dir=None, no_logo=True)


def _as_ini(roots: Sequence[str], contracts: Sequence[Contract]) -> configparser.ConfigParser:
    ini = configparser.ConfigParser(interpolation=None)
    ini["importlinter"] = {"root_packages": _lines(roots), "include_external_packages": "true"}
    for number, contract in enumerate(contracts):
        ini[f"importlinter:contract:{number}"] = {
            "name": contract.name,
            "type": contract.kind,
            "broken_contract_guidance": contract.guidance,
            **{key: value if isinstance(value, str) else _lines(value) for key, value in contract.options.items()},
        }
    return ini


def _lines(values: Sequence[str]) -> str:
    return "".join(f"\n{value}" for value in values)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
