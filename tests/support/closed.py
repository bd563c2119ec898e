"""Our own output is held to the closed schemas: no field and no value that this release does not know."""

from functools import cache

import msgspec
from jsonschema import Draft202012Validator, FormatChecker

from contracts.documents import closed_schema
from contracts.envelope import MAX_BODY_BYTES, Event


def assert_closed(event: Event) -> None:
    """Fail unless the event's body is exactly what its closed schema allows."""
    faults = [
        f"{event.type} {fault.json_path}: {fault.message}"
        for fault in _validator(event.type).iter_errors(msgspec.json.decode(event.data))
    ]
    assert not faults, "\n".join(faults)
    assert len(event.data) <= MAX_BODY_BYTES


@cache
def _validator(event_type: str) -> Draft202012Validator:
    return Draft202012Validator(closed_schema(event_type), format_checker=FormatChecker())
