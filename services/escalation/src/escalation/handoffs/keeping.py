"""Saves what was decided about handoffs: rows, timers, events, and the call that lets the customer know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
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
    await _keep_timer(tx, EXPIRY_TIMER, moved, _expires_at)
    await _keep_timer(tx, PACKAGE_TIMER, moved, _package_due_at)
    await add_calls(tx, [_ask_receiver(change.after) for change in moved if _is_new_acceptance(change)])


async def _keep_timer(
    tx: Transaction, kind: str, moved: Sequence[Kept], due_at: Callable[[Handoff], datetime | None]
) -> None:
    """Set a timer where a handoff begins to wait for something, and clear it where it ends to.

    Args:
        due_at: until when it waits; None where it does not.
    """
    waits = [(change.after, change.before and due_at(change.before), due_at(change.after)) for change in moved]
    begun = [(after.handoff_id, after.version, now) for after, before, now in waits if now and not before]
    await set_timers(tx, kind, begun)
    await clear_timers(tx, kind, [after.handoff_id for after, before, now in waits if before and not now])


def _expires_at(handoff: Handoff) -> datetime | None:
    return handoff.expires_at if handoff.state is State.REQUESTED and not handoff.ending else None


def _package_due_at(handoff: Handoff) -> datetime | None:
    return handoff.package_due_at if handoff.owes_package else None


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
