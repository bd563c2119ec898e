"""The official AsyncAPI parser accepts the contract and every release of it, and refuses what is planted.

`make test-asyncapi` installs the parser first; Node and npm must be there.
"""

import copy
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from contracts.__main__ import FOLDER
from contracts.releases import RELEASED, present, written

HERE = Path(__file__).parent
DOCUMENTS = [FOLDER / "asyncapi.json", *sorted(RELEASED.glob("*/asyncapi.json"))]
CREATED = "support.ticket.created.v1"

ACCEPTED = {"asyncapi-latest-version"}
"""What the parser may remark: we publish 3.0, which more tools read than 3.1."""


def _diagnose(paths: Sequence[Path]) -> list[list[dict[str, str]]]:
    """What the parser says of each document."""
    ended = subprocess.run(
        ["node", "parse.js", *map(str, paths)], cwd=HERE, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_the_contract_and_its_releases_are_valid_without_a_warning() -> None:
    assert len(DOCUMENTS) >= 4
    for path, found in zip(DOCUMENTS, _diagnose(DOCUMENTS), strict=True):
        assert {each["code"] for each in found} <= ACCEPTED, (path, found)
        assert {each["severity"] for each in found} <= {"information"}, (path, found)


def _set(*path: str, to: object) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for part in path[:-1]:
            document = document[part]
        document[path[-1]] = to

    return change


PLANTED: dict[str, Callable[[Any], None]] = {
    "no title": lambda document: document["info"].pop("title"),
    "another version of AsyncAPI": _set("asyncapi", to="9.0.0"),
    "a member that nobody knows": _set("channels", "support.intake.v1", "colour", to="red"),
    "a reference to nothing": _set(
        "components", "messages", CREATED, "payload", to={"$ref": "#/components/schemas/No"}
    ),
    "an action that is none": _set("operations", "publish_intake", "action", to="shout"),
    "partitions in words": _set("channels", "support.intake.v1", "bindings", "kafka", "partitions", to="many"),
    "a type that is none": _set("components", "schemas", "Source", "type", to="thing"),
    "a message of another channel": _set(
        "operations", "publish_intake", "messages", to=[{"$ref": "#/channels/support.routing.v1/messages/none"}]
    ),
    "a parameter that is not described": _set("channels", "support.intake.v1", "parameters", to={}),
    "a server without protocol": lambda document: document["servers"]["installation"].pop("protocol"),
}


def test_planted_faults_are_refused(tmp_path: Path) -> None:
    paths: list[Path] = []
    for number, change in enumerate(PLANTED.values()):
        document = copy.deepcopy(present())
        change(document)
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(written(document))
    for kind, found in zip(PLANTED, _diagnose(paths), strict=True):
        assert any(each["severity"] in {"error", "warning"} for each in found), kind


@pytest.mark.parametrize("name", ["package.json", "package-lock.json", ".npmrc"])
def test_the_lock_names_no_place_to_download_from(name: str) -> None:
    assert '"resolved"' not in (HERE / name).read_text()
