"""Releases: frozen whole, held to by every later contract of their major, and read by both sides of an upgrade."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from contracts.__main__ import main
from contracts.asyncapi import VERSION
from contracts.documents import Json, closed_schema
from contracts.examples import EXAMPLES
from contracts.registry import encode_body
from contracts.releases import (
    RELEASED,
    NotReleasable,
    list_faults,
    list_releases,
    present,
    release,
    version_of,
    written,
)

CASES = [
    (".".join(map(str, version)), name, document)
    for version, document in list_releases(RELEASED)
    for name in document["components"]["messages"]
]


def _published(event_type: str, document: Any) -> Json:
    """The open schema of a type as its release published it."""
    components = document["components"]
    return {**components["messages"][event_type]["payload"], "components": components}


@pytest.mark.parametrize(
    ("version", "name", "document"), CASES, ids=[f"{version} {name}" for version, name, _ in CASES]
)
def test_readers_of_a_release_accept_what_is_sent_now(version: str, name: str, document: Json) -> None:
    """With every field, and with each optional one left out."""
    sent = json.loads(encode_body(EXAMPLES[name]))
    required = closed_schema(name)["required"]
    reader = Draft202012Validator(_published(name, document), format_checker=FormatChecker())
    for absent in [None, *(set(sent) - set(required))]:
        reader.validate({field: value for field, value in sent.items() if field != absent})


def test_the_present_contract_breaks_no_release() -> None:
    assert len(list_releases(RELEASED)) >= 3
    assert list_faults(RELEASED, present()) == []


def test_releases_name_themselves() -> None:
    for version, document in list_releases(RELEASED):
        assert document["info"]["version"] == ".".join(map(str, version))


def _freeze(folder: Path, document: Json, version: str) -> None:
    document = copy.deepcopy(document)
    document["info"]["version"] = version
    (folder / version).mkdir(parents=True)
    (folder / version / "asyncapi.json").write_text(written(document))


def test_every_release_of_the_major_counts_not_only_the_newest(tmp_path: Path) -> None:
    richer: Any = present()
    richer["components"]["schemas"]["TicketCreated"]["properties"]["taken_back"] = {"type": "string"}
    _freeze(tmp_path, richer, "1.0.0")
    _freeze(tmp_path, present(), "1.1.0")
    (fault,) = list_faults(tmp_path, present())
    assert fault == (
        "breaks 1.0.0: support.ticket.created.v1 payload/properties/taken_back: removed: the field is gone"
    )


def test_another_major_promises_nothing(tmp_path: Path) -> None:
    richer: Any = present()
    richer["channels"]["support.gone.v0"] = richer["channels"]["support.intake.v1"]
    _freeze(tmp_path, richer, "0.9.0")
    assert list_faults(tmp_path, present()) == []


def test_a_released_version_says_one_thing_for_ever(tmp_path: Path) -> None:
    reworded: Any = present()
    reworded["info"]["description"] = "Other words."
    _freeze(tmp_path, reworded, VERSION)
    assert list_faults(tmp_path, present()) == [
        f"{VERSION} is released and says something else: raise VERSION in contracts/asyncapi.py"
    ]


def test_a_version_does_not_go_back(tmp_path: Path) -> None:
    _freeze(tmp_path, present(), "1.999.0")
    assert list_faults(tmp_path, present()) == [f"version {VERSION} is older than 1.999.0, which is released"]


def test_a_type_comes_with_a_minor_version(tmp_path: Path) -> None:
    major, minor, patch = version_of(VERSION)
    former: Any = present()
    del former["components"]["messages"]["support.ticket.closed.v1"]
    for channel in former["channels"].values():
        channel["messages"].pop("support.ticket.closed.v1", None)
    _freeze(tmp_path, former, VERSION)
    document: Any = present()
    document["info"]["version"] = f"{major}.{minor}.{patch + 1}"
    assert list_faults(tmp_path, document) == [
        f"support.ticket.closed.v1 came since {VERSION}: raise the minor part of VERSION"
    ]


def test_a_release_is_whole_and_made_once(tmp_path: Path) -> None:
    target = release(tmp_path)
    assert json.loads((target / "asyncapi.json").read_text()) == present()
    names = {path.stem for path in (target / "events").iterdir()}
    assert names == set(present()["components"]["messages"])
    with pytest.raises(NotReleasable, match="is released already"):
        release(tmp_path)


def test_golden_events_are_written_for_what_came_or_changed(tmp_path: Path) -> None:
    former: Any = present()
    del former["components"]["schemas"]["SkillNeed"]["properties"]["hard_level"]
    _freeze(tmp_path, former, "1.0.0")
    written_for = {path.stem for path in (release(tmp_path) / "events").iterdir()}
    assert {"support.work.enqueued.v1", "support.ticket.created.v1"} <= written_for
    assert "support.ticket.closed.v1" not in written_for


def test_an_incompatible_contract_is_not_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    former: Any = present()
    former["channels"]["support.gone.v1"] = former["channels"]["support.intake.v1"]
    _freeze(tmp_path, former, "1.0.0")
    monkeypatch.setattr("contracts.__main__.RELEASED", tmp_path)
    assert main(["release"]) == 1
    assert "breaks 1.0.0: channels/support.gone.v1: removed" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["1.0.0"]
    assert main(["check"]) == 1
    assert "channels/support.gone.v1: removed" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "1", "1.2", "1.2.3.4", "1.x.0", "-1.0.0", "v1.0.0"])
def test_a_version_is_three_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="three numbers"):
        version_of(text)
