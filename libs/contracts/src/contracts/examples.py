"""One example of each event type: shown in the documents, and held to the closed schemas by tests."""

from uuid import UUID

from contracts import escalation_examples, feedback_examples, intake_examples, routing_examples
from contracts.envelope import Header, encode_headers, kafka_headers, subject_of
from contracts.example_ids import CAUSE, EVENT, NOON
from contracts.registry import EVENT_TYPES, Body, encode_body

_BODIES: tuple[Body, ...] = (
    *intake_examples.BODIES,
    *routing_examples.BODIES,
    *escalation_examples.BODIES,
    *feedback_examples.BODIES,
)

EXAMPLES: dict[str, Body] = {body.event_type: body for body in _BODIES}
"""By the name on the wire; every registered type has one."""


def example_record(event_type: str) -> tuple[list[Header], bytes]:
    """The headers and the value of the Kafka record that carries this type's example.

    Raises:
        KeyError: there is no event of that type.
    """
    body, registered = EXAMPLES[event_type], EVENT_TYPES[event_type]
    # The subject's id is in the body under its kind: `ticket_id` of a ticket's event.
    subject_id: UUID = getattr(body, f"{registered.subject_kind}_id")
    packed = encode_headers(
        event_id=EVENT,
        source=f"/frontline/main/{registered.producer}",
        event_type=event_type,
        subject=subject_of(registered.subject_kind, subject_id),
        time=NOON,
        correlation_id="4bf92f3577b34da6",
        causation_id=str(CAUSE),
        actor="client:monitoring",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    return kafka_headers(packed, seq=3), encode_body(body)
