"""What callers get about notifications."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from common.web import ResponseModel
from escalation.notifications.domain import Attempt, Channel, Notification, State


class AttemptShown(ResponseModel):
    """One attempt; `fault` is empty where it succeeded."""

    attempt: int
    at: datetime
    fault: str


class NotificationShown(ResponseModel):
    """A notification. `target` says who is meant; the address itself is shown to nobody."""

    notification_id: UUID
    ticket_id: UUID
    run_id: UUID | None
    step: int | None
    channel: Channel
    target: str
    subject: str
    text: str
    state: State
    created_at: datetime
    ended_at: datetime | None
    attempts: list[AttemptShown]


def show(notification: Notification, attempts: Sequence[Attempt]) -> NotificationShown:
    """The body of a notification."""
    return NotificationShown(
        notification_id=notification.notification_id,
        ticket_id=notification.ticket_id,
        run_id=notification.run_id,
        step=notification.step,
        channel=notification.channel,
        target=notification.target,
        subject=notification.subject,
        text=notification.text,
        state=notification.state,
        created_at=notification.created_at,
        ended_at=notification.ended_at,
        attempts=[AttemptShown(attempt=each.attempt, at=each.at, fault=each.fault) for each in attempts],
    )
