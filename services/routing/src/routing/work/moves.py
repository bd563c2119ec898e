"""Every move that a work item can make: the work afterwards, and the events that tell it.

`enqueued_at` and `deadline` survive every hand-back; only a reopened ticket begins to wait anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from contracts.registry import Body
from contracts.routing import (
    AssignmentAssigned,
    AssignmentUnassigned,
    AssignmentWeightChanged,
    WorkDequeued,
    WorkEnqueued,
    WorkRequirementsRelaxed,
    WorkUnroutable,
)
from contracts.words import SkillNeed
from routing.work.item import (
    ASSIGNED,
    DONE,
    QUEUED,
    Assignment,
    NotAssigned,
    Work,
    WorkDone,
    WorkItem,
    kind_of,
)

Change = tuple[Work, tuple[Body, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Taking:
    """Who takes a ticket, and how that came about."""

    agent_id: UUID
    agent_tier: int
    assignment_id: UUID
    method: str
    at: datetime
    decision_id: UUID | None = None
    override_reason: str = ""
    handoff_id: UUID | None = None


def enqueue(item: WorkItem, cause: str) -> Change:
    """The item waits for an agent from now on."""
    waiting = replace(item, state=QUEUED, version=item.version + 1)
    return Work(item=waiting), (tell_enqueued(waiting, cause),)


def tell_enqueued(item: WorkItem, cause: str) -> WorkEnqueued:
    """The event that an item waits."""
    return WorkEnqueued(
        ticket_id=item.ticket_id,
        queue_id=item.queue_id,
        weight=item.weight,
        skills=item.needs,
        tier_required=item.tier_required,
        cause=cause,
        enqueued_at=item.enqueued_at,
        deadline=item.deadline,
        kind=item.kind,
        handoff_id=item.handoff_id,
    )


def describe(
    work: Work,
    *,
    desk: tuple[UUID, str],
    needs: tuple[SkillNeed, ...],
    tier_required: int,
    language: str,
    cause: str = "requeued",
) -> Change:
    """What the ticket asks for changed; waiting work that now belongs to another desk is enqueued there.

    An owner keeps the ticket, whatever it asks for now: that matters again when it is handed back.

    Args:
        desk: the id and the pool of the desk whose rule holds now; it does not move pinned work.
        cause: why; what waits is told anew, even where it stays at its desk, if it was escalated.
    """
    item = work.item
    queue_id, pool = (item.queue_id, item.pool) if item.pinned else desk
    described = replace(item, queue_id=queue_id, pool=pool, needs=needs, tier_required=tier_required, language=language)
    if described == item:
        return work, ()
    if item.state != QUEUED or (queue_id == item.queue_id and cause != "escalated"):
        return replace(work, item=_next(described)), ()
    # Rings and what is missing count anew at another desk or tier, and are told anew.
    moved = _next(replace(described, ring=1, missing=()))
    return replace(work, item=moved), (tell_enqueued(moved, cause),)


def move(work: Work, *, desk: tuple[UUID, str], pinned: bool) -> Change:
    """Put queued work at a desk by hand.

    Args:
        pinned: no match rule moves it away again.
    Raises:
        WorkDone: the ticket does not wait.
    """
    if work.item.state != QUEUED:
        raise WorkDone("the ticket does not wait for an agent")
    item = _next(settle(work, desk=desk, pinned=pinned).item)
    return replace(work, item=item), (tell_enqueued(item, "requeued"),)


def settle(work: Work, *, desk: tuple[UUID, str], pinned: bool) -> Work:
    """The work at another desk, which is told with the move that follows: there rings and gaps count anew."""
    return replace(work, item=replace(work.item, queue_id=desk[0], pool=desk[1], pinned=pinned, ring=1, missing=()))


def weigh(work: Work, *, priority: str, weight: int, tau_s: int) -> Change:
    """The priority changed, and with it weight and target; never refused, even beyond the owner's capacity."""
    item = replace(
        work.item,
        priority=priority,
        weight=weight,
        tau_s=tau_s,
        deadline=work.item.enqueued_at + timedelta(seconds=tau_s),
    )
    return _reload(replace(work, item=_next(item)))


