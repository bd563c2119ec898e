"""The published documents: as committed, true to the bodies, and closed for our own output."""

from pathlib import Path
from typing import cast
from uuid import UUID

import msgspec
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from contracts.__main__ import FOLDER, differing, write
from contracts.documents import Json, closed_schema, open_schema, schemas_of
from contracts.envelope import decode_event
from contracts.examples import EXAMPLES, example_record
from contracts.registry import EVENT_TYPES, Body, decode_body, encode_body, event
from contracts.topics import TOPICS
from tests.support.closed import assert_closed

TYPES = sorted(EVENT_TYPES)


def _validate(schema: Json, value: object) -> None:
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(value)


def _payload(event_type: str) -> dict[str, object]:
    return msgspec.json.decode(encode_body(EXAMPLES[event_type]), type=dict[str, object])


def test_the_committed_documents_are_those_of_the_code() -> None:
    assert differing(FOLDER) == []


def test_check_sees_changed_absent_and_left_over_documents(tmp_path: Path) -> None:
    write(tmp_path)
    assert differing(tmp_path) == []
    (tmp_path / "asyncapi.json").write_text("{}\n")
    (tmp_path / "schemas" / f"{TYPES[0]}.json").unlink()
    (tmp_path / "schemas" / "support.gone.v1.json").write_text("{}\n")
    assert differing(tmp_path) == ["asyncapi.json", f"schemas/{TYPES[0]}.json", "schemas/support.gone.v1.json"]
    write(tmp_path)
    assert differing(tmp_path) == []


def test_every_type_has_an_example_and_a_producer_with_a_topic() -> None:
    assert sorted(EXAMPLES) == TYPES
    assert {event_type.producer for event_type in EVENT_TYPES.values()} == set(TOPICS)


@pytest.mark.parametrize("event_type", TYPES)
def test_a_body_survives_the_wire(event_type: str) -> None:
    assert decode_body(decode_event(*example_record(event_type))) == EXAMPLES[event_type]


@pytest.mark.parametrize("event_type", TYPES)
def test_an_example_satisfies_both_schemas(event_type: str) -> None:
    _validate(open_schema(event_type), _payload(event_type))
    _validate(closed_schema(event_type), _payload(event_type))


@pytest.mark.parametrize("event_type", TYPES)
def test_a_new_field_is_open_to_consumers_and_closed_to_us(event_type: str) -> None:
    payload = _payload(event_type) | {"from_a_later_release": 1}
    _validate(open_schema(event_type), payload)
    with pytest.raises(ValidationError, match="from_a_later_release"):
        _validate(closed_schema(event_type), payload)


def test_a_new_value_is_open_to_consumers_and_closed_to_us() -> None:
    payload = _payload("support.ticket.created.v1") | {"priority": "catastrophic"}
    _validate(open_schema("support.ticket.created.v1"), payload)
    with pytest.raises(ValidationError, match="catastrophic"):
        _validate(closed_schema("support.ticket.created.v1"), payload)


def test_a_new_field_inside_a_value_is_closed_too() -> None:
    payload = _payload("support.ticket.created.v1") | {"source": {"channel": "api", "later": 1}}
    _validate(open_schema("support.ticket.created.v1"), payload)
    with pytest.raises(ValidationError, match="later"):
        _validate(closed_schema("support.ticket.created.v1"), payload)


def test_an_absent_field_is_refused_by_both() -> None:
    payload = {name: value for name, value in _payload("support.ticket.created.v1").items() if name != "number"}
    for schema in (open_schema("support.ticket.created.v1"), closed_schema("support.ticket.created.v1")):
        with pytest.raises(ValidationError, match="number"):
            _validate(schema, payload)


def test_an_unknown_type_has_no_schema() -> None:
    with pytest.raises(KeyError):
        open_schema("support.unknown.v1")


@pytest.mark.parametrize("event_type", TYPES)
def test_what_tests_hold_our_output_to_knows_good_from_bad(event_type: str) -> None:
    example = decode_event(*example_record(event_type))
    assert_closed(example)
    with pytest.raises(AssertionError, match=f"{event_type} .*later"):
        assert_closed(msgspec.structs.replace(example, data=b'{"later": 1, ' + example.data[1:]))


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="is TicketCreated already"):

        @event("ticket.created", producer="intake", subject="ticket")
        class Again(Body, frozen=True):  # pyright: ignore[reportUnusedClass] - the decorator is what is tested
            ticket_id: UUID


def test_a_body_names_its_subject() -> None:
    with pytest.raises(ValueError, match="has no field ticket_id"):

        @event("ticket.planted", producer="intake", subject="ticket")
        class Nameless(Body, frozen=True):  # pyright: ignore[reportUnusedClass] - the decorator is what is tested
            number: int

    assert "support.ticket.planted.v1" not in EVENT_TYPES


def test_no_event_has_room_for_a_customers_text() -> None:
    texts = {"title", "description", "body", "text", "summary", "comment", "name", "email", "phone", "custom"}
    schemas = schemas_of([event_type.body for event_type in EVENT_TYPES.values()], "{name}")
    fields = {f"{name}.{field}" for name, schema in schemas.items() for field in cast("Json", schema["properties"])}
    assert not {field for field in fields if field.partition(".")[2] in texts}
