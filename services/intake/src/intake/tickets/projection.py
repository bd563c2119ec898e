"""What other services' events say of a ticket, folded onto it in their order. A fold refuses nothing.

Of routing are shown the owner, the assignment, the owner's tier, the state of the ticket's own work and its desk. Work
of kind `handoff` runs beside the ticket's own and leaves `routing_state` and the desk alone, until somebody owns the
ticket by it. Of escalation are shown the level, the tier that it asks for, the latest handoff
and the clocks. Of feedback nothing is shown; a person who agreed to it has their ticket reopened.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from contracts.escalation import ClockBody, EscalationLevelChanged, HandoffBody
from contracts.feedback import FollowupReopenRequested
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
from intake.tickets.escalated import clocks_after, handoff_after
from intake.tickets.lifecycle import assigned, reopen_by_survey


def project(ticket: Ticket, body: Body, *, event_id: UUID, now: datetime, reopen_window: timedelta) -> Decision:
    """The ticket after one event of another service.

    Returns:
        What is shown, without a rise of `version`; events only where a new ticket was taken up, or a resolved one
        reopened.
    """
    match body:
        case EscalationLevelChanged():
            return Decision(ticket=_escalated(ticket, body, event_id))
        case HandoffBody():
            return Decision(ticket=replace(ticket, handoff=handoff_after(ticket.handoff, body, event_id=event_id)))
        case ClockBody():
            return Decision(ticket=replace(ticket, sla=clocks_after(ticket.sla, body, event_id=event_id)))
        case FollowupReopenRequested():
            return reopen_by_survey(ticket, resolution_seq=body.resolution_seq, now=now, reopen_window=reopen_window)
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


def _escalated(ticket: Ticket, body: EscalationLevelChanged, event_id: UUID) -> Ticket:
    tier = max(ticket.escalation_tier, body.tier_required)
    return replace(
        ticket,
        escalation_level=body.new,
        escalation_tier=tier,
        tier_required=max(ticket.tier_required, tier),
        escalation_event_id=event_id,
    )


def _owned(ticket: Ticket, body: AssignmentAssigned, event_id: UUID) -> Decision:
    owned = replace(
        ticket,
        owner_id=body.agent_id,
        owner_tier=body.agent_tier,
        assignment_id=body.assignment_id,
        owner_event_id=event_id,
    )
    # Whoever accepts a handoff while the ticket itself is queued takes it out of the queue, too.
    return assigned(_routed(owned, RoutingState.ASSIGNED, event_id), owner_id=body.agent_id)


def _released(ticket: Ticket, body: AssignmentUnassigned, event_id: UUID) -> Ticket:
    if ticket.assignment_id != body.assignment_id:
        return ticket
    released = replace(ticket, owner_id=None, owner_tier=None, assignment_id=None, owner_event_id=event_id)
    # A hand-back may have been queued before this: then the newer state stands.
    ended = body.kind == "own" and ticket.routing_state is RoutingState.ASSIGNED
    return _routed(released, RoutingState.NONE, event_id) if ended else released


def _routed(ticket: Ticket, state: RoutingState, event_id: UUID) -> Ticket:
    return replace(ticket, routing_state=state, routing_event_id=event_id)
