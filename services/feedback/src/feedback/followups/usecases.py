"""What can be done with follow-ups: follow answers and tickets, close, ask for a reopening, look."""

from collections.abc import Mapping, Sequence
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
from contracts.intake import TicketClosed, TicketReopened
from contracts.registry import decode_body
from feedback.followups import domain, store
from feedback.followups.domain import Followup, FollowupState, Move, Outcome
from feedback.tickets import usecases as tickets
from feedback.tickets.domain import Reopening, Ticket


async def follow_events(tx: Transaction, events: Sequence[Event]) -> None:
    """Apply a batch of answers, and of tickets that are open again or closed.

    Nothing is refused; a repeated answer changes nothing.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    bodies = [(event, decode_body(event)) for event in events]
    answers = {body.survey_id for _, body in bodies if isinstance(body, SurveyResponded | SurveyAmended)}
    moved = {body.ticket_id for _, body in bodies if isinstance(body, TicketReopened | TicketClosed)}
    # Under the tickets' locks no reopening can be missed: it is applied before this, and seen, or after it, and finds
    # what was asked for.
    of_events = sorted({UUID(event.subject_id) for event in events})
    standing = await tickets.lock_tickets(tx.connection, of_events)
    known = await store.lock_followups(tx.connection, survey_ids=sorted(answers), ticket_ids=sorted(moved))
    before = {each.survey_id: each for each in known}
    after = dict(before)
    for event, body in bodies:
        match body:
            case SurveyResponded() | SurveyAmended():
                reopening = _reopening(standing, body.ticket_id, body.resolution_seq, now=tx.now)
                followup = after.get(body.survey_id)
                moves = [domain.follow_answer(followup, body, reopening=reopening, followup_id=new_id(), at=event.time)]
            case TicketReopened() | TicketClosed():
                moves = [
                    domain.note_ticket(
                        each,
                        _reopening(standing, body.ticket_id, each.resolution_seq, now=tx.now),
                        at=event.time,
                    )
                    for each in after.values()
                    if each.ticket_id == body.ticket_id
                ]
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
        Conflict: `followup_closed`; `not_reopenable`: the ticket was opened again already, or can be no longer.
    """
    ticket_id = (await store.get_followup(tx.connection, followup_id)).ticket_id
    standing = await tickets.lock_tickets(tx.connection, [ticket_id])
    followup = await _lock(tx, followup_id, if_match)
    reopening = _reopening(standing, ticket_id, followup.resolution_seq, now=tx.now)
    return await _keep(tx, followup, domain.request_reopen(followup, reopening))


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
    states: Sequence[FollowupState],
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Followup]:
    """Follow-ups in any of these states, in all where none is given; those due first in front."""
    return await store.list_followups(connection, ticket_id=ticket_id, states=states, after=after, limit=limit)


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


def _reopening(standing: Mapping[UUID, Ticket], ticket_id: UUID, resolution_seq: int, *, now: datetime) -> Reopening:
    ticket = standing.get(ticket_id)
    # Nobody is asked about a ticket that is not known here; what was asked all the same is the lead's.
    return ticket.reopening_of(resolution_seq, now=now) if ticket else Reopening.TOO_LATE


def _tell(tx: Transaction, move: Move, event: Event) -> None:
    origin = caused_by(event, service="feedback")
    tx.add_events(f"ticket/{move.followup.ticket_id}", move.told, origin=origin)
