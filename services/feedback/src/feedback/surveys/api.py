"""Routes of surveys for those who work with them. The page of those who answer is in `public`."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from common.web import (
    CurrentConnection,
    CurrentTransaction,
    Cursor,
    IdempotencyKey,
    IfMatch,
    Limit,
    Page,
    ReadRoute,
    TransactionalRoute,
    decode_cursor,
    encode_cursor,
    needs_scope,
    set_etag,
)
from feedback.surveys import usecases
from feedback.surveys.domain import SurveyState
from feedback.surveys.schemas import AskBody, SurveyShown, show_survey

READ = needs_scope("feedback:read")
WRITE = needs_scope("feedback:write")

reads = APIRouter(prefix="/v1", route_class=ReadRoute, tags=["surveys"])
commands = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["surveys"])


@reads.get("/surveys", dependencies=[READ])
async def list_surveys(
    connection: CurrentConnection,
    ticket: Annotated[UUID | None, Query()] = None,
    requester: Annotated[UUID | None, Query()] = None,
    state: Annotated[SurveyState | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[SurveyShown]:
    """Surveys with their answers, the newest first."""
    found = await usecases.list_surveys(
        connection,
        ticket_id=ticket,
        requester_id=requester,
        state=state,
        before=decode_cursor(cursor, datetime, UUID),
        limit=limit + 1,
    )
    shown = found[:limit]
    last = shown[-1][0] if len(found) > limit else None
    return Page(
        items=[show_survey(survey, answers) for survey, answers in shown],
        next_cursor=encode_cursor(last.created_at, last.survey_id) if last else None,
    )


@reads.get("/surveys/{survey_id}", dependencies=[READ])
async def get_survey(survey_id: UUID, connection: CurrentConnection, response: Response) -> SurveyShown:
    """One survey with every version of its answer."""
    survey, answers = await usecases.get_survey(connection, survey_id)
    set_etag(response, survey.version)
    return show_survey(survey, answers)


@commands.post("/tickets/{ticket_id}/surveys", status_code=201, dependencies=[WRITE])
async def ask_about_ticket(
    ticket_id: UUID, command: AskBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> SurveyShown:
    """Ask about a ticket's last resolution now, whatever delay, sample and throttle say."""
    survey = await usecases.ask(tx, ticket_id, command.kind)
    response.headers["location"] = f"/v1/surveys/{survey.survey_id}"
    set_etag(response, survey.version)
    return show_survey(survey, [])


@commands.post("/surveys/{survey_id}/cancel", dependencies=[WRITE])
async def cancel_survey(survey_id: UUID, tx: CurrentTransaction, version: IfMatch, response: Response) -> SurveyShown:
    """Take a question back before it is answered."""
    survey = await usecases.cancel(tx, survey_id, if_match=version)
    set_etag(response, survey.version)
    return show_survey(survey, [])
