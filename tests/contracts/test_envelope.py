"""The envelope: what is written is read again, and what is not an event of the contract is refused."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import (
    Event,
    Header,
    UndecodableRecord,
    as_json,
    decode_event,
    encode_headers,
    format_time,
    kafka_headers,
    subject_of,
)
from contracts.example_ids import TICKET
from contracts.examples import example_record

CREATED = "support.ticket.created.v1"

_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
_words = _text.filter(bool)
_zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=_zones)  # noqa: DTZ001 - zones come beside
_events = st.builds(
    Event,
    id=st.uuids(),
    source=_words,
    type=_words,
    subject=st.builds(subject_of, _words.filter(lambda kind: "/" not in kind), _words),
    seq=st.integers(1, 2**63 - 1),
    time=_moments,
    data=st.binary(),
    correlation_id=_text,
    causation_id=_text,
    actor=_text,
    traceparent=_text,
)


def _record(event: Event) -> tuple[list[Header], bytes]:
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
    return kafka_headers(packed, event.seq), event.data


@given(_events)
def test_what_is_written_is_read_again(event: Event) -> None:
    read = decode_event(*_record(event))
    assert read == event
    assert read.time.utcoffset() == timedelta(0)


@given(_moments)
def test_a_time_keeps_its_moment_in_one_form(moment: datetime) -> None:
    written = format_time(moment)
    assert written.endswith("Z")
    assert len(written) == len("2026-03-02T12:00:00.000000Z")
    assert datetime.fromisoformat(written) == moment


def test_a_time_without_offset_is_not_published() -> None:
    with pytest.raises(ValueError, match="without offset"):
        format_time(datetime(2026, 3, 2))  # noqa: DTZ001 - the fault under test


def test_headers_may_come_in_any_order_with_unknown_ones_between() -> None:
    headers, value = example_record(CREATED)
    shuffled = [("x-unknown", b"\xff"), *reversed(headers), ("ce_later", None)]
    assert decode_event(shuffled, value) == decode_event(headers, value)


@pytest.mark.parametrize(
    "name", ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "ce_subjectseq"]
)
def test_an_absent_header_is_named(name: str) -> None:
    headers, value = example_record(CREATED)
    with pytest.raises(UndecodableRecord, match=name):
        decode_event([(header, text) for header, text in headers if header != name], value)
    with pytest.raises(UndecodableRecord, match=name):
        decode_event([(header, None if header == name else text) for header, text in headers], value)


@pytest.mark.parametrize(
    ("name", "malformed"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_specversion", b""),
        ("ce_id", b""),
        ("ce_id", b"17"),
        ("ce_id", b"\xff\xfe"),
        ("ce_source", b""),
        ("ce_source", b"\xc3"),
        ("ce_source", b"/frontline\0"),
        ("ce_type", b""),
        ("ce_type", b"support.\0"),
        ("ce_subject", b""),
        ("ce_subject", b"ticket"),
        ("ce_subject", b"ticket/"),
        ("ce_subject", b"/17"),
        ("ce_subject", b"ticket/1\0"),
        ("ce_time", b""),
        ("ce_time", b"yesterday"),
        ("ce_time", b"2026-03-02T12:00:00"),
        ("ce_time", b"2026-13-02T12:00:00Z"),
        ("ce_time", b"0001-01-01T00:00:00+14:00"),
        ("ce_subjectseq", b""),
        ("ce_subjectseq", b"0"),
        ("ce_subjectseq", b"-1"),
        ("ce_subjectseq", b"1.0"),
        ("ce_subjectseq", b"1_0"),
        ("ce_subjectseq", b" 1"),
        ("ce_subjectseq", b"9223372036854775808"),
        ("ce_subjectseq", b"9" * 5000),
        ("ce_actor", b"\xff"),
        ("traceparent", b"00-\0"),
    ],
)
def test_a_malformed_header_is_refused(name: str, malformed: bytes) -> None:
    headers, value = example_record(CREATED)
    with pytest.raises(UndecodableRecord):
        decode_event([(header, malformed if header == name else text) for header, text in headers], value)


def test_a_record_without_a_value_is_refused() -> None:
    headers, _ = example_record(CREATED)
    with pytest.raises(UndecodableRecord, match="no value"):
        decode_event(headers, None)


@given(st.lists(st.tuples(st.sampled_from([name for name, _ in example_record(CREATED)[0]]), st.binary())), st.binary())
def test_noise_is_refused_and_never_fails_otherwise(noise: list[Header], value: bytes) -> None:
    headers, _ = example_record(CREATED)
    try:
        event = decode_event([*headers, *noise], value)
    except UndecodableRecord:
        return
    assert decode_event(*_record(event)) == event


def test_the_subjects_id_stands_behind_its_kind() -> None:
    assert decode_event(*example_record(CREATED)).subject_id == str(TICKET)


def test_an_event_is_shown_in_cloudevents_json() -> None:
    headers, value = example_record(CREATED)
    shown = as_json(decode_event(headers, value))
    assert json.loads(json.dumps(shown)) == shown
    attributes = {name.removeprefix("ce_"): text.decode() for name, text in headers if name != "content-type"}
    assert {name: str(text) for name, text in shown.items() if name not in {"data", "datacontenttype"}} == attributes
    assert shown["data"] == json.loads(value)
    assert UUID(str(shown["id"]))


def test_absent_attributes_are_not_shown() -> None:
    event = Event(
        id=TICKET,
        source="/frontline/main/intake",
        type=CREATED,
        subject="ticket/1",
        seq=1,
        time=datetime(2026, 3, 2, tzinfo=UTC),
        data=b"{}",
    )
    assert as_json(event).keys().isdisjoint({"correlationid", "causationid", "actor", "traceparent"})
