"""What can be done with notifications: say something, take back what was not said yet, settle an attempt, read."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.calls import Call, CallKind, CallOutcome, add_calls, cancel_calls, delete_call
from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import subject_of
from escalation.notifications import store
from escalation.notifications.domain import (
    CALL_KIND,
    Attempt,
    Channel,
    Delivery,
    NewNotification,
    Notification,
    State,
    settle,
)
from escalation.notifications.store import Claimed


async def notify(tx: Transaction, wanted: Sequence[NewNotification]) -> None:
    """Write down what shall be said; it leaves soon after this transaction."""
    if not wanted:
        return
    notifications = [
        Notification(
            notification_id=new_id(),
            ticket_id=each.ticket_id,
            run_id=each.run_id,
            step=each.step,
            channel=each.channel,
            address=each.address,
            target=each.target,
            subject=each.subject,
            text=each.text,
            facts=each.facts,
            state=State.PENDING,
            attempts=0,
            fault="",
            due_at=tx.now,
            created_at=tx.now,
            ended_at=None,
        )
        for each in wanted
    ]
    await store.add_notifications(tx.connection, notifications)
    await add_calls(tx, [_message(each) for each in notifications if each.channel is Channel.MESSAGE])


async def cancel_notifications(tx: Transaction, run_ids: Sequence[UUID]) -> None:
    """Take back what these runs have not said yet; what is on its way may still arrive, and is then told as sent."""
    if run_ids:
        await cancel_calls(tx, CALL_KIND, await store.cancel_pending(tx, run_ids))


async def settle_claimed(tx: Transaction, claimed: Claimed, delivery: Delivery) -> None:
    """Keep what an attempt of ours came to. Nothing happens where somebody else has taken it since."""
    notification = await store.find_claimed(tx, claimed)
    if notification is not None:
        await _settle(tx, notification, delivery, is_final=None)


async def hear_message(tx: Transaction, outcome: CallOutcome) -> None:
    """Keep what an attempt to put a message on the ticket came to."""
    notification = await store.find_locked(tx, outcome.call.call_id)
    if notification is None or notification.state in (State.SENT, State.FAILED):
        return
    await _settle(tx, notification, Delivery(fault=outcome.fault), is_final=outcome.is_final)
    if notification.state is State.CANCELLED and not outcome.is_final:
        # It was under way when it was cancelled, so the call could not be taken back then. Now it can and must be, for
        # this attempt is told as the last one.
        await delete_call(tx, outcome.call.call_id)


async def list_notifications(
    connection: AsyncConnection,
    *,
    ticket_id: UUID | None = None,
    run_id: UUID | None = None,
    state: State | None = None,
    after: UUID,
    limit: int,
) -> list[tuple[Notification, Sequence[Attempt]]]:
    """Notifications behind an id with their attempts, oldest first."""
    found = await store.list_page(connection, ticket_id=ticket_id, run_id=run_id, state=state, after=after, limit=limit)
    attempts = await store.list_attempts(connection, [each.notification_id for each in found])
    return [(each, attempts.get(each.notification_id, ())) for each in found]


async def _settle(tx: Transaction, notification: Notification, delivery: Delivery, *, is_final: bool | None) -> None:
    settled = settle(notification, delivery=delivery, at=tx.now, is_final=is_final)
    await store.save_attempt(tx.connection, settled.notification, settled.attempt)
    tx.add_events(subject_of("ticket", notification.ticket_id), [settled.told])


def _message(notification: Notification) -> Call:
    return Call(
        call_id=notification.notification_id,
        kind=CALL_KIND,
        aggregate_id=notification.notification_id,
        service="intake",
        method="POST",
        path=f"/v1/tickets/{notification.ticket_id}/messages",
        body={"direction": "internal", "body": notification.text},
    )


CALL_KINDS = (CallKind(kind=CALL_KIND, heard=hear_message),)
"""What this slice wants to hear of calls."""
