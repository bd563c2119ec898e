"""The moves of a survey. Each returns the survey as it is afterwards, with what is to be told."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from contracts.feedback import (
    SurveyBody,
    SurveyCancelled,
    SurveyExpired,
    SurveyReminded,
    SurveyScheduled,
    SurveySent,
    SurveySuppressed,
)
from feedback.policies.domain import PolicyVersion, Rules
from feedback.surveys.domain import ASKED, UNANSWERED, Survey, SurveyState
from feedback.surveys.hours import next_within
from feedback.tickets.domain import Person, Ticket

_CODES = frozenset({"auto_recovered", "no_reply", "self_service"})
"""Resolutions without anybody who could say how they were helped."""
_ENDED = frozenset({"merged", "cancelled"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Circumstances:
    """What decides besides ticket and policy.

    Attributes:
        asked_before: when the person was last asked by a survey of this kind.
    """

    person: Person | None = None
    is_agent: bool = False
    opted_out: bool = False
    asked_before: datetime | None = None

    @property
    def timezone(self) -> str:
        """The person's, an IANA name; empty where it is not known."""
        return self.person.timezone if self.person else ""

    def language_of(self, ticket: Ticket) -> str:
        """In which we speak to the person about this ticket, BCP 47; empty where nobody knows."""
        return ticket.language or (self.person.language if self.person else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A survey after a move, with the events of it; none where nothing moved."""

    survey: Survey
    told: tuple[SurveyBody, ...] = ()


def plan(
    ticket: Ticket,
    policy: PolicyVersion,
    around: Circumstances,
    *,
    survey_id: UUID,
    now: datetime,
    correlation_id: str,
    manual: bool = False,
) -> Move:
    """The survey of the ticket's last resolution: scheduled, or suppressed with the reason.

    Args:
        manual: somebody asks for it: at once, and whether or not it would be sent by itself.
    """
    assert ticket.resolved_at is not None, "only a resolution is asked about"
    rules = policy.rules
    wanted = now if manual else ticket.resolved_at + timedelta(seconds=rules.delay_of(ticket.channel))
    survey = Survey(
        survey_id=survey_id,
        ticket_id=ticket.ticket_id,
        number=ticket.number,
        resolution_seq=ticket.resolution_seq,
        requester_id=ticket.requester_id,
        kind=policy.kind,
        policy_id=policy.policy_id,
        policy_version=policy.version,
        state=SurveyState.SCHEDULED,
        language=around.language_of(ticket),
        manual=manual,
        correlation_id=correlation_id,
        resolved_at=ticket.resolved_at,
        due_at=next_within(wanted, rules.local_hours, timezone=around.timezone),
        created_at=now,
    )
    reason = suppression(ticket, rules, around, manual=manual)
    if reason:
        return _suppress(survey, reason)
    return Move(survey=survey, told=(_body(SurveyScheduled, survey, due_at=survey.due_at),))


def suppression(ticket: Ticket, rules: Rules, around: Circumstances, *, manual: bool) -> str:
    """Why the person is not asked about this ticket; empty where they are. The throttle is looked at when it is due."""
    if ticket.status in _ENDED:
        return ticket.status
    if around.is_agent:
        return "requester_is_agent"
    if around.opted_out:
        return "opted_out"
    if manual:
        return ""
    if ticket.imported:
        return "imported"
    if ticket.resolution_code in _CODES:
        return ticket.resolution_code
    if not ticket.human_replied:
        return "no_human_reply"
    if ticket.channel in rules.closed_channels:
        return "channel_closed"
    return "" if in_sample(ticket, rules.sample_percent) else "sampled_out"


def in_sample(ticket: Ticket, percent: int) -> bool:
    """Whether this resolution belongs to the sample: the same answer however often it is asked."""
    digest = sha256(f"{ticket.ticket_id}/{ticket.resolution_seq}".encode()).digest()
    return int.from_bytes(digest[:8]) % 100 < percent


def revive(suppressed: Survey, planned: Move) -> Move:
    """A suppressed survey that somebody asks for by hand: it keeps its id and is scheduled as planned anew."""
    revived = replace(
        planned.survey,
        survey_id=suppressed.survey_id,
        created_at=suppressed.created_at,
        version=suppressed.version + 1,
    )
    return Move(survey=revived, told=(_body(SurveyScheduled, revived, due_at=revived.due_at),))


def begin_sending(survey: Survey, ticket: Ticket, rules: Rules, around: Circumstances, *, now: datetime) -> Move:
    """What becomes of a scheduled survey that is due: the link goes out, or later, or not at all."""
    if survey.state is not SurveyState.SCHEDULED:
        return Move(survey=survey)
    reason = suppression(ticket, rules, around, manual=survey.manual)
    if reason:
        return _suppress(survey, reason)
    if not ticket.is_at(survey.resolution_seq):
        return cancel(survey, "reopened")
    if not survey.manual and _is_throttled(rules, around, now):
        return _suppress(survey, "throttled")
    # The timer may fire late, and the person may have moved: what is night for them by now waits for the morning.
    due_at = next_within(now, rules.local_hours, timezone=around.timezone)
    if due_at > now:
        return Move(survey=replace(survey, due_at=due_at))
    # What was known of their language when it was planned may be a day old, too.
    language = around.language_of(ticket)
    return Move(survey=replace(survey, state=SurveyState.SENDING, asked_at=now, language=language))


def note_sent(survey: Survey, *, message_id: UUID, life_s: int, now: datetime) -> Move:
    """The link is with the person. A repeat says nothing; an answer may have come before we heard of it.

    Of one that was taken back meanwhile it is only noted: the person was asked, and the throttle counts it.
    """
    if survey.state is SurveyState.CANCELLED and survey.sent_at is None:
        return Move(survey=replace(survey, sent_at=now, message_id=message_id))
    if survey.sent_at is not None or survey.state not in (*ASKED, SurveyState.ANSWERED):
        return Move(survey=survey)
    expires_at = now + timedelta(seconds=life_s)
    state = SurveyState.SENT if survey.state is SurveyState.SENDING else survey.state
    sent = replace(survey, state=state, sent_at=now, message_id=message_id, expires_at=expires_at)
    return Move(survey=sent, told=(_body(SurveySent, sent, message_id=message_id, expires_at=expires_at),))


def note_reminded(survey: Survey, *, message_id: UUID, now: datetime) -> Move:
    """The person was asked once more; a repeat says nothing."""
    if survey.reminded_at is not None:
        return Move(survey=survey)
    reminded = replace(survey, reminded_at=now)
    return Move(survey=reminded, told=(_body(SurveyReminded, reminded, message_id=message_id),))


def reminder_due(survey: Survey, rules: Rules) -> datetime | None:
    """When a sent survey is recalled; None where it is not, or not before it expires."""
    if survey.sent_at is None or survey.expires_at is None or rules.reminder_after_s is None:
        return None
    due_at = survey.sent_at + timedelta(seconds=rules.reminder_after_s)
    return due_at if due_at < survey.expires_at else None


def expire(survey: Survey, *, now: datetime) -> Move:
    """No answer came while the link lived; says nothing of any other survey."""
    if survey.state is not SurveyState.SENT or survey.expires_at is None or now < survey.expires_at:
        return Move(survey=survey)
    expired = replace(survey, state=SurveyState.EXPIRED)
    return Move(survey=expired, told=(_body(SurveyExpired, expired),))


def cancel(survey: Survey, reason: str) -> Move:
    """Take the question back; an answered or ended survey stays as it is."""
    if survey.state not in UNANSWERED:
        return Move(survey=survey)
    cancelled = replace(survey, state=SurveyState.CANCELLED, reason=reason)
    return Move(survey=cancelled, told=(_body(SurveyCancelled, cancelled, reason=reason),))


def _is_throttled(rules: Rules, around: Circumstances, now: datetime) -> bool:
    return around.asked_before is not None and now < around.asked_before + timedelta(seconds=rules.throttle_s)


def _suppress(survey: Survey, reason: str) -> Move:
    suppressed = replace(survey, state=SurveyState.SUPPRESSED, reason=reason)
    return Move(survey=suppressed, told=(_body(SurveySuppressed, suppressed, reason=reason),))


def _body(kind: type[SurveyBody], survey: Survey, **more: object) -> SurveyBody:
    return kind(
        ticket_id=survey.ticket_id,
        survey_id=survey.survey_id,
        kind=survey.kind,
        resolution_seq=survey.resolution_seq,
        requester_id=survey.requester_id,
        **more,
    )
