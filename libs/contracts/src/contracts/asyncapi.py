"""The whole contract as one AsyncAPI 3.0 document, with Kafka bindings, made from topics, types and bodies.

Source: AsyncAPI 3.0.0; Kafka bindings 0.5.0; CloudEvents Kafka protocol binding 1.0, binary mode.
"""

import msgspec

from contracts.documents import Json, schemas_of
from contracts.envelope import CONTENT_TYPE, MAX_BODY_BYTES
from contracts.examples import example_record
from contracts.registry import EVENT_TYPES, EventType
from contracts.topics import TOPICS, Topic

VERSION = "1.3.0"
"""Of the contract: the patch part grows with its words, the minor one with types, fields and values, the major one with
a `.v2`. `python -m contracts release` freezes it."""

_BINDING = "0.5.0"
_TEXT: Json = {"type": "string"}
_HEADERS: dict[str, Json] = {
    "ce_specversion": {"const": "1.0"},
    "ce_id": {"type": "string", "format": "uuid", "description": "Identity of the event; a repeat carries the same."},
    "ce_source": {"type": "string", "format": "uri-reference", "description": "/frontline/<installation>/<service>"},
    "ce_type": {"type": "string", "description": "The name of the message."},
    "ce_subject": {"type": "string", "pattern": "^[a-z_]+/.+$", "description": "<kind>/<id>; the id is the key."},
    "ce_time": {"type": "string", "format": "date-time", "description": "When it happened, in UTC."},
    "ce_dataschema": {"type": "string", "format": "uri-reference", "description": "Path of the body's schema."},
    "ce_subjectseq": {
        "type": "string",
        "pattern": "^[1-9][0-9]*$",
        "description": "Counts from 1 without gaps per source and subject.",
    },
    "content-type": {"const": CONTENT_TYPE},
}
_OPTIONAL_HEADERS: dict[str, Json] = {
    "ce_correlationid": _TEXT | {"description": "The conversation that the event belongs to."},
    "ce_causationid": _TEXT | {"description": "The event or call that caused this one."},
    "ce_actor": _TEXT | {"description": "Who acted: agent:<id>, client:<id>, requester:<id> or service:<name>."},
    "traceparent": _TEXT | {"description": "W3C trace context."},
}


def asyncapi() -> Json:
    """The document, ready to be written as JSON."""
    topics = sorted(TOPICS.values(), key=lambda topic: topic.name)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Frontline events",
            "version": VERSION,
            "description": (
                "What happens to tickets, work and agents. Every event arrives at least once; per source and subject, "
                "first appearances come in the order of ce_subjectseq without gaps. Within a major version, types, "
                "optional fields and values of enumerations may be added at any time: ignore what you do not know. "
                f"No event carries a customer's text, and none is larger than {MAX_BODY_BYTES} bytes."
            ),
            "tags": [{"name": kind} for kind in sorted({each.subject_kind for each in EVENT_TYPES.values()})],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "installation": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The Kafka cluster of an installation.",
                "variables": {"bootstrap": {"default": "localhost:9092", "description": "host:port of a broker"}},
            }
        },
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": {f"publish_{topic.producer}": _operation(topic) for topic in topics},
        "components": {
            "messages": {name: _message(event_type) for name, event_type in sorted(EVENT_TYPES.items())},
            "messageTraits": {"event": _envelope()},
            "schemas": schemas_of(
                [event_type.body for event_type in EVENT_TYPES.values()], "#/components/schemas/{name}"
            ),
        },
    }


def _types_of(topic: Topic) -> list[str]:
    return sorted(name for name, event_type in EVENT_TYPES.items() if event_type.producer == topic.producer)


def _channel(topic: Topic) -> Json:
    return {
        "address": "{prefix}" + topic.name,
        "description": f"Everything that {topic.producer} publishes. The key is the subject's id.",
        "parameters": {"prefix": {"default": "", "description": "What the installation sets before its topics."}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _types_of(topic)},
        "bindings": {
            "kafka": {
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": int(topic.retention.total_seconds() * 1000),
                },
                "bindingVersion": _BINDING,
            }
        },
    }


def _operation(topic: Topic) -> Json:
    channel = f"#/channels/{topic.name}"
    return {
        "action": "send",
        "channel": {"$ref": channel},
        "summary": f"What {topic.producer} says.",
        "description": "Published after the change is durable, at least once, in order for each subject.",
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in _types_of(topic)],
    }


def _message(event_type: EventType) -> Json:
    headers, value = example_record(event_type.name)
    summary = (event_type.body.__doc__ or "").partition("\n")[0]
    example: Json = {
        "name": "example",
        "summary": summary,
        "headers": {name: text.decode() for name, text in headers},
        "payload": msgspec.json.decode(value),
    }
    return {
        "name": event_type.name,
        "title": event_type.body.__name__,
        "summary": summary,
        "traits": [{"$ref": "#/components/messageTraits/event"}],
        "payload": {"$ref": f"#/components/schemas/{event_type.body.__name__}"},
        "examples": [example],
    }


def _envelope() -> Json:
    return {
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "required": sorted(_HEADERS),
            "properties": {**_HEADERS, **_OPTIONAL_HEADERS},
        },
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": "The subject's id in canonical text."},
                "bindingVersion": _BINDING,
            }
        },
    }