def pause(work: Work, *, at: datetime) -> Change:
    """We wait for somebody else: an owner keeps a quarter of the load, and nobody new is given the ticket."""
    if work.item.paused_at is not None:
        return work, ()
    return _reload(replace(work, item=_next(replace(work.item, paused_at=at))))


def resume(work: Work, *, at: datetime) -> Change:
    """Work is ours again, at full weight; never refused, even beyond the owner's capacity."""
    item = work.item
    if item.paused_at is None:
        return work, ()
    running = replace(item, paused_at=None, paused_s=item.paused_until(max(at, item.paused_at)).total_seconds())
    return _reload(replace(work, item=_next(running)))


def assign(work: Work, taking: Taking) -> Change:
    """The agent owns the ticket from now on; a repeat for the same owner changes nothing.

    An owner before is replaced: the new assignment is told first, so that the owner is never shown empty. A handoff
    makes a new assignment even where its receiver owns the ticket already, for its end must be told.

    Raises:
        WorkDone: the ticket needs no agent any more.
    """
    item = work.item
    if item.state == DONE:
        raise WorkDone
    old = work.assignment
    if old is not None and old.agent_id == taking.agent_id and taking.handoff_id is None:
        return work, ()
    assert work.offer is None, "an offer ends before an assignment begins"
    assignment = Assignment(
        assignment_id=taking.assignment_id,
        ticket_id=item.ticket_id,
        agent_id=taking.agent_id,
        method=taking.method,
        quarters=item.quarters,
        started_at=taking.at,
        decision_id=taking.decision_id,
        override_reason=taking.override_reason,
        handoff_id=taking.handoff_id,
    )
    told: list[Body] = [
        AssignmentAssigned(
            ticket_id=item.ticket_id,
            assignment_id=assignment.assignment_id,
            agent_id=taking.agent_id,
            agent_tier=taking.agent_tier,
            method=taking.method,
            weight=item.weight,
            decision_id=taking.decision_id,
            override_reason=taking.override_reason,
            replaces=old.assignment_id if old else None,
            kind=kind_of(taking.handoff_id),
            handoff_id=taking.handoff_id,
        )
    ]
    ended = work.ended
    if old is not None:
        reason = "handoff" if taking.handoff_id else "reassigned"
        ended = (*ended, replace(old, ended_at=taking.at, end_reason=reason))
        told.append(_tell_unassigned(old, reason, handoff_id=taking.handoff_id))
    taken = _next(replace(item, state=ASSIGNED, missing=(), preferred=None))
    return Work(item=taken, assignment=assignment, ended=ended), tuple(told)


def hand_back(work: Work, *, at: datetime, reason: str, cause: str, excluded_until: datetime | None) -> Change:
    """The ownership ends and the ticket waits again, where it stood before.

    Args:
        reason: why the assignment ended; cause: why the ticket waits.
        excluded_until: how long the owner is not given the ticket again unasked; None for no exclusion.
    Raises:
        NotAssigned: nobody owns the ticket.
    """
    old = work.assignment
    if old is None:
        raise NotAssigned
    item = replace(work.item, state=QUEUED, hand_backs=work.item.hand_backs + 1, ring=1)
    if excluded_until is not None:
        item = exclude(item, old.agent_id, until=excluded_until, at=at)
    item = _next(item)
    ended = (*work.ended, replace(old, ended_at=at, end_reason=reason))
    return Work(item=item, ended=ended), (_tell_unassigned(old, reason), tell_enqueued(item, cause))


