"""The official CloudEvents SDK reads our records, says the same as we do, and writes them back unchanged."""

import json
from typing import cast

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from contracts.envelope import as_json, decode_event
from contracts.examples import EXAMPLES, example_record


def _message(event_type: str) -> KafkaMessage:
    headers, value = example_record(event_type)
    return KafkaMessage(headers=dict(headers), key=decode_event(headers, value).subject_id.encode(), value=value)


@pytest.mark.parametrize("event_type", sorted(EXAMPLES))
def test_the_sdk_accepts_a_record(event_type: str) -> None:
    accepted = from_binary(_message(event_type), JSONFormat(), CloudEvent)
    ours = decode_event(*example_record(event_type))
    assert accepted.get_id() == str(ours.id)
    assert accepted.get_source() == ours.source
    assert accepted.get_type() == ours.type
    assert accepted.get_subject() == ours.subject
    assert accepted.get_time() == ours.time
    assert accepted.get_extension("subjectseq") == str(ours.seq)
    assert accepted.get_extension("correlationid") == ours.correlation_id
    assert accepted.get_data() == json.loads(ours.data)


@pytest.mark.parametrize("event_type", sorted(EXAMPLES))
def test_the_round_trip_through_the_sdk_is_equal(event_type: str) -> None:
    message = _message(event_type)
    written = to_binary(from_binary(message, JSONFormat(), CloudEvent), JSONFormat(), key_mapper=lambda _: message.key)
    # The SDK repeats the key as an attribute of its own, and it leaves out headers that are none of CloudEvents'.
    headers = {name: text for name, text in written.headers.items() if name != "ce_partitionkey"}
    assert headers == {name: text for name, text in message.headers.items() if name != "traceparent"}
    assert json.loads(written.value) == json.loads(message.value)
    assert written.key == message.key
    again = decode_event(headers.items(), written.value)
    assert decode_event(message.headers.items(), message.value).id == again.id


@pytest.mark.parametrize("event_type", sorted(EXAMPLES))
def test_the_sdk_reads_what_the_feed_shows(event_type: str) -> None:
    ours = decode_event(*example_record(event_type))
    read = JSONFormat().read(CloudEvent, json.dumps(as_json(ours)))
    assert read.get_id() == str(ours.id)
    assert read.get_time() == ours.time
    assert cast("dict[str, object]", read.get_data()) == json.loads(ours.data)
