"""Other services' events about tickets: kept for the timeline, shown on the ticket, and some of them move it."""

from collections.abc import Sequence
from datetime import timedelta

from common.backbone.consumer import Handler, caused_by
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.registry import EVENT_TYPES
from intake.tickets.usecases import project_events

PRODUCERS = ("routing", "escalation", "feedback")
"""Whose events are consumed."""


def told_handler(reopen_window: timedelta) -> Handler:
    """The handler of all events that other services tell of tickets.

    One for all of them, because it locks the tickets of a batch in one order: two handlers in one transaction could
    wait for each other across two processes.

    Args:
        reopen_window: how long a resolved ticket may be reopened.
    """

    async def apply(tx: Transaction, events: Sequence[Event]) -> None:
        caused = [(event, caused_by(event, service="intake")) for event in events]
        await project_events(tx, caused, reopen_window=reopen_window)

    return Handler(
        name="told",
        types=frozenset(
            name
            for name, known in EVENT_TYPES.items()
            if known.producer in PRODUCERS and known.subject_kind == "ticket"
        ),
        apply=apply,
    )
