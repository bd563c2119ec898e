"""Bodies of the events that feedback publishes."""

from typing import Annotated
from uuid import UUID

from contracts.registry import Body, event, known
from contracts.words import Moment

SurveyKind = Annotated[str, known("csat_5", "thumbs", "nps_11", "ces_7")]


class SurveyBody(Body, frozen=True):
    """What every event of a survey says. There is one for each ticket, resolution, person and kind."""

    ticket_id: UUID
    survey_id: UUID
    kind: SurveyKind
    resolution_seq: int
    requester_id: UUID


class Share(Body, frozen=True):
    """How much of an answer an agent has a part in; the shares of one answer sum to 1."""

    agent_id: UUID
    share: float


@event("survey.scheduled", producer="feedback", subject="ticket")
class SurveyScheduled(SurveyBody, frozen=True):
    """The person will be asked at `due_at`."""

    due_at: Moment


@event("survey.suppressed", producer="feedback", subject="ticket")
class SurveySuppressed(SurveyBody, frozen=True):
    """The person is not asked."""

    reason: Annotated[
        str,
        known(
            "no_human_reply",
            "merged",
            "cancelled",
            "auto_recovered",
            "no_reply",
            "self_service",
            "requester_is_agent",
            "throttled",
            "opted_out",
            "sampled_out",
            "imported",
            "channel_closed",
        ),
    ]


@event("survey.sent", producer="feedback", subject="ticket")
class SurveySent(SurveyBody, frozen=True):
    """The link is with the person, as a message in intake."""

    message_id: UUID
    expires_at: Moment


@event("survey.reminded", producer="feedback", subject="ticket")
class SurveyReminded(SurveyBody, frozen=True):
    """The person was asked once more."""

    message_id: UUID


@event("survey.expired", producer="feedback", subject="ticket")
class SurveyExpired(SurveyBody, frozen=True):
    """No answer came in time."""


@event("survey.cancelled", producer="feedback", subject="ticket")
class SurveyCancelled(SurveyBody, frozen=True):
    """The question was taken back before an answer."""

    reason: Annotated[str, known("reopened", "manual", "undeliverable", "opted_out")]


class AnswerBody(SurveyBody, frozen=True):
    """What every answer says: the score on its scale, and the same from 0 to 1. A comment's text stays in feedback."""

    version: int
    score: int
    scale_min: int
    scale_max: int
    normalised: float
    is_positive: bool
    reasons: tuple[str, ...]
    has_comment: bool
    reopen_consent: bool
    attribution: tuple[Share, ...]


@event("survey.responded", producer="feedback", subject="ticket")
class SurveyResponded(AnswerBody, frozen=True):
    """The person answered."""


@event("survey.amended", producer="feedback", subject="ticket")
class SurveyAmended(AnswerBody, frozen=True):
    """The person changed the answer; this version stands now."""


@event("followup.opened", producer="feedback", subject="ticket")
class FollowupOpened(Body, frozen=True):
    """A bad score: the lead has a task until `due_at`."""

    ticket_id: UUID
    followup_id: UUID
    survey_id: UUID
    score: int
    due_at: Moment


@event("followup.closed", producer="feedback", subject="ticket")
class FollowupClosed(Body, frozen=True):
    """The task is done."""

    ticket_id: UUID
    followup_id: UUID
    outcome: Annotated[str, known("contacted", "apologised", "reopened", "coached", "no_action", "score_improved")]


@event("followup.reopen_requested", producer="feedback", subject="ticket")
class FollowupReopenRequested(Body, frozen=True):
    """The person said that it was not solved and agreed that the ticket is opened again."""

    ticket_id: UUID
    followup_id: UUID
    survey_id: UUID
    resolution_seq: int
