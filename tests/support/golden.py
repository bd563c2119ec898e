"""Golden events: what each release published, as the records in which a consumer finds them.

They lie beside the released contracts, one file for each type that came or changed with a release, and
`python -m contracts release` adds to them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.envelope import Event, Header, decode_event
from contracts.releases import RELEASED

GOLDEN = sorted(RELEASED.glob("*/events/*.json"))
"""All of them, those of the oldest release first."""


def golden_name(path: Path) -> str:
    """A golden event's name in the report of the tests."""
    return path.relative_to(RELEASED).as_posix().removesuffix(".json")


def golden_json(path: Path) -> dict[str, Any]:
    """The event in CloudEvents' JSON format, as the feed shows it."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def golden_record(shown: Mapping[str, Any]) -> tuple[list[Header], bytes]:
    """The headers and the value of the record that carried the event which the feed shows so.

    Made from the file alone and not by our own encoder, which is under test with it.
    """
    names = {"datacontenttype": "content-type", "traceparent": "traceparent"}
    headers = [(names.get(name, f"ce_{name}"), str(value).encode()) for name, value in shown.items() if name != "data"]
    return headers, json.dumps(shown["data"]).encode()


def golden_event(path: Path, **more: object) -> Event:
    """The event as a consumer reads it from Kafka, with `more` fields in its body and a header of a later release."""
    shown = golden_json(path)
    headers, value = golden_record({**shown, "data": shown["data"] | more})
    return decode_event([*headers, ("ce_later", b"1")], value)
