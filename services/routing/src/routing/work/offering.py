"""The life of an offer: made, then accepted, declined, expired or taken back. Between, its weight is reserved."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from common.errors import Conflict
from contracts.routing import (
    AssignmentAccepted,
    AssignmentDeclined,
    AssignmentOffered,
    AssignmentOfferExpired,
    AssignmentOfferRescinded,
)
from routing.work.item import DONE, FOR_EVER, HANDOFF, OFFERED, QUEUED, Offer, Work, WorkDone, WorkItem
from routing.work.moves import Change, Taking, assign, exclude, tell_enqueued

MISSED_IN_A_ROW = 2
"""So many offers left unanswered in a row set the agent's presence to away. Source: routing rule 6."""


class OfferEnded(Conflict):
    """The offer was answered before, has expired or was taken back."""

    code = "offer_ended"


def make_offer(
    work: Work, agent_id: UUID, *, offer_id: UUID, decision_id: UUID, at: datetime, life: timedelta
) -> Change:
    """Reserve the agent's capacity for this work.

    Raises:
        WorkDone: the ticket does not wait.
    """
    if work.item.state != QUEUED:
        raise WorkDone("the ticket does not wait for an agent")
    item = replace(work.item, state=OFFERED, attempt=work.item.attempt + 1, missing=(), version=work.item.version + 1)
    offer = Offer(
        offer_id=offer_id,
        ticket_id=item.ticket_id,
        agent_id=agent_id,
        quarters=item.quarters,
        attempt=item.attempt,
        offered_at=at,
        expires_at=at + life,
        decision_id=decision_id,
        handoff_id=item.handoff_id,
    )
    event = AssignmentOffered(
        ticket_id=item.ticket_id,
        offer_id=offer_id,
        agent_id=agent_id,
        expires_at=offer.expires_at,
        attempt=item.attempt,
        kind=offer.kind,
        handoff_id=offer.handoff_id,
    )
    return Work(item=item, offer=offer, ended=work.ended), (event,)


def accept(work: Work, *, agent_tier: int, assignment_id: UUID, at: datetime) -> Change:
    """The agent takes the offer of a ticket's own work, and owns the ticket.

    Raises:
        OfferEnded: there is no open offer, or its time is over.
    """
    offer, accepted = _accepted(work, at=at)
    taking = Taking(
        agent_id=offer.agent_id,
        agent_tier=agent_tier,
        assignment_id=assignment_id,
        method="offer",
        at=at,
        decision_id=offer.decision_id,
    )
    after, events = assign(_end(work, offer, "accepted", at=at), taking)
    return after, (accepted, *events)


def accept_handoff(
    handoff: Work, own: Work, *, agent_tier: int, assignment_id: UUID, at: datetime
) -> tuple[Change, Change]:
    """The agent takes the offer of a handoff: the ticket's own work has a new owner, and the handoff is done.

    Where nobody owned the ticket at this moment, because its owner left, it is taken out of the queue, or back from
    whom it was offered to.

    Returns:
        What becomes of the handoff and of the ticket's own work, to be told in this order.
    Raises:
        OfferEnded: there is no open offer, its time is over, or the ticket is finished.
    """
    offer, accepted = _accepted(handoff, at=at)
    if own.item.state == DONE:
        raise OfferEnded("the ticket needs no agent any more")
    taking = Taking(
        agent_id=offer.agent_id,
        agent_tier=agent_tier,
        assignment_id=assignment_id,
        method="handoff",
        at=at,
        decision_id=offer.decision_id,
        handoff_id=offer.handoff_id,
    )
    ended = _end(handoff, offer, "accepted", at=at)
    done = replace(ended.item, state=DONE, excluded={}, version=ended.item.version + 1)
    freed, rescinded = rescind(own, at=at, reason="handoff")
    after, events = assign(freed, taking)
    return (replace(ended, item=done), (accepted,)), (after, (*rescinded, *events))


def decline(work: Work, *, at: datetime, reason: str, exclusion: timedelta) -> Change:
    """The agent hands the offer back; the work keeps its place and is not offered to the agent for a while.

    Who declines a handoff is not asked again by the same one.

    Raises:
        OfferEnded: there is no open offer.
    """
    offer = _open_offer(work)
    until = FOR_EVER if offer.kind == HANDOFF else at + exclusion
    after = _hand_back(work, offer, "declined", at=at, until=until, reason=reason)
    event = AssignmentDeclined(
        ticket_id=offer.ticket_id,
        offer_id=offer.offer_id,
        agent_id=offer.agent_id,
        reason=reason,
        kind=offer.kind,
        handoff_id=offer.handoff_id,
    )
    return after, (event, tell_enqueued(after.item, "declined"))


def expire(work: Work, *, at: datetime, exclusion: timedelta) -> Change:
    """Nobody answered in time.

    Raises:
        OfferEnded: there is no open offer.
    """
    offer = _open_offer(work)
    after = _hand_back(work, offer, "expired", at=at, until=at + exclusion)
    event = AssignmentOfferExpired(
        ticket_id=offer.ticket_id,
        offer_id=offer.offer_id,
        agent_id=offer.agent_id,
        kind=offer.kind,
        handoff_id=offer.handoff_id,
    )
    return after, (event, tell_enqueued(after.item, "expired"))


def rescind(work: Work, *, at: datetime, reason: str) -> Change:
    """Take an open offer back; without one nothing changes. The agent is not to blame, so not excluded."""
    offer = work.offer
    if offer is None:
        return work, ()
    event = AssignmentOfferRescinded(
        ticket_id=offer.ticket_id,
        offer_id=offer.offer_id,
        agent_id=offer.agent_id,
        reason=reason,
        kind=offer.kind,
        handoff_id=offer.handoff_id,
    )
    after = _end(work, offer, "rescinded", at=at, reason=reason)
    return replace(after, item=replace(after.item, version=work.item.version + 1)), (event,)


def _accepted(work: Work, *, at: datetime) -> tuple[Offer, AssignmentAccepted]:
    offer = _open_offer(work)
    if at >= offer.expires_at:
        raise OfferEnded("the offer has expired")
    accepted = AssignmentAccepted(
        ticket_id=offer.ticket_id,
        offer_id=offer.offer_id,
        agent_id=offer.agent_id,
        kind=offer.kind,
        handoff_id=offer.handoff_id,
    )
    return offer, accepted


def _hand_back(work: Work, offer: Offer, state: str, *, at: datetime, until: datetime, reason: str = "") -> Work:
    after = _end(work, offer, state, at=at, reason=reason)
    item: WorkItem = exclude(after.item, offer.agent_id, until=until, at=at)
    return replace(after, item=replace(item, hand_backs=item.hand_backs + 1, version=item.version + 1))


def _end(work: Work, offer: Offer, state: str, *, at: datetime, reason: str = "") -> Work:
    ended = replace(offer, state=state, ended_at=at, reason=reason)
    return Work(item=replace(work.item, state=QUEUED), ended=(*work.ended, ended))


def _open_offer(work: Work) -> Offer:
    if work.offer is None:
        raise OfferEnded
    return work.offer
