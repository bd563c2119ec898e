"""A survey: one question to one person about one resolution, and the versions of its answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from common.errors import Conflict, Gone, InvalidInput, NotFound
from contracts.feedback import AnswerBody, Share, SurveyAmended, SurveyResponded
from feedback.policies.domain import SCALES, SurveyKind

AMENDABLE = timedelta(hours=24)
"""How long an answer may be changed, counted from the first one."""
MAX_COMMENT = 2_000
"""Characters."""
REASONS = ("solution", "speed", "clarity", "friendliness", "effort")
"""What a person may name as decisive, whether the score is good or bad."""


class SurveyState(StrEnum):
    """Sending: the link is on its way. The last four are final but for amendments of an answer."""

    SCHEDULED = "scheduled"
    SENDING = "sending"
    SENT = "sent"
    ANSWERED = "answered"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


UNANSWERED = frozenset({SurveyState.SCHEDULED, SurveyState.SENDING, SurveyState.SENT})
ASKED = frozenset({SurveyState.SENDING, SurveyState.SENT})
"""The link may be with the person."""


class UnknownLink(NotFound):
    """No survey has this link."""

    code = "survey_unknown"


class LinkEnded(Gone):
    """The survey of this link has ended. `code` says how: survey_expired or survey_cancelled."""

    code = "survey_expired"


class AlreadyAnswered(Conflict):
    """This survey has another answer already; change that one."""

    code = "already_answered"


class NotAnswered(Conflict):
    """There is no answer yet that could be changed."""

    code = "not_answered"


class AnswerFixed(Conflict):
    """An answer can be changed for 24 hours, and these are over."""

    code = "answer_fixed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """A survey as it is.

    Attributes:
        number: the ticket's, for the person to know it by.
        reason: why it was suppressed or cancelled.
        language: BCP 47; empty where nobody knows the person's.
        manual: somebody asked for it, whatever policy and sample say.
        correlation_id: the conversation of the resolution.
        asked_at: when the link went on its way; what the throttle counts from.
        sent_at: when the link was with the person.
        answer_version: of the answer that stands; 0 is none.
        version: counts commands, for If-Match.
    """

    survey_id: UUID
    ticket_id: UUID
    number: int
    resolution_seq: int
    requester_id: UUID
    kind: SurveyKind
    policy_id: UUID
    policy_version: int
    state: SurveyState
    reason: str = ""
    language: str
    manual: bool = False
    correlation_id: str = ""
    resolved_at: datetime
    due_at: datetime
    created_at: datetime
    asked_at: datetime | None = None
    sent_at: datetime | None = None
    message_id: UUID | None = None
    expires_at: datetime | None = None
    reminded_at: datetime | None = None
    answered_at: datetime | None = None
    answer_version: int = 0
    version: int = 1

    @property
    def key(self) -> tuple[UUID, int, UUID, SurveyKind]:
        """What at most one survey has."""
        return self.ticket_id, self.resolution_seq, self.requester_id, self.kind

    @property
    def reminder_id(self) -> UUID:
        """The idempotency key of the reminder; that of the first link is the survey's own id."""
        return uuid5(self.survey_id, "reminder")

    def can_amend(self, now: datetime) -> bool:
        """Whether its answer may be changed."""
        return self.answered_at is not None and now < self.answered_at + AMENDABLE


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """What a person sends. `score` None leaves that of the answer it amends, as do the others where they are None.

    Attributes:
        amends: the version of the answer that the person saw; None makes the first answer.
    """

    score: int | None = None
    comment: str | None = None
    reasons: tuple[str, ...] | None = None
    reopen_consent: bool | None = None
    amends: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A version of an answer. The comment is personal text: it carries the person's id and is in no event.

    `reopen_consent` None: the person was not asked, or has not said.
    """

    survey_id: UUID
    version: int
    requester_id: UUID
    score: int
    comment: str
    reasons: tuple[str, ...]
    reopen_consent: bool | None
    answered_at: datetime

    def says_same(self, other: "Answer") -> bool:
        """Whether both say the same, whenever they were given."""
        mine = (self.score, self.comment, self.reasons, self.reopen_consent)
        return mine == (other.score, other.comment, other.reasons, other.reopen_consent)

    def is_bad(self, kind: SurveyKind) -> bool:
        """Whether somebody should look after the person."""
        return SCALES[kind].is_bad(self.score)


def compose(survey: Survey, given: Submission, standing: Answer | None, *, now: datetime) -> Answer:
    """The answer that a submission makes of the one that stands.

    Raises:
        InvalidInput: no score, one outside the scale, or consent to reopen after a score that is not bad.
    """
    scale = SCALES[survey.kind]
    score = given.score if given.score is not None else standing.score if standing else None
    if score is None:
        raise InvalidInput("choose a score", code="score_missing", pointers=[("/score", "is required")])
    if not scale.least <= score <= scale.most:
        fault = ("/score", f"must be from {scale.least} to {scale.most}")
        raise InvalidInput("the score is not on the scale", code="score_unknown", pointers=[fault])
    bad = scale.is_bad(score)
    if given.reopen_consent and not bad:
        fault = ("/reopen_consent", "is asked for after a bad score only")
        raise InvalidInput("there is nothing to reopen", code="consent_unasked", pointers=[fault])
    kept = standing.reopen_consent if standing and bad else None
    return Answer(
        survey_id=survey.survey_id,
        version=standing.version + 1 if standing else 1,
        requester_id=survey.requester_id,
        score=score,
        comment=given.comment if given.comment is not None else standing.comment if standing else "",
        reasons=given.reasons if given.reasons is not None else standing.reasons if standing else (),
        reopen_consent=kept if given.reopen_consent is None else given.reopen_consent,
        answered_at=now,
    )


def tell_answer(survey: Survey, answer: Answer, attribution: tuple[Share, ...]) -> AnswerBody:
    """The event of a first answer, or of one that amends it."""
    scale = SCALES[survey.kind]
    told = SurveyResponded if answer.version == 1 else SurveyAmended
    return told(
        ticket_id=survey.ticket_id,
        survey_id=survey.survey_id,
        kind=survey.kind,
        resolution_seq=survey.resolution_seq,
        requester_id=survey.requester_id,
        version=answer.version,
        score=answer.score,
        scale_min=scale.least,
        scale_max=scale.most,
        normalised=scale.normalise(answer.score),
        is_positive=scale.is_positive(answer.score),
        reasons=answer.reasons,
        has_comment=bool(answer.comment),
        reopen_consent=bool(answer.reopen_consent),
        attribution=attribution,
    )
