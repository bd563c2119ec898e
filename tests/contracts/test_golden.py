"""Events as released, one file for each type and version: this and every later release must decode them."""

import json
from pathlib import Path
from typing import cast

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from contracts.documents import open_schema
from contracts.envelope import as_json
from contracts.registry import EVENT_TYPES, decode_body, encode_body
from tests.support.golden import GOLDEN, golden_event, golden_json, golden_name


@pytest.mark.parametrize("path", GOLDEN, ids=golden_name)
def test_a_released_event_still_says_the_same(path: Path) -> None:
    event = golden_event(path)
    body = decode_body(event)
    assert body is not None, f"{event.type} is not known any more"
    _assert_within(json.loads(event.data), json.loads(encode_body(body)), at="data")
    assert as_json(event) == golden_json(path)


@pytest.mark.parametrize("path", GOLDEN, ids=golden_name)
def test_fields_of_a_later_release_are_ignored(path: Path) -> None:
    assert decode_body(golden_event(path, from_a_later_release={"deep": [1]})) == decode_body(golden_event(path))


@pytest.mark.parametrize("path", GOLDEN, ids=golden_name)
def test_a_released_event_satisfies_the_open_schema_of_now(path: Path) -> None:
    event = golden_event(path)
    Draft202012Validator(open_schema(event.type), format_checker=FormatChecker()).validate(json.loads(event.data))


def test_a_type_of_a_later_release_is_nobodys() -> None:
    later = msgspec.structs.replace(golden_event(GOLDEN[0]), type="support.ticket.teleported.v1")
    assert decode_body(later) is None


def test_every_type_has_a_golden_event() -> None:
    assert set(EVENT_TYPES) <= {path.stem for path in GOLDEN}


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
