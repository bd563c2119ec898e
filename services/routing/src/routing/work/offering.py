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
from routing.work.item import OFFERED, QUEUED, Offer, Work, WorkDone, WorkItem
from routing.work.moves import Change, Taking, assign, exclude, tell_enqueued

MISSED_IN_A_ROW = 2
"""So many offers left unanswered in a row set the agent's presence to away. Source: routing rule 6."""


class OfferEnded(Conflict):
    """The offer was answered before, has expired or was taken back."""

    code = "offer_ended"


def make_offer(
    work: Work, agent_id: UUID, *, offer_id: UUID, decision_id: UUID, at: datetime, life: timedelta
) -> Change:
    """Reserve the agent's capacity for this ticket.

    Raises:
        WorkDone: the ticket does not wait.
    """
    if work.item.state != QUEUED:
        raise WorkDone("the ticket does not wait for an agent")
    item = replace(work.item, state=OFFERED, attempt=work.item.attempt + 1, version=work.item.version + 1)
    offer = Offer(
        offer_id=offer_id,
        ticket_id=item.ticket_id,
        agent_id=agent_id,
        quarters=item.quarters,
        attempt=item.attempt,
        offered_at=at,
        expires_at=at + life,
        decision_id=decision_id,
    )
    event = AssignmentOffered(
        ticket_id=item.ticket_id,
        offer_id=offer_id,
        agent_id=agent_id,
        expires_at=offer.expires_at,
        attempt=item.attempt,
    )
    return Work(item=item, offer=offer, ended=work.ended), (event,)


def accept(work: Work, *, agent_tier: int, assignment_id: UUID, at: datetime) -> Change:
    """The agent takes the offer and owns the ticket.

    Raises:
        OfferEnded: there is no open offer, or its time is over.
    """
    offer = _open_offer(work)
    if at >= offer.expires_at:
        raise OfferEnded("the offer has expired")
    accepted = AssignmentAccepted(ticket_id=offer.ticket_id, offer_id=offer.offer_id, agent_id=offer.agent_id)
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


def decline(work: Work, *, at: datetime, reason: str, exclusion: timedelta) -> Change:
    """The agent hands the offer back; the ticket keeps its place and is not offered to the agent for a while.

    Raises:
        OfferEnded: there is no open offer.
    """
    offer = _open_offer(work)
    after = _hand_back(work, offer, "declined", at=at, exclusion=exclusion, reason=reason)
    event = AssignmentDeclined(
        ticket_id=offer.ticket_id, offer_id=offer.offer_id, agent_id=offer.agent_id, reason=reason
    )
    return after, (event, tell_enqueued(after.item, "declined"))


def expire(work: Work, *, at: datetime, exclusion: timedelta) -> Change:
    """Nobody answered in time.

    Raises:
        OfferEnded: there is no open offer.
    """
    offer = _open_offer(work)
    after = _hand_back(work, offer, "expired", at=at, exclusion=exclusion)
    event = AssignmentOfferExpired(ticket_id=offer.ticket_id, offer_id=offer.offer_id, agent_id=offer.agent_id)
    return after, (event, tell_enqueued(after.item, "expired"))


def rescind(work: Work, *, at: datetime, reason: str) -> Change:
    """Take an open offer back; without one nothing changes. The agent is not to blame, so not excluded."""
    offer = work.offer
    if offer is None:
        return work, ()
    event = AssignmentOfferRescinded(
        ticket_id=offer.ticket_id, offer_id=offer.offer_id, agent_id=offer.agent_id, reason=reason
    )
    after = _end(work, offer, "rescinded", at=at, reason=reason)
    return replace(after, item=replace(after.item, version=work.item.version + 1)), (event,)


def _hand_back(work: Work, offer: Offer, state: str, *, at: datetime, exclusion: timedelta, reason: str = "") -> Work:
    after = _end(work, offer, state, at=at, reason=reason)
    item: WorkItem = exclude(after.item, offer.agent_id, until=at + exclusion, at=at)
    return replace(after, item=replace(item, hand_backs=item.hand_backs + 1, version=item.version + 1))


def _end(work: Work, offer: Offer, state: str, *, at: datetime, reason: str = "") -> Work:
    ended = replace(offer, state=state, ended_at=at, reason=reason)
    return Work(item=replace(work.item, state=QUEUED), ended=(*work.ended, ended))


def _open_offer(work: Work) -> Offer:
    if work.offer is None:
        raise OfferEnded
    return work.offer
