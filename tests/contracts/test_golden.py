"""Events as released, one file for each type and version: this and every later release must decode them.

They lie beside the released contracts, and `python -m contracts release` adds those of a type that came or changed.
"""

import json
from pathlib import Path
from typing import cast

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from contracts.documents import open_schema
from contracts.envelope import Event, as_json, decode_event
from contracts.registry import EVENT_TYPES, decode_body, encode_body
from contracts.releases import RELEASED

FILES = sorted(RELEASED.glob("*/events/*.json"))


def _decoded(path: Path, **more: object) -> Event:
    """The golden event as a consumer reads it from Kafka, with `more` fields in its body."""
    released = json.loads(path.read_text())
    headers = [
        ("content-type" if name == "datacontenttype" else name if name == "traceparent" else f"ce_{name}", str(value))
        for name, value in released.items()
        if name != "data"
    ]
    value = json.dumps(released["data"] | more).encode()
    return decode_event([(name, text.encode()) for name, text in [*headers, ("ce_later", "1")]], value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(RELEASED).as_posix())
def test_a_released_event_still_says_the_same(path: Path) -> None:
    event = _decoded(path)
    body = decode_body(event)
    assert body is not None, f"{event.type} is not known any more"
    _assert_within(json.loads(event.data), json.loads(encode_body(body)), at="data")
    assert as_json(event) == json.loads(path.read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(RELEASED).as_posix())
def test_fields_of_a_later_release_are_ignored(path: Path) -> None:
    assert decode_body(_decoded(path, from_a_later_release={"deep": [1]})) == decode_body(_decoded(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(RELEASED).as_posix())
def test_a_released_event_satisfies_the_open_schema_of_now(path: Path) -> None:
    event = _decoded(path)
    Draft202012Validator(open_schema(event.type), format_checker=FormatChecker()).validate(json.loads(event.data))


def test_a_type_of_a_later_release_is_nobodys() -> None:
    later = msgspec.structs.replace(_decoded(FILES[0]), type="support.ticket.teleported.v1")
    assert decode_body(later) is None


def test_every_type_has_a_golden_event() -> None:
    assert set(EVENT_TYPES) <= {path.stem for path in FILES}


def _assert_within(old: object, new: object, *, at: str) -> None:
    """Everything that the old value says, the new one says too; the new one may say more."""
    if isinstance(old, dict):
        assert isinstance(new, dict), at
        for name, value in cast("dict[str, object]", old).items():
            assert name in new, f"{at}.{name} is gone"
            _assert_within(value, cast("dict[str, object]", new)[name], at=f"{at}.{name}")
    elif isinstance(old, list):
        assert isinstance(new, list), at
        assert len(cast("list[object]", old)) == len(cast("list[object]", new)), at
        for index, (before, after) in enumerate(zip(cast("list[object]", old), cast("list[object]", new), strict=True)):
            _assert_within(before, after, at=f"{at}[{index}]")
    else:
        assert old == new, at
