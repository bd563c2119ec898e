"""Trace context across Kafka: captured in the outbox row, carried in the header, continued by the consumer.

A span for each event only where its context is sampled; batches get one span with links. The semantic conventions for
messaging are those of OpenTelemetry 1.44 (status: development).
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from contracts.envelope import Event, Header

_MAX_LINKS = 128
_VERSION = "00"
_ODD = frozenset("13579bdf")
_tracer = trace.get_tracer("frontline.backbone")


def is_sampled(traceparent: str) -> bool:
    """Whether a W3C `traceparent` says that its trace is recorded: the lowest bit of its last digit."""
    return traceparent[-1:] in _ODD


def parse(traceparent: str) -> SpanContext | None:
    """The context that a W3C `traceparent` names; None where it is malformed."""
    parts = traceparent.split("-")
    if len(parts) != 4 or parts[0] != _VERSION:
        return None
    try:
        context = SpanContext(int(parts[1], 16), int(parts[2], 16), True, TraceFlags(int(parts[3], 16)))
    except ValueError:
        return None
    return context if context.is_valid else None


def traceparent_of(span: Span) -> str:
    """A span's own W3C `traceparent`."""
    context = span.get_span_context()
    return f"{_VERSION}-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def collect(headers: Sequence[Header], sampled: list[str]) -> None:
    """Add a record's `traceparent` where it is sampled. It stands last but one: only `ce_subjectseq` comes behind."""
    name, value = headers[-2]
    if name == "traceparent" and len(sampled) < _MAX_LINKS and is_sampled(traceparent := value.decode()):
        sampled.append(traceparent)


def start_send(topic: str, sampled: Sequence[str], records: int) -> Span | None:
    """Begin the span of a batch on its way out; None where no event of it is sampled."""
    return _start(f"send {topic}", SpanKind.PRODUCER, topic, "send", sampled, records)


@contextmanager
def processing(topic: str, events: Sequence[Event]) -> Generator[list[Event]]:
    """One span for a batch that is applied and one for each sampled event in it; none where none is sampled.

    Yields:
        the events; in sampled ones `traceparent` names the new span, so that their effects become its children.
    """
    sampled = [event.traceparent for event in events if is_sampled(event.traceparent)]
    if not sampled:
        yield list(events)
        return
    spans = [_start(f"process {topic}", SpanKind.CONSUMER, topic, "process", sampled[:_MAX_LINKS], len(events))]
    continued = [_continue(event, spans) for event in events]
    try:
        yield continued
    except BaseException as error:
        for span in spans:
            end(span, error)
        raise
    for span in spans:
        end(span)


def _continue(event: Event, spans: list[Span | None]) -> Event:
    parent = parse(event.traceparent) if is_sampled(event.traceparent) else None
    if parent is None:
        return event
    span = _tracer.start_span(
        f"process {event.type}",
        _inside(parent),
        kind=SpanKind.CONSUMER,
        attributes={"messaging.message.id": str(event.id), "cloudevents.event_subject": event.subject},
    )
    spans.append(span)
    return replace(event, traceparent=traceparent_of(span))


def end(span: Span | None, error: BaseException | None = None) -> None:
    """End a span, with what went wrong."""
    if span is None:
        return
    if error is not None:
        span.set_status(Status(StatusCode.ERROR, repr(error)))
    span.end()


def _start(name: str, kind: SpanKind, topic: str, operation: str, sampled: Sequence[str], records: int) -> Span | None:
    contexts = [context for context in map(parse, sampled) if context is not None]
    if not contexts:
        return None
    return _tracer.start_span(
        name,
        _inside(contexts[0]),
        kind=kind,
        links=[Link(context) for context in contexts],
        attributes={
            "messaging.system": "kafka",
            "messaging.destination.name": topic,
            "messaging.operation.name": operation,
            "messaging.batch.message_count": records,
        },
    )


def _inside(parent: SpanContext) -> Context:
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())
