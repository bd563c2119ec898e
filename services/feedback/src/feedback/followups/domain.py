"""A follow-up and its moves. A survey has at most one, which follows its answer: it may end, and be opened again."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from common.errors import Conflict
from contracts.feedback import AnswerBody, FollowupClosed, FollowupOpened, FollowupReopenRequested
from contracts.registry import Body
from feedback.policies.domain import SCALES, SurveyKind
from feedback.tickets.domain import Reopening

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


def follow_answer(
    followup: Followup | None, answer: AnswerBody, *, reopening: Reopening, followup_id: UUID, at: datetime
) -> Move | None:
    """What an answer, first or amended, does: opens, closes or changes the survey's follow-up; None: nothing.

    A closed one is opened again where the score had improved and is bad anew, or where the person agrees only now that
    the ticket is opened again. A consent that an amendment repeats is none anew.

    Args:
        followup: the survey's, if it has one.
        reopening: of the resolution that the survey asked about.
        followup_id: for a new one.
    """
    if followup is None:
        if not is_bad(answer):
            return None
        return _open(_new(answer, followup_id, at), reopening if answer.reopen_consent else None, at=at)
    if answer.version <= followup.answer_version:
        return None
    renewed = replace(followup, score=answer.score, answer_version=answer.version, consented=answer.reopen_consent)
    is_closed = followup.state is FollowupState.CLOSED
    if not is_bad(answer):
        return Move(followup=renewed) if is_closed else _close_by_itself(renewed, Outcome.SCORE_IMPROVED, at=at)
    agreed = reopening if answer.reopen_consent and not followup.consented else None
    if not is_closed:
        return _agree(renewed, agreed, at=at)
    if followup.outcome == Outcome.SCORE_IMPROVED or agreed in (Reopening.POSSIBLE, Reopening.TOO_LATE):
        return _open(renewed, agreed, at=at)
    return Move(followup=renewed)


def request_reopen(followup: Followup, reopening: Reopening) -> Move:
    """The person agreed that the ticket is opened again; a repeat says nothing.

    Raises:
        Conflict: `followup_closed`; `not_reopenable` where nothing would come of it.
    """
    if followup.state is FollowupState.CLOSED:
        raise Conflict("the follow-up is closed", code="followup_closed")
    if followup.state is FollowupState.REOPEN_REQUESTED:
        return Move(followup=followup)
    if reopening is Reopening.DONE:
        raise Conflict("the ticket was opened again since this resolution", code="not_reopenable")
    if reopening is Reopening.TOO_LATE:
        raise Conflict("the ticket can no longer be opened again: open one that follows it", code="not_reopenable")
    return _request(followup)


def note_ticket(followup: Followup, reopening: Reopening, *, at: datetime) -> Move | None:
    """The ticket is open again, or closed: where a reopening was asked for, the task is done, or the lead's again."""
    if followup.state is not FollowupState.REOPEN_REQUESTED:
        return None
    match reopening:
        case Reopening.DONE:
            return _close_by_itself(followup, Outcome.REOPENED, at=at)
        case Reopening.TOO_LATE:
            return _open(followup, None, at=at)
        case Reopening.POSSIBLE:
            return None


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


def _open(followup: Followup, agreed: Reopening | None, *, at: datetime) -> Move:
    """The lead's, as if it were new; what was written the last time stays. `agreed`: see `_agree`."""
    due_at = one_business_day_after(at)
    opened = replace(followup, state=FollowupState.OPEN, outcome="", closed_by="", closed_at=None, due_at=due_at)
    told = FollowupOpened(
        ticket_id=opened.ticket_id,
        followup_id=opened.followup_id,
        survey_id=opened.survey_id,
        score=opened.score,
        due_at=due_at,
    )
    move = _agree(opened, agreed, at=at)
    return Move(followup=move.followup, told=(told, *move.told))


def _agree(followup: Followup, agreed: Reopening | None, *, at: datetime) -> Move:
    """What a consent makes of a task that is not closed; it stays the lead's where the ticket stays as it is.

    Args:
        agreed: what becomes of a reopening that the person agrees to by this answer; None where they do not.
    """
    match agreed:
        case Reopening.POSSIBLE if followup.state is FollowupState.OPEN:
            return _request(followup)
        case Reopening.DONE:
            return _close_by_itself(followup, Outcome.REOPENED, at=at)
        case _:
            return Move(followup=followup)


def _request(followup: Followup) -> Move:
    told = FollowupReopenRequested(
        ticket_id=followup.ticket_id,
        followup_id=followup.followup_id,
        survey_id=followup.survey_id,
        resolution_seq=followup.resolution_seq,
    )
    return Move(followup=replace(followup, state=FollowupState.REOPEN_REQUESTED), told=(told,))


def _close_by_itself(followup: Followup, outcome: Outcome, *, at: datetime) -> Move:
    return _close(followup, outcome, note=followup.note, by="service:feedback", at=at)


def _close(followup: Followup, outcome: Outcome, *, note: str, by: str, at: datetime) -> Move:
    closed = replace(followup, state=FollowupState.CLOSED, outcome=outcome.value, note=note, closed_by=by, closed_at=at)
    told = FollowupClosed(ticket_id=followup.ticket_id, followup_id=followup.followup_id, outcome=outcome.value)
    return Move(followup=closed, told=(told,))
