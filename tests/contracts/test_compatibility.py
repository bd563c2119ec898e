"""The gate of the contract: each kind of break is refused by its name and place, and what may come passes."""

import copy
from collections.abc import Callable
from typing import Any, cast

import pytest

from contracts.compatibility import list_breaks
from contracts.releases import present

Document = dict[str, Any]
Change = Callable[[Document], None]

CREATED = "support.ticket.created.v1"
FIELDS = f"{CREATED} payload/properties"
TOPIC = "support.intake.v1"


def _plant(change: Change) -> list[str]:
    """The breaks, as text, of a contract that `change` has altered against the one before."""
    old = present()
    _enrich(old)
    new = copy.deepcopy(old)
    change(new)
    return [str(each) for each in list_breaks(old, new)]


def _enrich(document: Document) -> None:
    """Give the contract what it does not use today, so that every rule has something to protect."""
    fields = _fields(document)
    fields["number"] |= {"minimum": 1, "maximum": 9}
    fields["language"] |= {"pattern": "^[a-z]*$", "maxLength": 8, "minLength": 0}
    fields["kept"] = {"enum": ["a", "b"]}
    fields["fixed"] = {"const": 1}
    fields["pair"] = {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False}
    fields["tree"] = {"$ref": "#/components/schemas/Tree"}
    document["components"]["schemas"]["Tree"] = {
        "type": "object",
        "properties": {"next": {"$ref": "#/components/schemas/Tree"}, "size": {"type": "integer"}},
    }


def _created(document: Document) -> Document:
    return cast("Document", document["components"]["schemas"]["TicketCreated"])


def _fields(document: Document) -> Document:
    return cast("Document", _created(document)["properties"])


def _set(field: str, **words: object) -> Change:
    def change(document: Document) -> None:
        _fields(document)[field] |= {word.replace("known_values", "x-known-values"): it for word, it in words.items()}

    return change


def _replace(field: str, schema: object) -> Change:
    def change(document: Document) -> None:
        _fields(document)[field] = schema

    return change


def _drop(*path: str) -> Change:
    def change(document: Document) -> None:
        holder = document
        for part in path[:-1]:
            holder = holder[part]
        del holder[path[-1]]

    return change


def _require(field: str, schema: object | None = None) -> Change:
    def change(document: Document) -> None:
        if schema is not None:
            _fields(document)[field] = schema
        _created(document)["required"].append(field)

    return change


def _headers(document: Document) -> Document:
    return cast("Document", document["components"]["messageTraits"]["event"]["headers"])


def _kafka(document: Document) -> Document:
    return cast("Document", document["channels"][TOPIC]["bindings"]["kafka"])


