"""What the figures keep of one ticket. Each service's events change their own part and no other.

Kafka keeps the order of one service's events about a ticket, and says nothing about two services'. A part therefore
depends on one stream alone, and what joins the parts (`observing`) is a function of all four as they stand: whatever
the order in which the topics arrive, the end is the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from contracts.escalation import (
    ClockBody,
    HandoffAccepted,
    HandoffRequested,
    HandoffReturned,
    SlaBreached,
    SlaBreachWithdrawn,
    SlaMet,
    SlaMetWithdrawn,
)
from contracts.feedback import SurveyAmended, SurveyResponded, SurveySent
from contracts.intake import (
    MessageAdded,
    TicketClassified,
    TicketCreated,
    TicketPriorityChanged,
    TicketReopened,
    TicketResolved,
)
from contracts.registry import Body
from contracts.routing import AssignmentAssigned, AssignmentUnassigned, WorkEnqueued
from feedback.ownership.domain import Intervals
from feedback.ownership.domain import follow as follow_owner


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """One resolution of the ticket, by whom, and whether it was reopened since."""

    seq: int
    at: datetime
    owner_id: UUID | None
    reopened: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What intake says. `first_inbound_at` is the requester's first message, `responded_at` an agent's first answer."""

    created_at: datetime | None = None
    proactive: bool = False
    category: str = ""
    priority: str = ""
    first_inbound_at: datetime | None = None
    responded_at: datetime | None = None
    responded_by: UUID | None = None
    resolutions: tuple[Resolution, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What routing says: the desk that the ticket's own work was queued at last, and who owned it."""

    queue_id: UUID | None = None
    owners: Intervals = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What was told last of a clock: met, or breached with its cause."""

    clock_id: UUID
    cycle: int
    kind: str
    met: bool
    at: datetime
    cause: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Handoff:
    """A handoff, accepted or not yet, and whether the receiver gave it back."""

    handoff_id: UUID
    is_return: bool
    accepted_at: datetime | None = None
    agent_id: UUID | None = None
    agent_tier: int | None = None
    returned: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Clocks:
    """What escalation says."""

    verdicts: tuple[Verdict, ...] = ()
    handoffs: tuple[Handoff, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One agent's part of an answer, from 0 to 1."""

    agent_id: UUID
    share: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """A survey: sent and answered or not yet; of an amended answer the latest version, at its first moment."""

    survey_id: UUID
    kind: str
    resolution_seq: int
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    version: int = 0
    is_positive: bool = False
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """All of it: a part for each service."""

    case: Case = field(default_factory=Case)
    work: Work = field(default_factory=Work)
    clocks: Clocks = field(default_factory=Clocks)
    surveys: tuple[Survey, ...] = ()


_OF_CASE = (TicketCreated, TicketClassified, TicketPriorityChanged, TicketResolved, TicketReopened, MessageAdded)
_OF_WORK = (WorkEnqueued, AssignmentAssigned, AssignmentUnassigned)
_OF_CLOCKS = (
    SlaMet,
    SlaBreached,
    SlaBreachWithdrawn,
    SlaMetWithdrawn,
    HandoffRequested,
    HandoffAccepted,
    HandoffReturned,
)
_OF_SURVEYS = (SurveySent, SurveyResponded, SurveyAmended)
FOLLOWED: tuple[type[Body], ...] = (*_OF_CASE, *_OF_WORK, *_OF_CLOCKS, *_OF_SURVEYS)
"""The events that change the facts."""


def follow(facts: Facts, body: Body, *, at: datetime) -> Facts:
    """The facts after one more event; equal ones where the event says nothing that counts.

    Args:
        at: when the event happened.
    """
    if isinstance(body, _OF_CASE):
        return replace(facts, case=_follow_case(facts.case, body, at))
    if isinstance(body, _OF_WORK):
        return replace(facts, work=_follow_work(facts.work, body, at))
    if isinstance(body, _OF_CLOCKS):
        return replace(facts, clocks=_follow_clocks(facts.clocks, body, at))
    if isinstance(body, _OF_SURVEYS):
        return replace(facts, surveys=_follow_surveys(facts.surveys, body, at))
    return facts


def _follow_case(case: Case, body: Body, at: datetime) -> Case:
    match body:
        case TicketCreated():
            return replace(
                case, created_at=at, proactive=body.proactive, category=body.category, priority=body.priority
            )
        case TicketClassified():
            return replace(case, category=body.category)
        case TicketPriorityChanged():
            return replace(case, priority=body.new)
        case MessageAdded():
            return _follow_message(case, body, at)
        case TicketResolved():
            made = Resolution(seq=body.resolution_seq, at=at, owner_id=body.owner_id)
            return replace(case, resolutions=(*case.resolutions, made))
        case TicketReopened() if case.resolutions:
            *earlier, last = case.resolutions
            return replace(case, resolutions=(*earlier, replace(last, reopened=True)))
        case _:
            return case


def _follow_message(case: Case, body: MessageAdded, at: datetime) -> Case:
    if body.direction == "inbound" and case.first_inbound_at is None:
        return replace(case, first_inbound_at=at)
    answers = body.direction == "outbound" and body.author_type == "agent" and body.counts_as_response
    # What we say first on a ticket that we opened ourselves answers nobody yet.
    asked = not case.proactive or case.first_inbound_at is not None
    if answers and asked and case.responded_at is None:
        return replace(case, responded_at=at, responded_by=body.author_id)
    return case


def _follow_work(work: Work, body: Body, at: datetime) -> Work:
    match body:
        case WorkEnqueued() if body.kind == "own":
            return replace(work, queue_id=body.queue_id)
        case AssignmentAssigned() | AssignmentUnassigned():
            return replace(work, owners=follow_owner(work.owners, body, at=at))
        case _:
            return work


def _follow_clocks(clocks: Clocks, body: Body, at: datetime) -> Clocks:
    match body:
        case SlaMet():
            return _judge(clocks, body, met=True, at=body.at)
        case SlaBreached():
            return _judge(clocks, body, met=False, at=body.at, cause=body.cause)
        case SlaBreachWithdrawn():
            return _withdraw(clocks, body, met=False)
        case SlaMetWithdrawn():
            return _withdraw(clocks, body, met=True)
        case HandoffRequested():
            made = Handoff(handoff_id=body.handoff_id, is_return=body.return_of is not None)
            return replace(clocks, handoffs=(*clocks.handoffs, made))
        case HandoffAccepted():
            return _change_handoff(
                clocks,
                body.handoff_id,
                lambda each: replace(each, accepted_at=at, agent_id=body.agent_id, agent_tier=body.agent_tier),
            )
        case HandoffReturned():
            return _change_handoff(clocks, body.handoff_id, lambda each: replace(each, returned=True))
        case _:
            return clocks


def _judge(clocks: Clocks, body: ClockBody, *, met: bool, at: datetime, cause: str = "") -> Clocks:
    others = tuple(each for each in clocks.verdicts if not _same_clock(each, body))
    verdict = Verdict(clock_id=body.clock_id, cycle=body.cycle, kind=body.kind, met=met, at=at, cause=cause)
    return replace(clocks, verdicts=(*others, verdict))


def _withdraw(clocks: Clocks, body: ClockBody, *, met: bool) -> Clocks:
    kept = tuple(each for each in clocks.verdicts if not (_same_clock(each, body) and each.met is met))
    return replace(clocks, verdicts=kept)


def _same_clock(verdict: Verdict, body: ClockBody) -> bool:
    return (verdict.clock_id, verdict.cycle) == (body.clock_id, body.cycle)


def _change_handoff(clocks: Clocks, handoff_id: UUID, change: Callable[[Handoff], Handoff]) -> Clocks:
    """A handoff that was never requested here, before this consumer began, is none."""
    return replace(
        clocks, handoffs=tuple(change(each) if each.handoff_id == handoff_id else each for each in clocks.handoffs)
    )


def _follow_surveys(
    surveys: tuple[Survey, ...], body: SurveySent | SurveyResponded | SurveyAmended, at: datetime
) -> tuple[Survey, ...]:
    known = next((each for each in surveys if each.survey_id == body.survey_id), None)
    survey = known or Survey(survey_id=body.survey_id, kind=body.kind, resolution_seq=body.resolution_seq)
    if isinstance(body, SurveySent):
        changed = survey if survey.sent_at else replace(survey, sent_at=at)
    elif body.version >= survey.version:
        changed = replace(
            survey,
            answered_at=survey.answered_at or at,
            version=body.version,
            is_positive=body.is_positive,
            parts=tuple(Part(agent_id=each.agent_id, share=each.share) for each in body.attribution),
        )
    else:
        changed = survey
    if known is None:
        return (*surveys, changed)
    return tuple(changed if each.survey_id == body.survey_id else each for each in surveys)
