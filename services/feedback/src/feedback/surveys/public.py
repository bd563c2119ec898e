"""The routes of those who answer: anybody who holds the link. Looking never writes; only a POST or a PATCH does."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Response
from fastapi.responses import RedirectResponse

from common.web import (
    CurrentConnection,
    CurrentDatabase,
    CurrentSubmission,
    CurrentTransaction,
    ReadRoute,
    ResponseModel,
    TransactionalRoute,
    public,
)
from feedback.surveys import answering
from feedback.surveys.pages import HEADERS, show_opted_out, show_page, show_refusal
from feedback.surveys.schemas import AmendmentBody, SheetShown, SubmissionBody, read_submission, show_sheet

ANYBODY = public(show_refusal)
Token = Annotated[str, Path(min_length=1, max_length=200, description="the secret of the link")]
Languages = Annotated[str, Header(alias="accept-language", max_length=4_000)]
_FORM = "application/x-www-form-urlencoded"
_HTML: dict[str, Any] = {"text/html": {"schema": {"type": "string"}}}
_PROBLEM: dict[str, Any] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_PAGE: dict[int | str, dict[str, Any]] = {200: {"description": "The page", "content": _HTML}}
_MEANINGS = {
    400: "The answer does not fit its description.",
    404: "No survey has this link.",
    409: "Another answer stands already, there is none to change yet, or it can no longer be changed.",
    410: "The survey has ended: it expired or was taken back.",
    500: "Something failed here; nothing was changed.",
    503: "A server that we need is away: repeat.",
}
_BODY_MEANINGS = {
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is neither JSON nor a form.",
}


def _refusals(meanings: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """Every refusal is a page for people and a problem document for programs."""
    return {status: {"description": text, "content": _HTML | _PROBLEM} for status, text in meanings.items()}


def _body(model: type[SubmissionBody | AmendmentBody], *media_types: str) -> dict[str, Any]:
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {each: {"schema": schema} for each in media_types}}}


class OptedOutShown(ResponseModel):
    """The person is not asked any more."""

    opted_out: bool = True


reads = APIRouter(prefix="/s", route_class=ReadRoute, tags=["survey page"])
commands = APIRouter(prefix="/s", route_class=TransactionalRoute, tags=["survey page"])


@reads.get("/{token}", dependencies=[ANYBODY], response_class=Response, responses=_PAGE | _refusals(_MEANINGS))
async def show_survey_page(
    token: Token, connection: CurrentConnection, database: CurrentDatabase, accepted: Languages = ""
) -> Response:
    """The page of a survey. Opening it records nothing, however often and by whomever."""
    sheet = await answering.look(connection, token, now=database.clock.now())
    return show_page(sheet, path=f"/s/{token}", accepted=accepted)


@reads.api_route("/{token}", methods=["HEAD"], dependencies=[ANYBODY], include_in_schema=False)
async def probe_survey_page(
    token: Token, connection: CurrentConnection, database: CurrentDatabase, accepted: Languages = ""
) -> Response:
    """What GET answers, for scanners of mails; HTTP leaves the body out."""
    return await show_survey_page(token, connection, database, accepted)


@commands.post(
    "/{token}/response",
    dependencies=[ANYBODY],
    openapi_extra=_body(SubmissionBody, "application/json", _FORM),
    responses=_refusals(_MEANINGS | _BODY_MEANINGS) | {303: {"description": "A form was taken; back to the page"}},
)
async def answer_survey(
    token: Token, tx: CurrentTransaction, submission: CurrentSubmission, response: Response
) -> SheetShown:
    """Answer, or change the answer that `amends` names. A repeat changes nothing. A form is sent back to the page."""
    sheet = await answering.answer(tx, token, read_submission(submission, SubmissionBody))
    if submission.form is not None:
        return RedirectResponse(f"/s/{token}", status_code=303, headers=dict(HEADERS))  # pyright: ignore[reportReturnType] - FastAPI sends a Response as it is
    response.headers.update(HEADERS)
    return show_sheet(sheet)


@commands.patch(
    "/{token}/response",
    dependencies=[ANYBODY],
    openapi_extra=_body(AmendmentBody, "application/json"),
    responses=_refusals(_MEANINGS | _BODY_MEANINGS),
)
async def amend_survey_answer(
    token: Token, tx: CurrentTransaction, submission: CurrentSubmission, response: Response
) -> SheetShown:
    """Change the answer that `amends` names, within 24 hours of the first one; every version is kept."""
    sheet = await answering.answer(tx, token, read_submission(submission, AmendmentBody))
    response.headers.update(HEADERS)
    return show_sheet(sheet)


@commands.post(
    "/{token}/opt-out",
    dependencies=[ANYBODY],
    responses=_refusals(_MEANINGS | _BODY_MEANINGS) | {200: {"content": _HTML}},
)
async def opt_out_of_surveys(
    token: Token, tx: CurrentTransaction, submission: CurrentSubmission, response: Response, accepted: Languages = ""
) -> OptedOutShown:
    """Never ask this person again, and take back what they were still to answer."""
    survey = await answering.opt_out(tx, token)
    if submission.form is not None:
        return show_opted_out(survey, accepted=accepted)  # pyright: ignore[reportReturnType] - FastAPI sends a Response as it is
    response.headers.update(HEADERS)
    return OptedOutShown()