BREAKS: dict[str, tuple[Change, str]] = {
    "a topic is removed": (_drop("channels", TOPIC), f"channels/{TOPIC}: removed"),
    "a type is removed from its topic": (
        _drop("channels", TOPIC, "messages", CREATED),
        f"channels/{TOPIC}/messages/{CREATED}: removed",
    ),
    "a topic has another name": (
        lambda document: document["channels"][TOPIC].update(address="{prefix}support.other.v1"),
        f"channels/{TOPIC}/address: changed",
    ),
    "partitions are added": (
        lambda document: _kafka(document).update(partitions=48),
        f"channels/{TOPIC}/bindings/kafka/partitions: changed: 24 became 48",
    ),
    "the key is another": (
        lambda document: document["components"]["messageTraits"]["event"]["bindings"]["kafka"]["key"].update(
            type="integer"
        ),
        f"{CREATED} key: changed",
    ),
    "the media type is another": (
        lambda document: document["components"]["messageTraits"]["event"].update(contentType="application/avro"),
        f"{CREATED} contentType: changed",
    ),
    "a header is removed": (
        lambda document: _headers(document)["properties"].pop("ce_actor"),
        f"{CREATED} headers/properties/ce_actor: removed",
    ),
    "a header means another version": (
        lambda document: _headers(document)["properties"]["ce_specversion"].update(const="2.0"),
        f"{CREATED} headers/properties/ce_specversion/const: const changed: 1.0 became 2.0",
    ),
    "a field is removed": (
        _drop("components", "schemas", "TicketCreated", "properties", "tags"),
        f"{FIELDS}/tags: removed",
    ),
    "a field inside a value is removed": (
        _drop("components", "schemas", "Source", "properties", "system"),
        f"{FIELDS}/source/properties/system: removed",
    ),
    "a field inside a list is retyped": (
        lambda document: document["components"]["schemas"]["SkillNeed"]["properties"]["level"].update(type="string"),
        f"{FIELDS}/skills_hint/items/properties/level: retyped: integer became string",
    ),
    "a field is retyped": (_set("number", type="string"), f"{FIELDS}/number: retyped: integer became string"),
    "an integer becomes a number": (_set("number", type="number"), f"{FIELDS}/number: retyped"),
    "a field is retyped behind a union": (
        _set("organisation_id", anyOf=[{"type": "integer"}, {"type": "null"}]),
        f"{FIELDS}/organisation_id: retyped: string or null became integer or null",
    ),
    "a field is made nullable": (
        _set("number", type=["integer", "null"]),
        f"{FIELDS}/number: made nullable",
    ),
    "a field is made nullable by a union": (
        _replace("number", {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 9}, {"type": "null"}]}),
        f"{FIELDS}/number: made nullable",
    ),
    "null is refused": (
        _set("organisation_id", anyOf=[{"type": "string", "format": "uuid"}]),
        f"{FIELDS}/organisation_id: null refused",
    ),
    "a new field is required": (
        _require("brand_new", {"type": "string"}),
        f"{FIELDS}/brand_new: newly required: a new field must be optional",
    ),
    "an optional field becomes required": (_require("language"), f"{FIELDS}/language: newly required"),
    "a required field becomes optional": (
        lambda document: _created(document)["required"].remove("number"),
        f"{FIELDS}/number: made optional",
    ),
    "a known value is gone": (
        _set("priority", known_values=["low", "normal", "high"]),
        f'{FIELDS}/priority/x-known-values: enum shrunk: ["urgent"] is gone',
    ),
    "the list of known values is gone": (
        _drop("components", "schemas", "TicketCreated", "properties", "priority", "x-known-values"),
        f"{FIELDS}/priority/x-known-values: enum shrunk",
    ),
    "an open enumeration is closed": (_set("priority", enum=["low"]), f"{FIELDS}/priority/enum: narrowed"),
    "a closed enumeration shrinks": (_set("kept", enum=["a"]), f'{FIELDS}/kept/enum: enum shrunk: ["b"] is gone'),
    "a closed enumeration grows": (_set("kept", enum=["a", "b", "c"]), f"{FIELDS}/kept/enum: widened"),
    "a constant is another": (_set("fixed", const=2), f"{FIELDS}/fixed/const: const changed: 1 became 2"),
    "a default is another": (_set("language", default="en"), f"{FIELDS}/language: default changed"),
    "a lower bound rises": (_set("number", minimum=2), f"{FIELDS}/number/minimum: narrowed: 1 became 2"),
    "a lower bound falls": (_set("number", minimum=0), f"{FIELDS}/number/minimum: widened"),
    "an upper bound falls": (_set("number", maximum=8), f"{FIELDS}/number/maximum: narrowed"),
    "an upper bound rises": (_set("language", maxLength=9), f"{FIELDS}/language/maxLength: widened"),
    "a bound of nought is taken away": (
        _drop("components", "schemas", "TicketCreated", "properties", "language", "minLength"),
        f"{FIELDS}/language/minLength: widened",
    ),
    "a bound appears": (_set("impact", maximum=3), f"{FIELDS}/impact/maximum: narrowed"),
    "a pattern is another": (_set("language", pattern="^en$"), f"{FIELDS}/language/pattern: changed"),
    "a pattern appears": (_set("category", pattern="^x"), f"{FIELDS}/category/pattern: narrowed"),
    "a format appears": (_set("category", format="uuid"), f"{FIELDS}/category/format: narrowed"),
    "a format is taken away": (
        _drop("components", "schemas", "TicketCreated", "properties", "ticket_id", "format"),
        f"{FIELDS}/ticket_id/format: widened",
    ),
    "an object is closed": (
        lambda document: document["components"]["schemas"]["Source"].update(additionalProperties=False),
        f"{FIELDS}/source/additionalProperties: closed",
    ),
    "additional fields must be of a type": (
        lambda document: _created(document).update(additionalProperties={"type": "string"}),
        f"{CREATED} payload/additionalProperties: changed",
    ),
    "a tuple grows": (
        _set("pair", prefixItems=[{"type": "string"}, {"type": "integer"}, {"type": "string"}]),
        f"{FIELDS}/pair/prefixItems: retyped: 2 elements became 3 elements",
    ),
    "a place of a tuple is retyped": (
        _set("pair", prefixItems=[{"type": "string"}, {"type": "string"}]),
        f"{FIELDS}/pair/prefixItems/1: retyped",
    ),
    "a value that holds itself loses a field": (
        _drop("components", "schemas", "Tree", "properties", "size"),
        f"{FIELDS}/tree/properties/size: removed",
    ),
    "a keyword that the check does not know appears": (
        _set("number", **{"not": {"const": 4}}),
        f"{FIELDS}/number/not: narrowed",
    ),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_a_break_is_refused_by_name_and_place(kind: str) -> None:
    change, said = BREAKS[kind]
    assert any(each.startswith(said) for each in _plant(change)), _plant(change)


def test_a_break_in_a_shared_value_is_told_for_each_type_that_holds_it() -> None:
    told = _plant(_drop("components", "schemas", "SkillNeed", "properties", "hard_level"))
    types = {each.partition(" ")[0] for each in told}
    assert {"support.ticket.created.v1", "support.work.enqueued.v1"} <= types


PERMITTED: dict[str, Change] = {
    "nothing": lambda document: None,
    "an optional field": _replace("brand_new", {"type": "integer", "default": 0}),
    "an optional field that may be null": _replace(
        "brand_new", {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    ),
    "a known value": _set("priority", known_values=["low", "normal", "high", "urgent", "critical"]),
    "a list of known values where any text was allowed": _set("category", known_values=["network"]),
    "other words": _set("number", title="Number", description="What people say.", examples=[7]),
    "another order of a union": _set("organisation_id", anyOf=[{"type": "null"}, {"type": "string", "format": "uuid"}]),
    "a type": lambda document: document["channels"][TOPIC]["messages"].update(
        {"support.ticket.later.v1": {"$ref": f"#/components/messages/{CREATED}"}}
    ),
    "a topic": lambda document: document["channels"].update({"support.later.v1": document["channels"][TOPIC]}),
    "an optional header": lambda document: _headers(document)["properties"].update(ce_later={"type": "string"}),
}


@pytest.mark.parametrize("kind", PERMITTED)
def test_what_may_come_passes(kind: str) -> None:
    assert _plant(PERMITTED[kind]) == []


def test_a_renamed_schema_is_no_break() -> None:
    """Readers see the wire, not the names of our classes."""

    def rename(document: Document) -> None:
        schemas = document["components"]["schemas"]
        schemas["Provenance"] = schemas.pop("Source")
        _fields(document)["source"] = {"$ref": "#/components/schemas/Provenance"}

    assert _plant(rename) == []
