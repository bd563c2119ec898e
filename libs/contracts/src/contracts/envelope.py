"""CloudEvents 1.0 in Kafka's binary mode: attributes travel as `ce_*` headers, the value is the JSON body.

Headers are encoded once, when the event row is made, as one msgpack array of (name, value) pairs; only
`ce_subjectseq` is added later, because the number is known no earlier than the row.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import msgspec

CONTENT_TYPE = "application/json"
MAX_BODY_BYTES = 64 * 1024
"""CloudEvents 1.0, section "Size limits": consumers should accept events up to 64 KiB."""

Header = tuple[str, bytes]

_SPEC_VERSION = b"1.0"
_OF_SPEC: Header = ("ce_specversion", _SPEC_VERSION)
_OF_CONTENT: Header = ("content-type", CONTENT_TYPE.encode())
_LARGEST_SEQ = 2**63 - 1
"""What a database's bigint holds."""


class UndecodableRecord(ValueError):
    """A Kafka record is not an event of this contract: a header is absent or malformed."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event as a consumer sees it.

    `subject` is "<kind>/<id>", for instance "ticket/0192…"; `seq` counts from 1 without gaps per
    (source, subject); `time` is when the fact happened, in UTC; `data` is the JSON body, not yet decoded.
    """

    id: UUID
    source: str
    type: str
    subject: str
    seq: int
    time: datetime
    data: bytes
    correlation_id: str = ""
    causation_id: str = ""
    actor: str = ""
    traceparent: str = ""

    @property
    def subject_id(self) -> str:
        """The part of the subject behind the slash: the Kafka key in text."""
        return self.subject.partition("/")[2]


_pairs = msgspec.msgpack.Decoder(list[tuple[str, bytes]])
_pack = msgspec.msgpack.Encoder().encode


def encode_headers(
    *,
    event_id: UUID,
    source: str,
    event_type: str,
    subject: str,
    time: datetime,
    correlation_id: str = "",
    causation_id: str = "",
    actor: str = "",
    traceparent: str = "",
) -> bytes:
    """Return every header but `ce_subjectseq`, packed for the outbox row."""
    from_source, of_type, of_schema = _shared(source, event_type)
    pairs: list[Header] = [
        _OF_SPEC,
        ("ce_id", str(event_id).encode()),
        from_source,
        of_type,
        ("ce_subject", subject.encode()),
        ("ce_time", format_time(time).encode()),
        of_schema,
        _OF_CONTENT,
    ]
    if correlation_id:
        pairs.append(("ce_correlationid", correlation_id.encode()))
    if causation_id:
        pairs.append(("ce_causationid", causation_id.encode()))
    if actor:
        pairs.append(("ce_actor", actor.encode()))
    if traceparent:
        pairs.append(("traceparent", traceparent.encode()))
    return _pack(pairs)


@lru_cache(maxsize=1024)
def _shared(source: str, event_type: str) -> tuple[Header, Header, Header]:
    """The headers that all events of one type from one source share: source, type, schema."""
    schema = f"/v1/schemas/{event_type}"
    return ("ce_source", source.encode()), ("ce_type", event_type.encode()), ("ce_dataschema", schema.encode())


def kafka_headers(packed: bytes, seq: int) -> list[Header]:
    """Return the record's headers: the packed ones and `ce_subjectseq`."""
    pairs = _pairs.decode(packed)
    pairs.append(("ce_subjectseq", str(seq).encode()))
    return pairs


def headers_of(event: Event) -> list[Header]:
    """The headers under which an event is published, byte for byte: for one that is read back from an archive."""
    packed = encode_headers(
        event_id=event.id,
        source=event.source,
        event_type=event.type,
        subject=event.subject,
        time=event.time,
        correlation_id=event.correlation_id,
        causation_id=event.causation_id,
        actor=event.actor,
        traceparent=event.traceparent,
    )
    return kafka_headers(packed, event.seq)


