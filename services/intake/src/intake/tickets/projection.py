"""What routing's events say of a ticket, folded onto it in their order. A fold refuses nothing.

Shown are the owner, the assignment, the owner's tier, the state of the ticket's own work and its desk. Work of kind
`handoff` runs beside the ticket's own and leaves `routing_state` and the desk alone; who owns the ticket afterwards is
shown whatever the kind.
"""

from dataclasses import replace
from uuid import UUID

from contracts.registry import Body
from contracts.routing import (
    AssignmentAssigned,
    AssignmentDeclined,
    AssignmentOffered,
    AssignmentOfferExpired,
    AssignmentOfferRescinded,
    AssignmentUnassigned,
    WorkDequeued,
    WorkEnqueued,
    WorkUnroutable,
)
from intake.tickets.domain import Decision, RoutingState, Ticket
from intake.tickets.lifecycle import assigned


def project(ticket: Ticket, body: Body, *, event_id: UUID) -> Decision:
    """The ticket as it is shown after one event of routing; events only where a new ticket was taken up by it."""
    match body:
        case AssignmentAssigned():
            return _owned(ticket, body, event_id)
        case AssignmentUnassigned():
            return Decision(ticket=_released(ticket, body, event_id))
        case WorkEnqueued(kind="own", queue_id=queue_id):
            queued = _routed(ticket, RoutingState.QUEUED, event_id)
            return Decision(ticket=replace(queued, queue_id=queue_id, queue_event_id=event_id))
        case AssignmentOffered(kind="own"):
            return Decision(ticket=_routed(ticket, RoutingState.OFFERED, event_id))
        case AssignmentDeclined(kind="own") | AssignmentOfferExpired(kind="own") | AssignmentOfferRescinded(kind="own"):
            offered = ticket.routing_state is RoutingState.OFFERED
            return Decision(ticket=_routed(ticket, RoutingState.QUEUED, event_id) if offered else ticket)
        case WorkUnroutable(kind="own"):
            return Decision(ticket=_routed(ticket, RoutingState.UNROUTABLE, event_id))
        case WorkDequeued(kind="own"):
            return Decision(ticket=_routed(ticket, RoutingState.NONE, event_id))
        case _:
            return Decision(ticket=ticket)


def _owned(ticket: Ticket, body: AssignmentAssigned, event_id: UUID) -> Decision:
    owned = replace(
        ticket,
        owner_id=body.agent_id,
        owner_tier=body.agent_tier,
        assignment_id=body.assignment_id,
        owner_event_id=event_id,
    )
    if body.kind == "own":
        owned = _routed(owned, RoutingState.ASSIGNED, event_id)
    return assigned(owned, owner_id=body.agent_id)


def _released(ticket: Ticket, body: AssignmentUnassigned, event_id: UUID) -> Ticket:
    if ticket.assignment_id != body.assignment_id:
        return ticket
    released = replace(ticket, owner_id=None, owner_tier=None, assignment_id=None, owner_event_id=event_id)
    # A hand-back may have been queued before this: then the newer state stands.
    ended = body.kind == "own" and ticket.routing_state is RoutingState.ASSIGNED
    return _routed(released, RoutingState.NONE, event_id) if ended else released


def _routed(ticket: Ticket, state: RoutingState, event_id: UUID) -> Ticket:
    return replace(ticket, routing_state=state, routing_event_id=event_id)
