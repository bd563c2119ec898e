"""A follow-up and its moves. A survey has at most one, which follows its answer: it may end, and be opened again."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from common.errors import Conflict
from contracts.feedback import AnswerBody, FollowupClosed, FollowupOpened, FollowupReopenRequested
from contracts.registry import Body
from feedback.policies.domain import SCALES, SurveyKind

_SATURDAY = 5
MAX_NOTE = 2_000
"""Characters."""


class FollowupState(StrEnum):
    """Reopen requested: the person agreed, and intake is to open the ticket."""

    OPEN = "open"
    REOPEN_REQUESTED = "reopen_requested"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a follow-up ended; the last two also by themselves."""

    CONTACTED = "contacted"
    APOLOGISED = "apologised"
    COACHED = "coached"
    NO_ACTION = "no_action"
    REOPENED = "reopened"
    SCORE_IMPROVED = "score_improved"


@dataclass(frozen=True, kw_only=True, slots=True)
class Followup:
    """A task.

    Attributes:
        score: the last one that the person gave.
        answer_version: of the answer that was followed last.
        consented: that answer agrees that the ticket is opened again.
        agent_id: who had the largest part in the answer; None where nobody did.
        note: what the lead wrote; it may speak of the person, whose id the row carries.
        closed_by: "agent:<id>", "client:<id>" or "service:feedback".
        version: counts commands, for If-Match.
    """

    followup_id: UUID
    survey_id: UUID
    ticket_id: UUID
    requester_id: UUID
    resolution_seq: int
    kind: SurveyKind
    score: int
    answer_version: int
    consented: bool
    agent_id: UUID | None
    state: FollowupState
    outcome: str = ""
    note: str = ""
    closed_by: str = ""
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A follow-up after a move, with the events of it."""

    followup: Followup
    told: tuple[Body, ...] = ()


def one_business_day_after(moment: datetime) -> datetime:
    """A day later, Saturdays and Sundays (in UTC) not counted: from within a weekend, the end of Monday."""
    if moment.weekday() >= _SATURDAY:
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=7 - moment.weekday() + 1)
    due_at = moment + timedelta(days=1)
    return due_at + timedelta(days=2) if due_at.weekday() >= _SATURDAY else due_at


def is_bad(answer: AnswerBody) -> bool:
    """Whether somebody should look after the person; a kind of a later release is not ours to judge."""
    return answer.kind in SCALES and SCALES[SurveyKind(answer.kind)].is_bad(answer.score)


def follow_answer(followup: Followup | None, answer: AnswerBody, *, followup_id: UUID, at: datetime) -> Move | None:
    """What an answer, first or amended, does: opens, closes or changes the survey's follow-up; None: nothing.

    A closed one is opened again where the score had improved and is bad anew, or where the person agrees only now that
    the ticket is opened again. A consent that an amendment repeats is none anew.

    Args:
        followup: the survey's, if it has one.
        followup_id: for a new one.
    """
    if followup is None:
        return _open(_new(answer, followup_id, at), consents=answer.reopen_consent, at=at) if is_bad(answer) else None
    if answer.version <= followup.answer_version:
        return None
    renewed = replace(followup, score=answer.score, answer_version=answer.version, consented=answer.reopen_consent)
    closed = followup.state is FollowupState.CLOSED
    if not is_bad(answer):
        return (
            Move(followup=renewed)
            if closed
            else _close(renewed, Outcome.SCORE_IMPROVED, note="", by="service:feedback", at=at)
        )
    consents = answer.reopen_consent and not followup.consented
    if closed and followup.outcome == Outcome.SCORE_IMPROVED:
        return _open(renewed, consents=consents, at=at)
    if not consents:
        return Move(followup=renewed)
    return request_reopen(_reset(renewed, at) if closed else renewed)


def request_reopen(followup: Followup) -> Move:
    """The person agreed that the ticket is opened again; a repeat says nothing.

    Raises:
        Conflict: `followup_closed`.
    """
    if followup.state is FollowupState.CLOSED:
        raise Conflict("the follow-up is closed", code="followup_closed")
    if followup.state is FollowupState.REOPEN_REQUESTED:
        return Move(followup=followup)
    requested = replace(followup, state=FollowupState.REOPEN_REQUESTED)
    told = FollowupReopenRequested(
        ticket_id=followup.ticket_id,
        followup_id=followup.followup_id,
        survey_id=followup.survey_id,
        resolution_seq=followup.resolution_seq,
    )
    return Move(followup=requested, told=(told,))


def note_reopened(followup: Followup, *, at: datetime) -> Move | None:
    """The ticket is open again: where that was asked for, the task is done."""
    if followup.state is not FollowupState.REOPEN_REQUESTED:
        return None
    return _close(followup, Outcome.REOPENED, note="", by="service:feedback", at=at)


def close(followup: Followup, outcome: Outcome, *, note: str, by: str, at: datetime) -> Move:
    """The lead is done; closing once more in the same way says nothing.

    Raises:
        Conflict: `followup_closed`, with another outcome.
    """
    if followup.state is FollowupState.CLOSED:
        if followup.outcome == outcome:
            return Move(followup=followup)
        raise Conflict(f"the follow-up was closed: {followup.outcome}", code="followup_closed")
    return _close(followup, outcome, note=note, by=by, at=at)


def _new(answer: AnswerBody, followup_id: UUID, at: datetime) -> Followup:
    return Followup(
        followup_id=followup_id,
        survey_id=answer.survey_id,
        ticket_id=answer.ticket_id,
        requester_id=answer.requester_id,
        resolution_seq=answer.resolution_seq,
        kind=SurveyKind(answer.kind),
        score=answer.score,
        answer_version=answer.version,
        consented=answer.reopen_consent,
        agent_id=max(answer.attribution, key=lambda each: each.share).agent_id if answer.attribution else None,
        state=FollowupState.OPEN,
        opened_at=at,
        due_at=one_business_day_after(at),
    )


def _reset(followup: Followup, at: datetime) -> Followup:
    """To be done as if it were new. What the lead wrote the last time stays."""
    return replace(
        followup,
        state=FollowupState.OPEN,
        outcome="",
        closed_by="",
        closed_at=None,
        due_at=one_business_day_after(at),
    )


def _open(followup: Followup, *, consents: bool, at: datetime) -> Move:
    opened = _reset(followup, at)
    told = FollowupOpened(
        ticket_id=opened.ticket_id,
        followup_id=opened.followup_id,
        survey_id=opened.survey_id,
        score=opened.score,
        due_at=opened.due_at,
    )
    if not consents:
        return Move(followup=opened, told=(told,))
    asked = request_reopen(opened)
    return Move(followup=asked.followup, told=(told, *asked.told))


def _close(followup: Followup, outcome: Outcome, *, note: str, by: str, at: datetime) -> Move:
    closed = replace(followup, state=FollowupState.CLOSED, outcome=outcome.value, note=note, closed_by=by, closed_at=at)
    told = FollowupClosed(ticket_id=followup.ticket_id, followup_id=followup.followup_id, outcome=outcome.value)
    return Move(followup=closed, told=(told,))
