"""The official CloudEvents SDK reads what we publish and have ever published, says the same as we do, and writes it
back unchanged: as records of Kafka in binary mode, and as structured JSON in the feed and in the posts of webhooks."""

import json
from collections.abc import Callable, Sequence

import msgspec
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from contracts.envelope import Event, Header, as_json, decode_event
from contracts.examples import EXAMPLES, example_record
from intake.webhooks.usecases import letter_of
from tests.support.golden import GOLDEN, golden_json, golden_name, golden_record

Record = tuple[Sequence[Header], bytes]

RECORDS = {
    **{f"now {event_type}": example_record(event_type) for event_type in sorted(EXAMPLES)},
    **{golden_name(path): golden_record(golden_json(path)) for path in GOLDEN},
}
every_record = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS.keys())


def _message(record: Record) -> KafkaMessage:
    headers, value = record
    return KafkaMessage(headers=dict(headers), key=decode_event(headers, value).subject_id.encode(), value=value)


def _says_the_same(theirs: BaseCloudEvent, ours: Event) -> None:
    assert theirs.get_specversion() == "1.0"
    assert theirs.get_id() == str(ours.id)
    assert theirs.get_source() == ours.source
    assert theirs.get_type() == ours.type
    assert theirs.get_subject() == ours.subject
    assert theirs.get_time() == ours.time
    assert theirs.get_dataschema() == f"/v1/schemas/{ours.type}"
    assert theirs.get_datacontenttype() == "application/json"
    assert int(theirs.get_extension("subjectseq")) == ours.seq
    assert theirs.get_extension("correlationid") == ours.correlation_id
    assert theirs.get_extension("causationid") == ours.causation_id
    assert theirs.get_extension("actor") == ours.actor
    assert theirs.get_data() == json.loads(ours.data)


@every_record
def test_the_sdk_accepts_a_record(record: Record) -> None:
    _says_the_same(from_binary(_message(record), JSONFormat(), CloudEvent), decode_event(*record))


@every_record
def test_a_record_comes_back_from_the_sdk_unchanged(record: Record) -> None:
    message = _message(record)
    written = to_binary(from_binary(message, JSONFormat(), CloudEvent), JSONFormat(), key_mapper=lambda _: message.key)
    # The SDK repeats the key as an attribute of its own, and it leaves out headers that are none of CloudEvents'.
    headers = {name: text for name, text in written.headers.items() if name != "ce_partitionkey"}
    assert headers == {name: text for name, text in message.headers.items() if name != "traceparent"}
    assert written.key == message.key
    ours, again = decode_event(*record), decode_event(headers.items(), written.value)
    assert json.loads(again.data) == json.loads(ours.data)
    assert msgspec.structs.replace(again, data=b"", traceparent="") == msgspec.structs.replace(
        ours, data=b"", traceparent=""
    )


def _in_the_feed(event: Event) -> bytes:
    return msgspec.json.encode(as_json(event))


def _in_a_post(event: Event) -> bytes:
    return letter_of(event).body


@pytest.mark.parametrize("write", [_in_the_feed, _in_a_post])
@every_record
def test_structured_json_comes_back_from_the_sdk_unchanged(record: Record, write: Callable[[Event], bytes]) -> None:
    ours = decode_event(*record)
    shown = write(ours)
    post = HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=shown)
    theirs = from_structured(post, JSONFormat(), CloudEvent)
    _says_the_same(theirs, ours)
    assert theirs.get_extension("traceparent") == ours.traceparent
    assert json.loads(JSONFormat().write(theirs)) == json.loads(shown)