def decode_event(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> Event:
    """Read one record. What is not an event of CloudEvents 1.0 as we publish them is refused, so that nothing in an
    `Event` can be refused by a database later; headers that the contract does not know are ignored.

    Raises:
        UndecodableRecord: a required attribute is absent or malformed, or there is no value.
    """
    if value is None:
        raise UndecodableRecord("the record has no value")
    # Kafka allows a header without a value: it counts as absent. Of two with one name the later counts.
    found = {name: text for name, text in headers if text is not None}
    try:
        if found["ce_specversion"] != _SPEC_VERSION:
            raise UndecodableRecord("ce_specversion is not 1.0")
        return Event(
            id=msgspec.convert(found["ce_id"].decode(), UUID),
            source=_required(found, "ce_source"),
            type=_required(found, "ce_type"),
            subject=_subject(_required(found, "ce_subject")),
            seq=_seq(found["ce_subjectseq"]),
            time=_time(found["ce_time"].decode()),
            data=value,
            correlation_id=_optional(found, "ce_correlationid"),
            causation_id=_optional(found, "ce_causationid"),
            actor=_optional(found, "ce_actor"),
            traceparent=_optional(found, "traceparent"),
        )
    except KeyError as missing:
        raise UndecodableRecord(f"header {missing.args[0]} is absent") from missing
    except UndecodableRecord:
        raise
    except (ValueError, OverflowError, msgspec.ValidationError) as malformed:
        raise UndecodableRecord(f"a header is malformed: {malformed}") from malformed


def _required(found: Mapping[str, bytes], name: str) -> str:
    text = found[name].decode()
    if not text or "\0" in text:
        raise UndecodableRecord(f"header {name} is empty or holds a NUL")
    return text


def _optional(found: Mapping[str, bytes], name: str) -> str:
    return _required(found, name) if found.get(name) else ""


def _subject(subject: str) -> str:
    kind, _, identifier = subject.partition("/")
    if not kind or not identifier:
        raise UndecodableRecord("ce_subject is not <kind>/<id>")
    return subject


def _seq(text: bytes) -> int:
    if not text.isdigit() or not 1 <= (seq := int(text)) <= _LARGEST_SEQ:
        raise UndecodableRecord("ce_subjectseq is not a number from 1")
    return seq


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise UndecodableRecord("ce_time carries no offset")
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds, the one form of time in headers and bodies.

    Raises:
        ValueError: the time carries no offset.
    """
    if time.tzinfo is UTC:
        return _format_utc(time)
    if time.utcoffset() is None:
        raise ValueError("a time without offset cannot be published")
    return _format_utc(time.astimezone(UTC))


@lru_cache(maxsize=256)
def _format_utc(time: datetime) -> str:
    """Remembered, for all that a transaction tells happens at one moment."""
    return time.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def as_json(event: Event) -> dict[str, object]:
    """The event in CloudEvents' JSON format, as the feed and the command line show it."""
    shown: dict[str, object] = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": format_time(event.time),
        "dataschema": f"/v1/schemas/{event.type}",
        "subjectseq": event.seq,
    }
    optional = (
        ("correlationid", event.correlation_id),
        ("causationid", event.causation_id),
        ("actor", event.actor),
        ("traceparent", event.traceparent),
    )
    shown.update({name: value for name, value in optional if value})
    shown["datacontenttype"] = CONTENT_TYPE
    shown["data"] = msgspec.json.decode(event.data)
    return shown


def from_json(document: Mapping[str, object]) -> Event:
    """The reverse of `as_json`: the event that the feed shows.

    Raises:
        UndecodableRecord: an attribute is absent or malformed.
    """
    headers: list[Header] = [("ce_subjectseq", str(document.get("subjectseq")).encode())]
    names = ("specversion", "id", "source", "type", "subject", "time", "correlationid", "causationid", "actor")
    headers += [(f"ce_{name}", _text(document, name)) for name in names if document.get(name)]
    if document.get("traceparent"):
        headers.append(("traceparent", _text(document, "traceparent")))
    if "data" not in document:
        raise UndecodableRecord("the event has no data")
    return decode_event(headers, msgspec.json.encode(document["data"]))


def _text(document: Mapping[str, object], name: str) -> bytes:
    value = document[name]
    if not isinstance(value, str):
        raise UndecodableRecord(f"{name} is no text")
    try:
        return value.encode()
    except UnicodeEncodeError as lone:
        raise UndecodableRecord(f"{name} holds half a character") from lone


def subject_of(kind: str, identifier: UUID | str) -> str:
    """ "<kind>/<id>": the subject of an event, for instance "ticket/0192…"."""
    return f"{kind}/{identifier}"
