"""Events as released, one file for each type and version: this and every later release must decode them.

A file here is never changed. A new type, or a new field, comes with a new file.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest

from contracts import escalation, feedback, intake, routing
from contracts.envelope import Event
from contracts.registry import EVENT_TYPES, decode_body, encode_body

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.rglob("*.json"))
PRODUCERS = (intake, routing, escalation, feedback)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(GOLDEN).as_posix())
def test_a_released_event_still_says_the_same(path: Path) -> None:
    released = json.loads(path.read_text())
    event = Event(
        id=UUID(released["id"]),
        source=released["source"],
        type=released["type"],
        subject=released["subject"],
        seq=released["subjectseq"],
        time=datetime.fromisoformat(released["time"]),
        data=json.dumps(released["data"]).encode(),
    )
    body = decode_body(event)
    assert body is not None, f"{event.type} is not known any more"
    _assert_within(released["data"], json.loads(encode_body(body)), at="data")


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
