"""Every import contract fails on a planted breach in a copy of the tree, and a module without a place is refused."""

import re

import pytest

from tests.unit.tools.conftest import House, copy_house

INTAKE = "services/intake/src/intake"
ROUTING = "services/routing/src/routing"
COMMON = "libs/common/src/common"
CONTRACTS = "libs/contracts/src/contracts"

SIDE_BY_SIDE = "services and devstack stand side by side, above common, above contracts"
PURE = "intake.tickets.domain imports no framework, no clock and no other room"
CIRCLE = "no package imports in a circle"

PLANTED = [
    (SIDE_BY_SIDE, f"{INTAKE}/app.py", "import routing.app"),
    (SIDE_BY_SIDE, f"{ROUTING}/agents/usecases.py", "import intake.tickets.usecases"),
    (SIDE_BY_SIDE, "libs/devstack/src/devstack/__init__.py", "import intake.app"),
    (SIDE_BY_SIDE, f"{COMMON}/errors.py", "import routing.agents.domain"),
    (SIDE_BY_SIDE, f"{COMMON}/ids.py", "import devstack"),
    (SIDE_BY_SIDE, f"{CONTRACTS}/words.py", "import common.errors"),
    ("arrows point down in common", f"{COMMON}/errors.py", "import common.database"),
    ("arrows point down in contracts", f"{CONTRACTS}/envelope.py", "import contracts.intake"),
    ("arrows point down in intake", f"{INTAKE}/settings.py", "import intake.app"),
    ("arrows point down in intake", f"{INTAKE}/metadata.py", "import intake.tickets.tables"),
    ("arrows point down in intake", f"{INTAKE}/requesters/usecases.py", "import intake.tickets.usecases"),
    ("arrows point down in routing", f"{ROUTING}/agents/usecases.py", "import routing.work.domain"),
    ("arrows point down in intake.tickets", f"{INTAKE}/tickets/store.py", "import intake.tickets.usecases"),
    ("arrows point down in intake.tickets", f"{INTAKE}/tickets/usecases.py", "import intake.tickets.schemas"),
    ("arrows point down in intake.tickets", f"{INTAKE}/tickets/api.py", "import intake.tickets.consumers"),
    ("arrows point down in routing.agents", f"{ROUTING}/agents/domain.py", "import routing.agents.tables"),
    (
        "intake.tickets uses only domain and usecases of other slices",
        f"{INTAKE}/tickets/usecases.py",
        "import intake.requesters.store",
    ),
    (
        "routing.work uses only domain and usecases of other slices",
        f"{ROUTING}/work/store.py",
        "import routing.agents.tables",
    ),
    ("in routing, servers are reached through common", f"{ROUTING}/agents/store.py", "import asyncpg"),
    ("in intake, servers are reached through common", f"{INTAKE}/app.py", "import aiokafka"),
    ("in intake, HTTP stands in api and schemas", f"{INTAKE}/tickets/usecases.py", "import fastapi"),
    ("in routing, HTTP stands in api and schemas", f"{ROUTING}/agents/store.py", "import common.web"),
    ("in intake, settings end at the use cases", f"{INTAKE}/tickets/store.py", "import intake.settings"),
    ("in intake, queries serve api rooms only", f"{INTAKE}/tickets/usecases.py", "import intake.queries"),
    (PURE, f"{INTAKE}/tickets/domain.py", "import pydantic"),
    (PURE, f"{INTAKE}/tickets/domain.py", "import time"),
    (PURE, f"{INTAKE}/tickets/domain.py", "import asyncio"),
    (PURE, f"{INTAKE}/tickets/domain.py", "import common.clock"),
    (PURE, f"{INTAKE}/tickets/domain.py", "import intake.settings"),
]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is printed of each broken contract, by its name, when every breach is planted at once."""
    house = copy_house(tmp_path_factory.mktemp("house"))
    for _, place, source in PLANTED:
        house.plant(place, source)
    house.plant(f"{COMMON}/web/planted_left.py", "import common.web.planted_right")
    house.plant(f"{COMMON}/web/planted_right.py", "import common.web.planted_left")
    code, printed = house.check_layers()
    assert code == 1
    # Each is a section: its name, a line of dashes as long, the arrows.
    heads = list(re.finditer(r"^(?P<name>.+)\n-{5,}$", printed, re.MULTILINE))
    assert heads, printed
    ends = [head.start() for head in heads[1:]] + [len(printed)]
    return {head["name"]: printed[head.end() : end] for head, end in zip(heads, ends, strict=True)}


@pytest.mark.parametrize(("contract", "place", "source"), PLANTED)
def test_a_planted_import_breaks_its_contract(broken: dict[str, str], contract: str, place: str, source: str) -> None:
    importer = place.partition("/src/")[2].removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert f"{importer} -> {source.removeprefix('import ')} (l." in broken[contract]


def test_a_planted_circle_is_seen(broken: dict[str, str]) -> None:
    assert "planted_left" in broken[CIRCLE]


def test_the_tree_keeps_every_contract_and_each_kind_is_planted(house: House) -> None:
    code, printed = house.check_layers()
    assert code == 0, printed
    kept = set(re.findall(r"^(.+?) KEPT\b", printed, re.MULTILINE))
    assert {CIRCLE, *(contract for contract, _, _ in PLANTED)} <= kept
    # Contracts of one kind differ by the package that they name.
    assert {_kind(contract) for contract in kept} == {_kind(CIRCLE), *(_kind(contract) for contract, _, _ in PLANTED)}


def _kind(contract: str) -> str:
    return re.sub(r"\b(intake|routing|escalation|feedback|common|contracts|devstack)(\.\w+)*", "_", contract)


def _assert_refused(house: House, fault: str) -> None:
    code, printed = house.check_layers()
    assert code == 1
    assert fault in printed


def test_a_module_of_a_library_needs_a_place(house: House) -> None:
    house.plant(f"{COMMON}/planted.py", "")
    _assert_refused(house, f"{COMMON}: `planted` has no place; give it one in the tuple LAYERS")


def test_a_folder_of_a_service_must_be_a_slice(house: House) -> None:
    house.plant(f"{INTAKE}/planted/__init__.py", '"""A slice that nobody ordered."""')
    _assert_refused(house, f"{INTAKE}: `planted` has no place; give it one in the tuple SLICES")


def test_a_folder_needs_an_init(house: House) -> None:
    house.plant(f"{COMMON}/planted/source.py", "")
    _assert_refused(house, f"{COMMON}/planted: this folder holds source but no __init__.py")


def test_a_file_of_a_slice_needs_a_reason(house: House) -> None:
    house.plant(f"{INTAKE}/tickets/planted.py", "")
    _assert_refused(house, f"{INTAKE}/tickets: `planted` has no place; give it one in the docstring")


def test_a_place_without_a_module_is_refused(house: House) -> None:
    house.replace(f"{COMMON}/__init__.py", '"database",', '"database",\n    "planted",')
    _assert_refused(house, f"{COMMON}/__init__.py: `planted` is placed but does not exist")


def test_a_place_above_nothing_is_refused(house: House) -> None:
    _explain(house, "- `planted.py` (above nothing): because a test says so.")
    _assert_refused(house, "`planted` stands above `nothing`, which has no place itself")


def test_a_new_library_needs_a_place(house: House) -> None:
    house.plant("libs/planted/src/planted/__init__.py", '"""A library that nobody ordered."""\n\nLAYERS = ()')
    _assert_refused(house, "libs/planted/src/planted: this library has no place")


def test_a_reason_gives_a_file_its_place(house: House) -> None:
    _explain(house, "- `planted.py` (above domain): because a test says so.")
    house.plant(f"{INTAKE}/requesters/planted.py", "import intake.requesters.domain")
    assert house.check_layers()[0] == 0
    house.plant(f"{INTAKE}/requesters/planted.py", "import intake.requesters.store")
    _assert_refused(house, "intake.requesters.planted -> intake.requesters.store (l.")


def _explain(house: House, line: str) -> None:
    house.replace(f"{INTAKE}/requesters/__init__.py", '"""', f'"""Planted.\n\n{line}\n\n')
