"""The AsyncAPI document: whole, consistent in itself and with what the code publishes."""

import re
from collections.abc import Iterator
from typing import cast

import pytest
from jsonschema import Draft7Validator

from contracts.asyncapi import asyncapi
from contracts.documents import Json
from contracts.envelope import decode_event
from contracts.examples import EXAMPLES
from contracts.registry import EVENT_TYPES, encode_body
from contracts.topics import TOPICS, topic_name

DOCUMENT = asyncapi()

ALLOWED = {
    "": {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"},
    "info": {"title", "version", "description", "termsOfService", "contact", "license", "tags", "externalDocs"},
    "channel": {
        "address",
        "messages",
        "title",
        "summary",
        "description",
        "servers",
        "parameters",
        "tags",
        "externalDocs",
        "bindings",
    },
    "parameter": {"enum", "default", "description", "examples", "location"},
    "operation": {
        "action",
        "channel",
        "title",
        "summary",
        "description",
        "security",
        "tags",
        "externalDocs",
        "bindings",
        "traits",
        "messages",
        "reply",
    },
    "message": {
        "headers",
        "payload",
        "correlationId",
        "contentType",
        "name",
        "title",
        "summary",
        "description",
        "tags",
        "externalDocs",
        "bindings",
        "examples",
        "traits",
    },
    "example": {"headers", "payload", "name", "summary"},
    "components": {
        "schemas",
        "servers",
        "channels",
        "operations",
        "messages",
        "securitySchemes",
        "serverVariables",
        "parameters",
        "correlationIds",
        "replies",
        "replyAddresses",
        "externalDocs",
        "tags",
        "operationTraits",
        "messageTraits",
        "serverBindings",
        "channelBindings",
        "operationBindings",
        "messageBindings",
    },
    "channel kafka": {"topic", "partitions", "replicas", "topicConfiguration", "bindingVersion"},
    "message kafka": {"key", "schemaIdLocation", "schemaIdPayloadEncoding", "schemaLookupStrategy", "bindingVersion"},
}
"""The members of each object. Source: AsyncAPI 3.0.0 and its Kafka bindings 0.5.0."""


def _at(path: str) -> Json:
    """The object behind a JSON Pointer, as `$ref` writes it."""
    found: object = DOCUMENT
    for part in path.removeprefix("#/").split("/"):
        found = cast("Json", found)[part.replace("~1", "/").replace("~0", "~")]
    return cast("Json", found)


def _objects(value: object) -> Iterator[Json]:
    if isinstance(value, dict):
        yield cast("Json", value)
        for child in cast("Json", value).values():
            yield from _objects(child)
    elif isinstance(value, list):
        for child in cast("list[object]", value):
            yield from _objects(child)


def _members(path: str) -> dict[str, Json]:
    return cast("dict[str, Json]", _at(path))


def test_every_reference_is_resolved() -> None:
    references = [cast("str", found["$ref"]) for found in _objects(DOCUMENT) if "$ref" in found]
    assert references
    for reference in references:
        assert reference.startswith("#/"), "the document stands alone"
        assert _at(reference)


def test_a_reference_stands_alone() -> None:
    assert all(set(found) == {"$ref"} for found in _objects(DOCUMENT) if "$ref" in found)


def test_no_object_has_a_member_that_the_specification_does_not_know() -> None:
    known = [("", DOCUMENT), ("info", _at("#/info")), ("components", _at("#/components"))]
    known += [("channel", channel) for channel in _members("#/channels").values()]
    known += [("operation", operation) for operation in _members("#/operations").values()]
    known += [("message", message) for message in _members("#/components/messages").values()]
    known += [("message", trait) for trait in _members("#/components/messageTraits").values()]
    for channel in _members("#/channels"):
        known += [("parameter", each) for each in _members(f"#/channels/{channel}/parameters").values()]
        known.append(("channel kafka", _at(f"#/channels/{channel}/bindings/kafka")))
    known.append(("message kafka", _at("#/components/messageTraits/event/bindings/kafka")))
    for message in _members("#/components/messages").values():
        known += [("example", example) for example in cast("list[Json]", message["examples"])]
    for kind, found in known:
        assert set(found) <= ALLOWED[kind], kind


def test_names_of_components_are_allowed() -> None:
    for kind in _members("#/components"):
        assert all(re.fullmatch(r"[\w.-]+", name) for name in _members(f"#/components/{kind}"))


def test_channels_are_the_topics() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(_members("#/channels")) == {topic.name for topic in TOPICS.values()}
    for service, topic in TOPICS.items():
        channel = _at(f"#/channels/{topic.name}")
        assert cast("str", channel["address"]).replace("{prefix}", "a.") == topic_name(service, "a.")
        kafka = _at(f"#/channels/{topic.name}/bindings/kafka")
        assert kafka["partitions"] == topic.partitions
        assert cast("Json", kafka["topicConfiguration"])["retention.ms"] == topic.retention.total_seconds() * 1000


def test_each_type_is_a_message_of_its_producers_channel_and_operation() -> None:
    for service, topic in TOPICS.items():
        published = {name for name, event_type in EVENT_TYPES.items() if event_type.producer == service}
        assert set(_members(f"#/channels/{topic.name}/messages")) == published
        operation = _at(f"#/operations/publish_{service}")
        assert operation["action"] == "send"
        assert operation["channel"] == {"$ref": f"#/channels/{topic.name}"}
        messages = cast("list[Json]", operation["messages"])
        assert {cast("str", each["$ref"]) for each in messages} == {
            f"#/channels/{topic.name}/messages/{name}" for name in published
        }


def test_every_schema_is_valid_and_used() -> None:
    references = {found["$ref"] for found in _objects(DOCUMENT) if "$ref" in found}
    for name, schema in _members("#/components/schemas").items():
        Draft7Validator.check_schema(schema)
        assert f"#/components/schemas/{name}" in references


@pytest.mark.parametrize("event_type", sorted(EVENT_TYPES))
def test_examples_satisfy_headers_and_payload(event_type: str) -> None:
    message = _at(f"#/components/messages/{event_type}")
    (example,) = cast("list[Json]", message["examples"])
    headers = cast("dict[str, str]", example["headers"])
    _validate(_at("#/components/messageTraits/event/headers"), headers)
    _validate(cast("Json", message["payload"]), example["payload"])
    record = [(name, text.encode()) for name, text in headers.items()]
    assert decode_event(record, encode_body(EXAMPLES[event_type])).type == event_type


def _validate(schema: Json, value: object) -> None:
    Draft7Validator({**schema, "components": DOCUMENT["components"]}).validate(value)
