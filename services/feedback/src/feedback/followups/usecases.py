"""What can be done with follow-ups: follow answers and reopenings, close, ask for a reopening, look."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.backbone.consumer import caused_by
from common.errors import StaleVersion
from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.feedback import SurveyAmended, SurveyResponded
from contracts.intake import TicketReopened
from contracts.registry import decode_body
from feedback.followups import domain, store
from feedback.followups.domain import Followup, FollowupState, Move, Outcome


async def follow_events(tx: Transaction, events: Sequence[Event]) -> None:
    """Apply a batch of answers and reopenings. Nothing is refused; a repeated answer changes nothing.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    bodies = [(event, decode_body(event)) for event in events]
    answers = {body.survey_id for _, body in bodies if isinstance(body, SurveyResponded | SurveyAmended)}
    reopened = {body.ticket_id for _, body in bodies if isinstance(body, TicketReopened)}
    known = await store.lock_followups(tx.connection, survey_ids=sorted(answers), ticket_ids=sorted(reopened))
    before = {each.survey_id: each for each in known}
    after = dict(before)
    for event, body in bodies:
        match body:
            case SurveyResponded() | SurveyAmended():
                standing = after.get(body.survey_id)
                moves = [domain.follow_answer(standing, body, followup_id=new_id(), at=event.time)]
            case TicketReopened():
                of_ticket = [each for each in after.values() if each.ticket_id == body.ticket_id]
                moves = [domain.note_reopened(each, at=event.time) for each in of_ticket]
            case _:
                moves = []
        for move in moves:
            if move is not None:
                after[move.followup.survey_id] = move.followup
                _tell(tx, move, event)
    changed = [each for survey_id, each in after.items() if before.get(survey_id) != each]
    if changed:
        await store.save_followups(tx.connection, changed)


async def close(tx: Transaction, followup_id: UUID, *, if_match: int, outcome: Outcome, note: str) -> Followup:
    """End the task.

    Raises:
        NotFound: there is no such follow-up.
        StaleVersion: `if_match` is not its version.
        Conflict: `followup_closed`, with another outcome.
    """
    followup = await _lock(tx, followup_id, if_match)
    return await _keep(tx, followup, domain.close(followup, outcome, note=note, by=tx.origin.actor, at=tx.now))


async def request_reopen(tx: Transaction, followup_id: UUID, *, if_match: int) -> Followup:
    """The person agreed, for instance on the telephone, that the ticket is opened again.

    Raises:
        NotFound: there is no such follow-up.
        StaleVersion: `if_match` is not its version.
        Conflict: `followup_closed`.
    """
    followup = await _lock(tx, followup_id, if_match)
    return await _keep(tx, followup, domain.request_reopen(followup))


async def get_followup(connection: AsyncConnection, followup_id: UUID) -> Followup:
    """One follow-up.

    Raises:
        NotFound: there is none of that id.
    """
    return await store.get_followup(connection, followup_id)


async def list_followups(
    connection: AsyncConnection,
    *,
    ticket_id: UUID | None,
    state: FollowupState | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Followup]:
    """Follow-ups, those due first in front."""
    return await store.list_followups(connection, ticket_id=ticket_id, state=state, after=after, limit=limit)


async def _lock(tx: Transaction, followup_id: UUID, if_match: int) -> Followup:
    followup = await store.get_followup(tx.connection, followup_id, lock=True)
    if followup.version != if_match:
        raise StaleVersion
    return followup


async def _keep(tx: Transaction, before: Followup, move: Move) -> Followup:
    if move.followup == before:
        return before
    kept = replace(move.followup, version=before.version + 1)
    await store.save_followups(tx.connection, [kept])
    tx.add_events(f"ticket/{kept.ticket_id}", move.told)
    return kept


def _tell(tx: Transaction, move: Move, event: Event) -> None:
    origin = caused_by(event, service="feedback")
    tx.add_events(f"ticket/{move.followup.ticket_id}", move.told, origin=origin)