def finish(work: Work, *, at: datetime, reason: str) -> Change:
    """The work needs no agent any more; a repeat changes nothing. An open offer has been rescinded before.

    Whoever owned the ticket last is asked first if it is reopened.
    """
    item = work.item
    if item.state == DONE:
        return work, ()
    assert work.offer is None, "an offer ends before the work does"
    told: list[Body] = []
    ended, preferred = work.ended, item.preferred
    if work.assignment is not None:
        ended, preferred = (*ended, replace(work.assignment, ended_at=at, end_reason=reason)), work.assignment.agent_id
        told.append(_tell_unassigned(work.assignment, reason))
    told.append(WorkDequeued(ticket_id=item.ticket_id, reason=reason, kind=item.kind, handoff_id=item.handoff_id))
    done = replace(item, state=DONE, hand_backs=0, missing=(), excluded={}, paused_at=None, preferred=preferred)
    return Work(item=_next(done), ended=ended), tuple(told)


def reopen(work: Work, *, at: datetime) -> Change:
    """A finished ticket is open again: it begins to wait anew, with a whole target, its last owner preferred."""
    if work.item.state != DONE:
        return work, ()
    item = replace(
        work.item,
        enqueued_at=at,
        deadline=at + timedelta(seconds=work.item.tau_s),
        paused_s=0.0,
        ring=1,
        attempt=0,
        hand_backs=0,
    )
    after, events = enqueue(item, "reopened")
    return replace(after, ended=work.ended), events


def forget_hand_backs(work: Work) -> Change:
    """An agent answered the customer, so the row of hand-backs is broken."""
    if not work.item.hand_backs:
        return work, ()
    return replace(work, item=_next(replace(work.item, hand_backs=0))), ()


def relax(work: Work, ring: int, lowered: Sequence[SkillNeed]) -> Change:
    """A later ring opened; a ring that was announced before changes nothing."""
    if not work.item.is_waiting or ring <= work.item.ring:
        return work, ()
    item = _next(replace(work.item, ring=ring))
    event = WorkRequirementsRelaxed(
        ticket_id=item.ticket_id, ring=ring, lowered=tuple(lowered), kind=item.kind, handoff_id=item.handoff_id
    )
    return replace(work, item=item), (event,)


def mark_unroutable(work: Work, missing: Sequence[str], *, at: datetime) -> Change:
    """No agent could ever take it, or, where nothing is missing any more, somebody could again."""
    item = work.item
    if item.state != QUEUED or tuple(missing) == item.missing:
        return work, ()
    after = replace(work, item=_next(replace(item, missing=tuple(missing))))
    if not missing:
        return after, (tell_enqueued(after.item, "requeued"),)
    if item.missing:
        return after, ()
    waited = at - item.enqueued_at - item.paused_until(at)
    event = WorkUnroutable(
        ticket_id=item.ticket_id,
        waited_s=max(0, int(waited.total_seconds())),
        missing=tuple(missing),
        kind=item.kind,
        handoff_id=item.handoff_id,
    )
    return after, (event,)


def exclude(item: WorkItem, agent_id: UUID, *, until: datetime, at: datetime) -> WorkItem:
    """Keep an agent from being given this ticket unasked; exclusions that are over are forgotten."""
    running = {agent: end for agent, end in item.excluded.items() if end > at}
    return replace(item, excluded={**running, agent_id: until})


def _next(item: WorkItem) -> WorkItem:
    return replace(item, version=item.version + 1)


def _reload(work: Work) -> Change:
    """Bring the load of the running assignment or offer in line with the item."""
    quarters = work.item.quarters
    if work.offer is not None and work.offer.quarters != quarters:
        return replace(work, offer=replace(work.offer, quarters=quarters)), ()
    old = work.assignment
    if old is None or old.quarters == quarters:
        return work, ()
    event = AssignmentWeightChanged(
        ticket_id=old.ticket_id,
        assignment_id=old.assignment_id,
        agent_id=old.agent_id,
        old_quarters=old.quarters,
        new_quarters=quarters,
    )
    return replace(work, assignment=replace(old, quarters=quarters)), (event,)


def _tell_unassigned(assignment: Assignment, reason: str, *, handoff_id: UUID | None = None) -> AssignmentUnassigned:
    return AssignmentUnassigned(
        ticket_id=assignment.ticket_id,
        assignment_id=assignment.assignment_id,
        agent_id=assignment.agent_id,
        reason=reason,
        kind=kind_of(handoff_id),
        handoff_id=handoff_id,
    )
