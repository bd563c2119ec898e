"""A handoff as work beside the ticket's own: how it begins, what it follows, how it ends unaccepted."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from contracts.escalation import HandoffRequested
from contracts.registry import Body
from contracts.routing import WorkDequeued
from routing.work.item import FOR_EVER, HANDOFF, Work, WorkItem
from routing.work.moves import Change, enqueue, finish, weigh
from routing.work.offering import rescind


def begin(request: HandoffRequested, own: Work, *, at: datetime) -> Change:
    """The handoff waits for an agent who accepts it, in the place that its ticket has: since when, and until when.

    Neither its sender nor the owner is ever asked, nor anybody whom the request excludes. A return may go to a lower
    tier than the ticket asks for, since it goes back to whom the ticket came from; no other handoff may.
    """
    item = own.item
    owner = own.assignment.agent_id if own.assignment else None
    never = [each for each in (request.from_agent_id, owner, *request.excluded) if each is not None]
    least = 1 if request.return_of else item.tier_required
    waiting = WorkItem(
        ticket_id=item.ticket_id,
        handoff_id=request.handoff_id,
        pool=item.pool,
        queue_id=item.queue_id,
        priority=item.priority,
        weight=item.weight,
        tier_required=max(request.tier_required, least),
        needs=request.skills,
        language=item.language,
        tau_s=item.tau_s,
        enqueued_at=item.enqueued_at,
        deadline=item.deadline,
        paused_s=item.paused_until(at).total_seconds(),
        excluded=dict.fromkeys(never, FOR_EVER),
        preferred=request.to_agent_id,
        only_preferred=request.only_agent and request.to_agent_id is not None,
        teams=request.to_teams,
        version=0,
    )
    return enqueue(waiting, HANDOFF)


def follow(handoff: Work, own: Work, *, at: datetime) -> tuple[Change, ...]:
    """The handoff after a change of its ticket's own work, in one or two moves; a pause changes nothing."""
    item = own.item
    moved: list[Change] = []
    if handoff.item.priority != item.priority:
        moved.append(weigh(handoff, priority=item.priority, weight=item.weight, tau_s=item.tau_s))
        handoff = moved[-1][0]
    if handoff.item.language != item.language:
        # Whom it is offered to may not speak it.
        freed, rescinded = rescind(handoff, at=at, reason="changed")
        told = replace(freed.item, language=item.language, version=freed.item.version + 1)
        moved.append((replace(freed, item=told), rescinded))
    return tuple(moved)


def end(handoff: Work, *, at: datetime, reason: str) -> Change:
    """Nobody accepts it any more; an offer is taken back. A repeat changes nothing."""
    freed, rescinded = rescind(handoff, at=at, reason=reason)
    done, dequeued = finish(freed, at=at, reason=reason)
    return done, (*rescinded, *dequeued)


def tell_needless(ticket_id: UUID, handoff_id: UUID, reason: str) -> Body:
    """The event that a handoff was needless when it was heard of, so that it never waited."""
    return WorkDequeued(ticket_id=ticket_id, reason=reason, kind=HANDOFF, handoff_id=handoff_id)
