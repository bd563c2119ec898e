"""What callers send and get about surveys. Every text, list and number has a limit."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StrictBool, StrictInt, ValidationError

from common.web import CommandModel, ResponseModel, Submission, from_validation
from feedback.policies.domain import SCALES, SurveyKind
from feedback.surveys import domain
from feedback.surveys.answering import Sheet
from feedback.surveys.domain import AMENDABLE, MAX_COMMENT, REASONS, Answer, Survey

State = Literal["scheduled", "sending", "sent", "answered", "suppressed", "expired", "cancelled"]
Reason = Literal["solution", "speed", "clarity", "friendliness", "effort"]
Version = Annotated[StrictInt, Field(ge=1, le=2**15 - 1, description="the version of the answer that is changed")]
_CONSENT = {"yes": True, "no": False}
_ONCE = ("score", "comment", "reopen_consent", "amends")


class AskBody(CommandModel):
    """Ask about a ticket's last resolution."""

    kind: SurveyKind = SurveyKind.CSAT_5


class AnswerBody(CommandModel):
    """What an answer says. Which scores there are depends on the kind of the survey."""

    score: Annotated[StrictInt | None, Field(ge=0, le=10)] = None
    comment: Annotated[str | None, Field(max_length=MAX_COMMENT)] = None
    reasons: Annotated[list[Reason] | None, Field(max_length=len(REASONS))] = None
    reopen_consent: Annotated[
        StrictBool | None, Field(description="after a bad score: whether the ticket is to be opened again")
    ] = None

    def submission(self, amends: int | None) -> domain.Submission:
        """What the use case takes."""
        return domain.Submission(
            score=self.score,
            comment=self.comment.strip() if self.comment is not None else None,
            reasons=tuple(dict.fromkeys(self.reasons)) if self.reasons is not None else None,
            reopen_consent=self.reopen_consent,
            amends=amends,
        )


class SubmissionBody(AnswerBody):
    """An answer, or with `amends` a change of the version that it names."""

    amends: Version | None = None

    def wanted(self) -> domain.Submission:
        """What the use case takes."""
        return self.submission(self.amends)


class AmendmentBody(AnswerBody):
    """A change of the answer that stands; what is absent stays."""

    amends: Version

    def wanted(self) -> domain.Submission:
        """What the use case takes."""
        return self.submission(self.amends)


class AnswerShown(ResponseModel):
    """A version of an answer, as agents see it."""

    version: int
    score: int
    normalised: float
    is_positive: bool
    comment: str
    reasons: list[str]
    reopen_consent: bool | None
    answered_at: datetime


class SurveyShown(ResponseModel):
    """A survey. `answers`: every version, the first one first; the last one stands."""

    survey_id: UUID
    ticket_id: UUID
    resolution_seq: int
    requester_id: UUID
    kind: SurveyKind
    policy_id: UUID
    policy_version: int
    state: State
    reason: str
    language: str
    manual: bool
    due_at: datetime
    sent_at: datetime | None
    message_id: UUID | None
    reminded_at: datetime | None
    expires_at: datetime | None
    answered_at: datetime | None
    answers: list[AnswerShown]
    version: int
    created_at: datetime


class SheetShown(ResponseModel):
    """What a person has answered. `version` goes into `amends` of a change."""

    kind: SurveyKind
    score: int
    scale_min: int
    scale_max: int
    version: int
    reopen_consent: bool | None
    asks_consent: bool = Field(description="we would like to know whether to open the ticket again")
    reopens: bool = Field(description="you agreed to it, and the ticket is opened again")
    amendable_until: datetime | None


def read_submission(given: Submission, body: type[SubmissionBody | AmendmentBody]) -> domain.Submission:
    """The submission in a request, sent as JSON or as a form.

    Raises:
        InvalidInput: it does not fit `body`.
    """
    document = given.document if given.form is None else _from_form(given.form)
    try:
        return body.model_validate(document).wanted()
    except ValidationError as faults:
        found = [{**fault, "loc": ("body", *fault["loc"])} for fault in faults.errors()]
        raise from_validation(found) from None  # pydantic's text would show the comment


def show_survey(survey: Survey, answers: Sequence[Answer]) -> SurveyShown:
    """The survey as agents see it."""
    scale = SCALES[survey.kind]
    return SurveyShown(
        survey_id=survey.survey_id,
        ticket_id=survey.ticket_id,
        resolution_seq=survey.resolution_seq,
        requester_id=survey.requester_id,
        kind=survey.kind,
        policy_id=survey.policy_id,
        policy_version=survey.policy_version,
        state=survey.state.value,
        reason=survey.reason,
        language=survey.language,
        manual=survey.manual,
        due_at=survey.due_at,
        sent_at=survey.sent_at,
        message_id=survey.message_id,
        reminded_at=survey.reminded_at,
        expires_at=survey.expires_at,
        answered_at=survey.answered_at,
        answers=[
            AnswerShown(
                version=each.version,
                score=each.score,
                normalised=scale.normalise(each.score),
                is_positive=scale.is_positive(each.score),
                comment=each.comment,
                reasons=list(each.reasons),
                reopen_consent=each.reopen_consent,
                answered_at=each.answered_at,
            )
            for each in answers
        ],
        version=survey.version,
        created_at=survey.created_at,
    )


def show_sheet(sheet: Sheet) -> SheetShown:
    """The answer as the person who gave it sees it."""
    assert sheet.answer is not None, "only an answered survey is shown"
    scale = SCALES[sheet.survey.kind]
    answered_at = sheet.survey.answered_at
    return SheetShown(
        kind=sheet.survey.kind,
        score=sheet.answer.score,
        scale_min=scale.least,
        scale_max=scale.most,
        version=sheet.answer.version,
        reopen_consent=sheet.answer.reopen_consent,
        asks_consent=sheet.asks_consent,
        reopens=sheet.reopens,
        amendable_until=answered_at + AMENDABLE if sheet.can_amend and answered_at else None,
    )


def _from_form(form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The same document as JSON would bring: a form has texts only, one for each box that was ticked."""
    document: dict[str, Any] = {name: list(values) for name, values in form.items() if name not in _ONCE}
    for name in _ONCE:
        values = form.get(name, [])
        if len(values) == 1:
            document[name] = _typed(name, values[0])
        elif values:
            document[name] = list(values)  # given twice: refused by its type
    if "comment" in document and isinstance(document["comment"], str):
        document["comment"] = document["comment"].replace("\r\n", "\n")
        # A form without a tick sends no reasons at all, and means that there are none.
        document.setdefault("reasons", [])
    return document


def _typed(name: str, value: str) -> object:
    if name == "comment":
        return value
    if name == "reopen_consent":
        return _CONSENT.get(value, value)
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 6 else value
