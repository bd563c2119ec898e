"""What a service says about the events that it consumes: which handlers, and how an effect names its cause."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Origin, Transaction
from contracts.envelope import Event


@dataclass(frozen=True, kw_only=True)
class Handler:
    """What one slice does with the events that concern it.

    The backbone has dropped repeats before it calls, and moves the cursors itself. Handlers of one service run in
    the order in which they are given, in one transaction, each with the events of its own types.

    Attributes:
        name: for logs and metrics, for instance "assignments".
        types: names on the wire, see `contracts.registry.Body.event_type`.
        apply: takes a batch with each subject's events in order, loads in one query, saves set-based. It may be
            called again with the same events after a rollback, and with those of one subject alone. An exception
            other than `Unavailable` parks the subject whose events raise it.
    """

    name: str
    types: frozenset[str]
    apply: Callable[[Transaction, Sequence[Event]], Awaitable[None]]


def caused_by(event: Event, *, service: str) -> Origin:
    """The origin of what an event causes: the same conversation and trace, with the event as the cause.

    Args:
        service: who acts, for instance "routing".
    """
    return Origin(
        actor=f"service:{service}",
        correlation_id=event.correlation_id or str(event.id),
        causation_id=str(event.id),
        traceparent=event.traceparent,
    )


async def cursor_reached(connection: AsyncConnection, *, source: str, subject: str, seq: int) -> bool:
    """Whether this service has applied an event of another one (for `Support-After`).

    Args:
        source: the producing service, for instance "intake".
        subject: "<kind>/<id>".
    """
    reached = await connection.scalar(
        text("select last_seq >= :seq from subject_cursor where source = :source and subject = :subject"),
        {"source": source, "subject": subject, "seq": seq},
    )
    return bool(reached)
