"""JSON Schemas of the event bodies, made from their classes.

Each type has two. The *open* schema is for consumers: it allows fields and values that a later release may add. The
*closed* one is for our own output: no unknown field, and only the values that this release knows.
"""

import inspect
from collections.abc import Sequence
from typing import cast

import msgspec

from contracts import escalation, feedback, intake, routing
from contracts.registry import EVENT_TYPES, Body

Json = dict[str, object]

PRODUCERS = (intake, routing, escalation, feedback)
"""The modules whose import registers event types. A service joins with its first event."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
KNOWN_VALUES = "x-known-values"
"""The word of JSON Schema under which an open enumeration lists the values of this release."""


def open_schema(event_type: str) -> Json:
    """The schema that consumers may rely on: what `GET /v1/schemas/{type}` answers.

    Args:
        event_type: the name on the wire, "support.ticket.created.v1".
    Raises:
        KeyError: this release publishes no event of that type.
    """
    return _document(event_type, f"/v1/schemas/{event_type}")


def closed_schema(event_type: str) -> Json:
    """The schema that everything we publish is held to.

    Raises:
        KeyError: this release publishes no event of that type.
    """
    return _close(_document(event_type, f"/v1/schemas/{event_type}/closed"))


def schemas_of(bodies: Sequence[type[Body]], reference: str) -> dict[str, Json]:
    """The open schema of each body and of every value inside them, by class name.

    Args:
        reference: how one refers to another, with "{name}" for the class.
    """
    _, found = msgspec.json.schema_components(bodies, ref_template=reference)
    return {name: cast("Json", _tidy(schema)) for name, schema in sorted(found.items())}


def _document(event_type: str, identifier: str) -> Json:
    body = EVENT_TYPES[event_type].body
    schemas = schemas_of([body], "#/$defs/{name}")
    main = schemas.pop(body.__name__)
    document: Json = {"$schema": DIALECT, "$id": identifier, **main}
    return document | {"$defs": schemas} if schemas else document


def _tidy(schema: object) -> object:
    """Docstrings come with the indentation of their source; descriptions are plain text."""
    if isinstance(schema, list):
        return [_tidy(element) for element in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    return {
        key: inspect.cleandoc(value) if key == "description" and isinstance(value, str) else _tidy(value)
        for key, value in cast("Json", schema).items()
    }


def _close(schema: Json) -> Json:
    """The same schema without room for what this release does not know."""
    closed: Json = {}
    for key, value in schema.items():
        if key == KNOWN_VALUES:
            closed["enum"] = value
        else:
            closed[key] = _close_within(value)
    if "properties" in schema:
        closed["additionalProperties"] = False
    return closed


def _close_within(value: object) -> object:
    if isinstance(value, dict):
        return _close(cast("Json", value))
    if isinstance(value, list):
        return [_close_within(element) for element in cast("list[object]", value)]
    return value
