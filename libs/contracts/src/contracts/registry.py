"""Event types and the bodies they carry. A body's class is its schema; see `documents` for the published form."""

from collections.abc import Callable
from typing import ClassVar, TypeVar

import msgspec

from contracts.envelope import Event

_WIRE_NAMES = {"old": "from", "new": "to", "old_quarters": "from_quarters", "new_quarters": "to_quarters"}
"""`from` is a word of Python, so a move is `old` and `new` in code and `from` and `to` on the wire."""


class Body(msgspec.Struct, frozen=True, kw_only=True, rename=_WIRE_NAMES):
    """What an event says, without its envelope: ids, states, times and numbers, never a customer's text."""

    event_type: ClassVar[str]


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """One registered event type."""

    name: str
    producer: str
    subject_kind: str
    body: type[Body]


EVENT_TYPES: dict[str, EventType] = {}
"""By the name on the wire, "support.<name>.v1"."""

BodyClass = TypeVar("BodyClass", bound=type[Body])

_encode = msgspec.json.Encoder().encode
_decoders: dict[str, msgspec.json.Decoder[Body]] = {}


def event(name: str, *, producer: str, subject: str) -> Callable[[BodyClass], BodyClass]:
    """Register the decorated body as `support.<name>.v1`, published by `producer` about a `subject` kind.

    Raises:
        ValueError: another body carries that name already, or the body does not say its subject's id.
    """

    def register(body: BodyClass) -> BodyClass:
        wire_type = f"support.{name}.v1"
        if wire_type in EVENT_TYPES:
            raise ValueError(f"{wire_type} is {EVENT_TYPES[wire_type].body.__name__} already")
        if f"{subject}_id" not in body.__struct_fields__:
            raise ValueError(f"{body.__name__} is about a {subject} and has no field {subject}_id")
        body.event_type = wire_type
        EVENT_TYPES[wire_type] = EventType(name=wire_type, producer=producer, subject_kind=subject, body=body)
        _decoders[wire_type] = msgspec.json.Decoder(body)
        return body

    return register


def encode_body(body: Body) -> bytes:
    """The JSON that travels as the record's value."""
    return _encode(body)


def decode_body(event: Event) -> Body | None:
    """Decode an event's body; None where the type is unknown to this release.

    Raises:
        msgspec.ValidationError: the body does not fit its type.
    """
    decoder = _decoders.get(event.type)
    return None if decoder is None else decoder.decode(event.data)


def known(*values: str) -> msgspec.Meta:
    """Annotate a string whose well-known values may grow: consumers must accept others.

    The open schema lists them as `x-known-values`; the closed one, for our own output, as `enum`.
    """
    return msgspec.Meta(extra_json_schema={"x-known-values": list(values)})
