"""Routing's events about tickets: kept for the timeline, and shown on the ticket."""

from collections.abc import Sequence

from common.backbone.consumer import Handler, caused_by
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.registry import EVENT_TYPES
from intake.tickets.usecases import project_events


async def apply_routing(tx: Transaction, events: Sequence[Event]) -> None:
    """See `project_events`."""
    await project_events(tx, [(event, caused_by(event, service="intake")) for event in events])


ROUTING_HANDLER = Handler(
    name="routing",
    types=frozenset(
        name for name, known in EVENT_TYPES.items() if known.producer == "routing" and known.subject_kind == "ticket"
    ),
    apply=apply_routing,
)
