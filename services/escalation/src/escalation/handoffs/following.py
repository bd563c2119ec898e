"""A batch of routing's and intake's events, followed by the handoffs that they concern."""

from collections.abc import Sequence
from uuid import UUID

from common.backbone.consumer import caused_by
from common.transaction import Origin, Transaction
from contracts.envelope import Event
from contracts.registry import Body, decode_body
from escalation.handoffs import store
from escalation.handoffs.domain import Handoff
from escalation.handoffs.hearing import concerned, hear
from escalation.handoffs.keeping import Kept, keep


async def follow_handoffs(tx: Transaction, events: Sequence[Event]) -> None:
    """Fold events, in their order per ticket and source, onto handoffs; refuses nothing.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    heard = [(event, body) for event in events if (body := decode_body(event)) is not None]
    named = {named for _, body in heard if (named := getattr(body, "handoff_id", None)) is not None}
    tickets = {UUID(event.subject_id) for event, _ in heard}
    found = await store.lock_concerned(tx.connection, ids=sorted(named), ticket_ids=sorted(tickets))
    if not found:
        return
    before = {handoff.handoff_id: handoff for handoff in found}
    after: dict[UUID, dict[UUID, Handoff]] = {}
    for handoff in found:
        after.setdefault(handoff.ticket_id, {})[handoff.handoff_id] = handoff
    told: dict[UUID, list[tuple[Body, Origin]]] = {}
    for event, body in heard:
        ours = after.get(UUID(event.subject_id), {})
        origin = caused_by(event, service="escalation")
        for handoff in concerned(list(ours.values()), body):
            decision = hear(handoff, body, at=event.time)
            ours[handoff.handoff_id] = decision.handoff
            told.setdefault(handoff.handoff_id, []).extend((each, origin) for each in decision.events)
    now = {handoff_id: handoff for ours in after.values() for handoff_id, handoff in ours.items()}
    await keep(tx, [_kept(before[handoff_id], now[handoff_id], told.get(handoff_id, [])) for handoff_id in before])


def _kept(before: Handoff, after: Handoff, told: Sequence[tuple[Body, Origin]]) -> Kept:
    return Kept(before=before, after=after, told=tuple(told))
