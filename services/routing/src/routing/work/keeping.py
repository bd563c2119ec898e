"""Keeping what was decided: work and all that follows from it, in one order of locks and with few statements."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from common.timers import clear_timers, set_timers
from common.transaction import Origin, Transaction
from contracts.envelope import subject_of
from routing.agents.domain import Load
from routing.agents.usecases import change_loads
from routing.pools.domain import InputKind
from routing.pools.usecases import note_changes
from routing.work import store
from routing.work.item import QUEUED, Offer, Work
from routing.work.moves import Change

OFFER_TIMER = "offer"
AGENT_LEFT_TIMER = "agent_left"


def tell(tx: Transaction, change: Change, *, origin: Origin | None = None) -> Work:
    """Add the events of one move, and remember on work that waits from now on what it waits for.

    Args:
        origin: who caused them, where the transaction carries several causes.
    """
    work, events = change
    if not events:
        return work
    tx.add_events(subject_of("ticket", work.item.ticket_id), events, origin=origin)
    if work.item.state != QUEUED:
        return work
    why = origin or tx.origin
    caused = replace(
        work.item,
        correlation_id=why.correlation_id,
        causation_id=str(tx.pending[-1].id),
        traceparent=why.traceparent,
    )
    return replace(work, item=caused)


def origin_of(work: Work) -> Origin:
    """The origin of what routing does by itself about waiting work."""
    item = work.item
    return Origin(
        actor="service:routing",
        correlation_id=item.correlation_id,
        causation_id=item.causation_id,
        traceparent=item.traceparent,
    )


async def keep(tx: Transaction, before: Mapping[UUID, Work], after: Sequence[Work]) -> None:
    """Save works, change the loads that follow by difference, set the timers of offers, and tell the decider.

    The works are locked, in id order; agents are locked here, in id order too.
    """
    changed = [work for work in after if before.get(work.item.work_id) != work]
    if not changed:
        return
    await save(tx, before, changed)
    await change_loads(tx, load_changes(before, changed))
    pools: dict[str, list[UUID]] = {}
    for work in changed:
        old = before.get(work.item.work_id)
        pools_seen = {each.pool for each in (work.item, old.item if old else None) if each and each.state == QUEUED}
        for pool in pools_seen:
            pools.setdefault(pool, []).append(work.item.work_id)
    for pool in sorted(pools):
        await note_changes(tx, InputKind.WORK, pools[pool], pool=pool)


async def keep_one(tx: Transaction, before: Work, after: Work) -> Work:
    """Keep one work; returns it as it is afterwards."""
    await keep(tx, {before.item.work_id: before}, [after])
    return after


async def save(tx: Transaction, before: Mapping[UUID, Work], after: Sequence[Work]) -> None:
    """Save works and the timers of their offers, but no loads: the decider raises those by its guarded statement."""
    await store.save_works(tx.connection, before, after)
    opened: list[tuple[UUID, int, datetime]] = []
    over: list[UUID] = []
    for work in after:
        old = before.get(work.item.work_id)
        if work.offer is not None and (old is None or old.offer is None):
            opened.append((work.offer.offer_id, 0, work.offer.expires_at))
        over.extend(held.offer_id for held in work.ended if isinstance(held, Offer))
    await set_timers(tx, OFFER_TIMER, opened)
    await clear_timers(tx, OFFER_TIMER, over)


def load_changes(before: Mapping[UUID, Work], after: Sequence[Work]) -> dict[UUID, Load]:
    """By how much each agent's load differs between two states of some works."""
    changes: dict[UUID, Load] = {}

    def add(agent_id: UUID, load: Load) -> None:
        changes[agent_id] = changes.get(agent_id, Load()).plus(load)

    for work in after:
        old = before.get(work.item.work_id)
        if old is not None and old.assignment is not None:
            add(old.assignment.agent_id, Load(quarters=-old.assignment.quarters))
        if old is not None and old.offer is not None:
            add(old.offer.agent_id, Load(quarters=-old.offer.quarters, offers=-1))
        if work.offer is not None:
            add(work.offer.agent_id, Load(quarters=work.offer.quarters, offers=1))
        held = work.assignment
        if held is not None:
            known = old.assignment if old else None
            is_new = known is None or known.assignment_id != held.assignment_id
            add(held.agent_id, Load(quarters=held.quarters, taken_at=held.started_at if is_new else None))
    return changes
