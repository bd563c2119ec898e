"""What can be done with surveys by services and agents: follow tickets, ask by hand, take back, look."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.backbone.consumer import caused_by
from common.errors import Conflict, NotFound, StaleVersion
from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.intake import TicketReopened, TicketResolved
from feedback.policies import usecases as policies
from feedback.policies.domain import PolicyVersion, SurveyKind
from feedback.surveys import life, store
from feedback.surveys.domain import UNANSWERED, Answer, Survey, SurveyState
from feedback.surveys.life import Circumstances, Move
from feedback.surveys.sending import keep
from feedback.tickets import usecases as tickets
from feedback.tickets.usecases import TicketChange


async def follow_tickets(tx: Transaction, events: Sequence[Event]) -> None:
    """Apply a batch of events: plan a survey for each resolution, take it back at a reopening.

    Nothing is refused. A repeated resolution changes nothing: it has its surveys.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    changes = await tickets.follow_tickets(tx, events)
    decisive = [change for change in changes if isinstance(change.body, TicketResolved | TicketReopened)]
    if not decisive:
        return
    active = await policies.list_active(tx.connection)
    before = await store.lock_surveys_of(tx.connection, sorted({change.after.ticket_id for change in decisive}))
    around = await _look_around(tx, sorted({change.after.requester_id for change in decisive}))
    surveys = {survey.key: survey for survey in before}
    moves: list[Move] = []
    for change in decisive:
        if isinstance(change.body, TicketReopened):
            found = [each for each in surveys.values() if each.ticket_id == change.after.ticket_id]
            made = [life.cancel(each, "reopened") for each in found if each.state in UNANSWERED]
        else:
            made = [
                move
                for move in _plan(change, active, around[change.after.requester_id], now=tx.now)
                if move.survey.key not in surveys
            ]
        surveys.update({move.survey.key: move.survey for move in made})
        moves += made
    await keep(tx, before, moves)


async def ask(tx: Transaction, ticket_id: UUID, kind: SurveyKind) -> Survey:
    """Ask about a ticket's last resolution now, whatever sample, throttle and delay say.

    Raises:
        NotFound: the ticket is not known here.
        Conflict: `not_resolved`; `survey_exists`: it was asked, or is about to be; `no_policy`: no active policy of
            this kind matches; or the code of a suppression that holds even so.
    """
    # Locked before anything else, as the consumer does: a reopening is seen here, or finds what is planned here.
    ticket = (await tickets.lock_tickets(tx.connection, [ticket_id])).get(ticket_id)
    if ticket is None:
        raise NotFound("there is no such ticket")
    if not ticket.is_at(ticket.resolution_seq):
        raise Conflict("only a resolved ticket can be asked about", code="not_resolved")
    active = await policies.list_active(tx.connection)
    policy = next((each for each in policies.choose_policies(active, ticket.facts()) if each.kind is kind), None)
    if policy is None:
        raise Conflict(f"no survey policy of kind {kind} matches the ticket", code="no_policy")
    await store.lock_person(tx.connection, ticket.requester_id)
    before = await store.lock_surveys_of(tx.connection, [ticket_id])
    around = (await _look_around(tx, [ticket.requester_id]))[ticket.requester_id]
    correlation_id = tx.origin.correlation_id
    move = life.plan(ticket, policy, around, survey_id=new_id(), now=tx.now, correlation_id=correlation_id, manual=True)
    if move.survey.state is SurveyState.SUPPRESSED:
        raise Conflict(f"this person is not asked: {move.survey.reason}", code=move.survey.reason)
    standing = next((each for each in before if each.key == move.survey.key), None)
    if standing is not None and standing.state is not SurveyState.SUPPRESSED:
        raise Conflict(f"there is a survey of this resolution: {standing.state}", code="survey_exists")
    if standing is not None:
        move = life.revive(standing, move)
    await keep(tx, before, [move])
    return move.survey


async def cancel(tx: Transaction, survey_id: UUID, *, if_match: int) -> Survey:
    """Take a question back before it is answered; one that was taken back already stays so.

    Raises:
        NotFound: there is no such survey.
        StaleVersion: `if_match` is not its version.
        Conflict: `survey_ended`.
    """
    survey = await store.get_survey(tx.connection, survey_id, lock=True)
    if survey.version != if_match:
        raise StaleVersion
    if survey.state is SurveyState.CANCELLED:
        return survey
    if survey.state not in UNANSWERED:
        raise Conflict(f"the survey is {survey.state}", code="survey_ended")
    move = life.cancel(replace(survey, version=survey.version + 1), "manual")
    await keep(tx, [survey], [move])
    return move.survey


async def get_survey(connection: AsyncConnection, survey_id: UUID) -> tuple[Survey, list[Answer]]:
    """One survey with every version of its answer, the first one first.

    Raises:
        NotFound: there is no such survey.
    """
    survey = await store.get_survey(connection, survey_id)
    return survey, (await store.list_answers(connection, [survey_id])).get(survey_id, [])


async def list_surveys(
    connection: AsyncConnection,
    *,
    ticket_id: UUID | None,
    requester_id: UUID | None,
    state: SurveyState | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[tuple[Survey, list[Answer]]]:
    """Surveys with their answers, the newest first."""
    found = await store.list_surveys(
        connection, ticket_id=ticket_id, requester_id=requester_id, state=state, before=before, limit=limit
    )
    answers = await store.list_answers(connection, [survey.survey_id for survey in found])
    return [(survey, answers.get(survey.survey_id, [])) for survey in found]


def _plan(change: TicketChange, active: Sequence[PolicyVersion], around: Circumstances, *, now: datetime) -> list[Move]:
    ticket = change.after
    origin = caused_by(change.event, service="feedback")
    return [
        life.plan(ticket, policy, around, survey_id=new_id(), now=now, correlation_id=origin.correlation_id)
        for policy in policies.choose_policies(active, ticket.facts())
    ]


async def _look_around(tx: Transaction, requester_ids: Sequence[UUID]) -> dict[UUID, Circumstances]:
    people = await tickets.list_people(tx.connection, requester_ids)
    colleagues = await tickets.list_colleagues(tx.connection, requester_ids)
    opted_out = await store.list_opted_out(tx.connection, requester_ids)
    return {
        each: Circumstances(person=people.get(each), is_agent=each in colleagues, opted_out=each in opted_out)
        for each in requester_ids
    }
