"""Trace context: what is sampled gets spans, and effects become children of the event that caused them."""

from opentelemetry.trace import TraceFlags

from common.backbone import tracing
from common.backbone.consumer import caused_by
from common.ids import new_id
from tests.support.backbone import event_of, headers_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = f"00-{TRACE}-00f067aa0ba902b7-01"
UNSAMPLED = f"00-{TRACE}-00f067aa0ba902b7-00"


def test_a_traceparent_is_read_or_refused() -> None:
    context = tracing.parse(SAMPLED)
    assert context is not None
    assert f"{context.trace_id:032x}" == TRACE
    assert context.trace_flags == TraceFlags.SAMPLED
    malformed = ["", "00-x-y-01", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"01-{TRACE}", SAMPLED + "-more"]
    assert [tracing.parse(text) for text in malformed] == [None] * 5


def test_only_sampled_records_are_linked() -> None:
    found: list[str] = []
    for traceparent in (SAMPLED, UNSAMPLED, ""):
        tracing.collect(headers_of(event_of(new_id(), 1, traceparent=traceparent)), found)
    assert found == [SAMPLED]
    assert tracing.start_send("topic", [], 3) is None


def test_effects_of_a_sampled_event_stay_in_its_trace() -> None:
    sampled, plain = event_of(new_id(), 1, traceparent=SAMPLED), event_of(new_id(), 1)
    with tracing.processing("topic", [sampled, plain]) as events:
        assert [event.id for event in events] == [sampled.id, plain.id]
        assert events[0].traceparent.split("-")[1] == TRACE
        assert caused_by(events[0], service="routing").traceparent == events[0].traceparent
        assert events[1] is plain
