"""What routing's and intake's events make of the handoffs of one ticket. A fold refuses nothing.

Routing says of every requested handoff, once, either that it was accepted (`assignment.assigned` with its id) or that
its work is gone (`work.dequeued`). Everything else that is heard recalls it at most.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from contracts.escalation import HandoffAccepted, HandoffDeclined, HandoffExpired, HandoffWithdrawn
from contracts.intake import TicketResolved, TicketStatusChanged
from contracts.registry import Body
from contracts.routing import (
    AssignmentAssigned,
    AssignmentDeclined,
    AssignmentOffered,
    AssignmentOfferExpired,
    AssignmentOfferRescinded,
    AssignmentUnassigned,
    WorkDequeued,
    WorkUnroutable,
)
from escalation.handoffs.domain import DECLINES_TO_END, NOBODY_LEFT, Decision, DeclineReason, Handoff, State
from escalation.handoffs.lifecycle import complete, recall
from escalation.tickets.domain import FINISHED

HEARD = (
    AssignmentAssigned,
    AssignmentDeclined,
    AssignmentOffered,
    AssignmentOfferExpired,
    AssignmentOfferRescinded,
    AssignmentUnassigned,
    TicketResolved,
    TicketStatusChanged,
    WorkDequeued,
    WorkUnroutable,
)

_DECLINE_CODES = frozenset(DeclineReason)


def concerned(handoffs: Sequence[Handoff], body: Body) -> list[Handoff]:
    """Those of one ticket's handoffs that an event is about: the one that it names, else those still alive.

    A resolution concerns, of the accepted ones, only the last: that one's receiver had the ticket in the end.
    """
    named: UUID | None = getattr(body, "handoff_id", None)
    if named is not None:
        return [handoff for handoff in handoffs if handoff.handoff_id == named]
    requested = [handoff for handoff in handoffs if handoff.state is State.REQUESTED]
    accepted = [handoff for handoff in handoffs if handoff.state is State.ACCEPTED and handoff.accepted_at]
    if isinstance(body, TicketResolved) and accepted:
        return [*requested, max(accepted, key=lambda handoff: (handoff.accepted_at, handoff.handoff_id))]
    return requested


def hear(handoff: Handoff, body: Body, *, at: datetime) -> Decision:
    """The handoff after one event that concerns it.

    Args:
        at: the event's time.
    """
    match body:
        case AssignmentAssigned(kind="handoff"):
            return _accepted(handoff, body, at)
        case WorkDequeued(kind="handoff"):
            return _ended(handoff, body, at)
        case AssignmentOffered(kind="handoff") if handoff.state is State.REQUESTED:
            offered = replace(
                handoff, offer_id=body.offer_id, offered_to=body.agent_id, offer_expires_at=body.expires_at
            )
            return Decision(handoff=offered)
        case AssignmentOfferExpired(kind="handoff") | AssignmentOfferRescinded(kind="handoff"):
            return Decision(handoff=_unoffered(handoff, body.offer_id))
        case AssignmentDeclined(kind="handoff"):
            return _declined(handoff, body, at)
        case WorkUnroutable(kind="handoff"):
            return _recall(replace(handoff, decline_code=handoff.decline_code or NOBODY_LEFT), "declined", at)
        case AssignmentUnassigned(kind="own", reason="agent_left", agent_id=handoff.from_agent_id):
            return Decision(handoff=replace(handoff, sender_left=True))
        case AssignmentAssigned(kind="own") if body.agent_id != handoff.from_agent_id:
            return _recall(handoff, "sender_left" if handoff.sender_left else "reassigned", at)
        case TicketStatusChanged() if body.new in FINISHED:
            return _recall(handoff, body.new, at)
        case TicketResolved():
            return _resolved(handoff, body, at)
        case _:
            return Decision(handoff=handoff)


def _recall(handoff: Handoff, reason: str, at: datetime) -> Decision:
    return recall(handoff, reason, at=at)


def _accepted(handoff: Handoff, body: AssignmentAssigned, at: datetime) -> Decision:
    if handoff.state is not State.REQUESTED:
        return Decision(handoff=handoff)
    accepted = replace(
        _unoffered(handoff, handoff.offer_id),
        state=State.ACCEPTED,
        ending="",
        receiver_id=body.agent_id,
        receiver_tier=body.agent_tier,
        assignment_id=body.assignment_id,
        accepted_at=at,
        updated_at=at,
    )
    told = HandoffAccepted(
        ticket_id=handoff.ticket_id,
        handoff_id=handoff.handoff_id,
        from_agent_id=handoff.from_agent_id,
        agent_id=body.agent_id,
        assignment_id=body.assignment_id,
        agent_tier=body.agent_tier,
    )
    if handoff.resolved_by == body.agent_id:
        # The receiver was so quick that the resolution, on another topic, was heard before.
        done = complete(accepted, at=at)
        return Decision(handoff=replace(done.handoff, version=handoff.version), events=(told, *done.events))
    return Decision(handoff=accepted, events=(told,))


def _ended(handoff: Handoff, body: WorkDequeued, at: datetime) -> Decision:
    if handoff.state is not State.REQUESTED:
        return Decision(handoff=handoff)
    # Routing drops the work by itself where the ticket is over, perhaps before we hear of that.
    why = handoff.ending or body.reason
    ended = replace(_unoffered(handoff, handoff.offer_id), ending=why, ended_at=at, updated_at=at)
    if why == "expired":
        told = HandoffExpired(
            ticket_id=handoff.ticket_id, handoff_id=handoff.handoff_id, from_agent_id=handoff.from_agent_id
        )
        return Decision(handoff=replace(ended, state=State.EXPIRED), events=(told,))
    if why in ("declined", "withdrawn"):
        # Dropped without our asking: routing knows nobody who could take it.
        code = handoff.decline_code or NOBODY_LEFT
        told = HandoffDeclined(
            ticket_id=handoff.ticket_id,
            handoff_id=handoff.handoff_id,
            from_agent_id=handoff.from_agent_id,
            reason_code=code,
            agent_id=handoff.declined_by,
        )
        declined = replace(ended, state=State.DECLINED, ending="declined", decline_code=code)
        return Decision(handoff=declined, events=(told,))
    told = HandoffWithdrawn(
        ticket_id=handoff.ticket_id, handoff_id=handoff.handoff_id, from_agent_id=handoff.from_agent_id, reason=why
    )
    return Decision(handoff=replace(ended, state=State.WITHDRAWN), events=(told,))


def _declined(handoff: Handoff, body: AssignmentDeclined, at: datetime) -> Decision:
    if handoff.state is not State.REQUESTED:
        return Decision(handoff=handoff)
    code = body.reason if body.reason in _DECLINE_CODES else DeclineReason.OTHER
    declined = replace(
        _unoffered(handoff, body.offer_id),
        declines=handoff.declines + 1,
        decline_code=code,
        declined_by=body.agent_id,
        updated_at=at,
    )
    addressed = declined.only_agent and body.agent_id == declined.to_agent_id
    if addressed or declined.declines >= DECLINES_TO_END:
        return _recall(declined, "declined", at)
    return Decision(handoff=declined)


def _resolved(handoff: Handoff, body: TicketResolved, at: datetime) -> Decision:
    if handoff.state is State.REQUESTED:
        return Decision(handoff=replace(handoff, resolved_by=body.owner_id))
    if handoff.state is State.ACCEPTED and body.owner_id == handoff.receiver_id:
        done = complete(handoff, at=at)
        return Decision(handoff=replace(done.handoff, version=handoff.version), events=done.events)
    return Decision(handoff=handoff)


def _unoffered(handoff: Handoff, offer_id: UUID | None) -> Handoff:
    """Without its offer, where that is the one that ended: a newer one stays."""
    if handoff.offer_id != offer_id:
        return handoff
    return replace(handoff, offer_id=None, offered_to=None, offer_expires_at=None)
