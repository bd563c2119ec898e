"""Saves what was decided about handoffs: rows, timers, events, and the call that lets the customer know."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid5

from common.calls import Call, add_calls
from common.timers import clear_timers, set_timers
from common.transaction import Origin, Transaction
from contracts.envelope import subject_of
from contracts.registry import Body
from escalation.handoffs import store
from escalation.handoffs.domain import Handoff, State

EXPIRY_TIMER = "handoff_expiry"
PACKAGE_TIMER = "handoff_package"
RECEIVER_CALL = "handoff_receiver"
NOTICE_CALL = "handoff_notice"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """One handoff before (None: it is new) and after, with the events that tell it and their origins."""

    before: Handoff | None
    after: Handoff
    told: tuple[tuple[Body, Origin], ...] = ()


async def keep(tx: Transaction, changes: Sequence[Kept]) -> None:
    """Save handoffs that this transaction has locked or makes, each at most once."""
    moved = [change for change in changes if change.before != change.after]
    if moved:
        await store.save_handoffs(tx.connection, [change.after for change in moved])
    for change in changes:
        for body, origin in change.told:
            tx.add_events(subject_of("ticket", change.after.ticket_id), [body], origin=origin)
    await _keep_timers(tx, moved)
    await add_calls(tx, [_ask_receiver(change.after) for change in moved if _is_new_acceptance(change)])


async def _keep_timers(tx: Transaction, moved: Sequence[Kept]) -> None:
    due = [
        (change.after.handoff_id, change.after.version, change.after.expires_at)
        for change in moved
        if _waits(change.after) and not _waits(change.before) and change.after.expires_at is not None
    ]
    await set_timers(tx, EXPIRY_TIMER, due)
    over = [change.after.handoff_id for change in moved if _waits(change.before) and not _waits(change.after)]
    await clear_timers(tx, EXPIRY_TIMER, over)
    owed = [
        (change.after.handoff_id, change.after.version, change.after.package_due_at)
        for change in moved
        if _owes(change.after) and not _owes(change.before) and change.after.package_due_at is not None
    ]
    await set_timers(tx, PACKAGE_TIMER, owed)
    settled = [change.after.handoff_id for change in moved if _owes(change.before) and not _owes(change.after)]
    await clear_timers(tx, PACKAGE_TIMER, settled)


def _owes(handoff: Handoff | None) -> bool:
    return handoff is not None and handoff.owes_package


def _waits(handoff: Handoff | None) -> bool:
    return handoff is not None and handoff.state is State.REQUESTED and not handoff.ending


def _is_new_acceptance(change: Kept) -> bool:
    return change.after.accepted_at is not None and (change.before is None or change.before.accepted_at is None)


def _ask_receiver(handoff: Handoff) -> Call:
    """The directory's entry of who helps now: the customer is told when the answer is there."""
    return Call(
        call_id=uuid5(handoff.handoff_id, "receiver"),
        kind=RECEIVER_CALL,
        aggregate_id=handoff.handoff_id,
        service="routing",
        method="GET",
        path=f"/v1/agents/{handoff.receiver_id}",
        body={},
    )
