"""What a person can do by a link: look, answer, change the answer, and ask not to be asked again."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Transaction
from feedback.ownership.usecases import shares
from feedback.surveys import life, store
from feedback.surveys.domain import (
    ASKED,
    AlreadyAnswered,
    Answer,
    AnswerFixed,
    LinkEnded,
    NotAnswered,
    Submission,
    Survey,
    SurveyState,
    UnknownLink,
    compose,
    tell_answer,
)
from feedback.surveys.life import Move
from feedback.surveys.sending import hash_token, keep
from feedback.tickets import usecases as tickets
from feedback.tickets.domain import Reopening

_OPTED_OUT = "opted_out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """What a link shows.

    Attributes:
        answer: the one that stands.
        can_amend: it may be changed.
        asks_consent: the score is bad, the ticket may be opened again, and the person has not said whether it shall be.
        reopens: the person agreed, and the ticket is opened again for it, or was already.
    """

    survey: Survey
    answer: Answer | None
    can_amend: bool
    asks_consent: bool
    reopens: bool


async def look(connection: AsyncConnection, token: str, *, now: datetime) -> Sheet:
    """What the link shows; nothing is written.

    Raises:
        UnknownLink: no survey has this link.
        LinkEnded: its survey has expired or was taken back.
    """
    survey = await store.get_survey(connection, await _find(connection, token))
    _check_open(survey, now=now)
    answers = await store.list_answers(connection, [survey.survey_id])
    return await _sheet(connection, survey, answers.get(survey.survey_id, [])[-1:], now=now)


async def answer(tx: Transaction, token: str, given: Submission) -> Sheet:
    """Take an answer, or change the one that stands. What says the same as the one that stands changes nothing.

    Raises:
        UnknownLink, LinkEnded: see `look`.
        InvalidInput: see `compose`.
        NotAnswered: the submission names a version, and there is none.
        AlreadyAnswered: another answer stands than the one that the submission names.
        AnswerFixed: the answer can no longer be changed.
    """
    survey = await store.get_survey(tx.connection, await _find(tx.connection, token), lock=True)
    _check_open(survey, now=tx.now)
    answers = (await store.list_answers(tx.connection, [survey.survey_id])).get(survey.survey_id, [])
    standing = answers[-1] if answers else None
    if standing is None and given.amends is not None:
        raise NotAnswered
    composed = compose(survey, given, _foundation(given, answers), now=tx.now)
    if standing is not None and composed.says_same(standing):
        return await _sheet(tx.connection, survey, [standing], now=tx.now)
    if standing is not None:
        _check_amends(survey, given, standing, now=tx.now)
    await store.add_answer(tx.connection, composed)
    answered = replace(
        survey,
        state=SurveyState.ANSWERED,
        answered_at=survey.answered_at or tx.now,
        answer_version=composed.version,
    )
    attribution = await shares(tx.connection, survey.ticket_id, until=survey.resolved_at)
    # Who answers is the person, whoever carried the request here.
    tx.origin = msgspec.structs.replace(tx.origin, actor=f"requester:{survey.requester_id}")
    await keep(tx, [survey], [Move(survey=answered, told=(tell_answer(survey, composed, attribution),))])
    return await _sheet(tx.connection, answered, [composed], now=tx.now)


async def opt_out(tx: Transaction, token: str) -> Survey:
    """Never ask this person again, and take back what they were still to answer.

    Any link of theirs will do, also that of a survey that has ended; a repeat changes nothing.

    Raises:
        UnknownLink: no survey has this link.
    """
    survey = await store.get_survey(tx.connection, await _find(tx.connection, token))
    if await store.lock_person(tx.connection, survey.requester_id) is not None:
        return survey
    await store.save_opt_out(tx.connection, survey.requester_id, now=tx.now)
    unanswered = await store.lock_unanswered_of(tx.connection, survey.requester_id)
    tx.origin = msgspec.structs.replace(tx.origin, actor=f"requester:{survey.requester_id}")
    await keep(tx, unanswered, [life.cancel(each, _OPTED_OUT) for each in unanswered])
    return survey


async def _find(connection: AsyncConnection, token: str) -> UUID:
    found = await store.find_linked(connection, hash_token(token))
    if found is None:
        raise UnknownLink
    return found


def _check_open(survey: Survey, *, now: datetime) -> None:
    if survey.state is SurveyState.CANCELLED:
        code = "survey_opted_out" if survey.reason == _OPTED_OUT else "survey_cancelled"
        raise LinkEnded("this survey was taken back", code=code)
    # The timer that ends it may be late. An answer may be looked at for as long as it may be changed.
    late = survey.expires_at is not None and now >= survey.expires_at and not survey.can_amend(now)
    if late or survey.state not in (*ASKED, SurveyState.ANSWERED):
        raise LinkEnded("the time for an answer is over")


def _foundation(given: Submission, answers: list[Answer]) -> Answer | None:
    """The answer that a submission adds to: the one it names; a first answer, also a repeated one, adds to none."""
    if given.amends is None:
        return None
    return next((each for each in answers if each.version == given.amends), None)


def _check_amends(survey: Survey, given: Submission, standing: Answer, *, now: datetime) -> None:
    if given.amends != standing.version:
        raise AlreadyAnswered
    if not survey.can_amend(now):
        raise AnswerFixed


async def _sheet(connection: AsyncConnection, survey: Survey, answers: list[Answer], *, now: datetime) -> Sheet:
    standing = answers[0] if answers else None
    can_amend = standing is not None and survey.can_amend(now)
    asks_consent = reopens = False
    if standing is not None and standing.is_bad(survey.kind) and standing.reopen_consent is not False:
        ticket = (await tickets.list_tickets(connection, [survey.ticket_id]))[survey.ticket_id]
        reopening = ticket.reopening_of(survey.resolution_seq, now=now)
        asks_consent = standing.reopen_consent is None and can_amend and reopening is Reopening.POSSIBLE
        reopens = standing.reopen_consent is True and reopening is not Reopening.TOO_LATE
    return Sheet(survey=survey, answer=standing, can_amend=can_amend, asks_consent=asks_consent, reopens=reopens)
