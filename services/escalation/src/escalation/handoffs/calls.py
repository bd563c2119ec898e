"""How the customer learns who helps now: the receiver's name from routing, then a message in intake."""

from collections.abc import Mapping
from dataclasses import replace

from common.calls import Call, CallKind, CallOutcome, add_calls
from common.transaction import Transaction
from escalation.handoffs import store
from escalation.handoffs.domain import State
from escalation.handoffs.keeping import NOTICE_CALL, RECEIVER_CALL
from escalation.handoffs.wording import say_who_helps
from escalation.tickets.usecases import find_ticket

_HELD = frozenset({State.ACCEPTED, State.COMPLETED})
_MAX_NAME = 200


async def hear_receiver(tx: Transaction, outcome: CallOutcome) -> None:
    """Write the message, with the name where routing gave one, unless ticket or handoff moved on meanwhile."""
    if not outcome.ok and not outcome.is_final:
        return
    handoff = await store.get_handoff(tx.connection, outcome.call.aggregate_id)
    ticket = await find_ticket(tx.connection, handoff.ticket_id)
    if ticket is None or ticket.is_finished or handoff.state not in _HELD:
        return
    body = say_who_helps(
        language=ticket.language,
        number=ticket.number,
        tier=handoff.receiver_tier or 1,
        is_complete=handoff.package_completed_at is not None,
        name=_name_in(outcome.answer) if outcome.ok else "",
    )
    notice = Call(
        # Its own id as the key, as for everything that a service says to a customer.
        call_id=handoff.handoff_id,
        kind=NOTICE_CALL,
        aggregate_id=handoff.handoff_id,
        service="intake",
        method="POST",
        path=f"/v1/tickets/{handoff.ticket_id}/messages",
        body={"direction": "outbound", "body": body},
    )
    await add_calls(tx, [notice])


async def hear_notice(tx: Transaction, outcome: CallOutcome) -> None:
    """Note when the customer was told; a repeat changes nothing."""
    if not outcome.ok:
        return
    handoff = await store.lock_handoff(tx.connection, outcome.call.aggregate_id)
    if handoff.customer_informed_at is None:
        await store.save_handoffs(tx.connection, [replace(handoff, customer_informed_at=tx.now)])


def _name_in(answer: object) -> str:
    if not isinstance(answer, Mapping):
        return ""
    name: object = answer.get("name")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON of another service
    return name.strip()[:_MAX_NAME] if isinstance(name, str) else ""


CALL_KINDS = (
    CallKind(kind=RECEIVER_CALL, heard=hear_receiver),
    CallKind(kind=NOTICE_CALL, heard=hear_notice),
)
"""For the caller's role."""
