"""Reminding the sender of an emergency of what its package lacks."""

from dataclasses import replace
from uuid import UUID

from common.transaction import Transaction
from escalation.handoffs import store
from escalation.handoffs.keeping import Kept, keep
from escalation.handoffs.package import missing
from escalation.handoffs.wording import say_package_is_due
from escalation.notifications.domain import Channel, NewNotification
from escalation.notifications.usecases import notify
from escalation.tickets.usecases import find_ticket


async def remind_due(tx: Transaction, handoff_id: UUID, _generation: int) -> None:
    """Say once, on the ticket, that the package is due; nothing where it has come, or nobody needs it any more."""
    handoff = await store.lock_handoff(tx.connection, handoff_id)
    ticket = await find_ticket(tx.connection, handoff.ticket_id)
    if not handoff.owes_package or ticket is None or ticket.is_finished:
        return
    subject, text = say_package_is_due(
        handoff_id=handoff_id,
        number=ticket.number,
        sender_id=handoff.from_agent_id,
        lacking=missing(handoff.package),
    )
    reminder = NewNotification(
        ticket_id=handoff.ticket_id,
        channel=Channel.MESSAGE,
        address="",
        target="sender",
        subject=subject,
        text=text,
        facts={},
    )
    await notify(tx, [reminder])
    await keep(tx, [Kept(before=handoff, after=replace(handoff, package_reminded_at=tx.now))])
