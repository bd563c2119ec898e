"""One example of each event type of feedback."""

from contracts import feedback
from contracts.example_ids import AGENT, FOLLOWUP, MESSAGE, NOON, REQUESTER, SENIOR, SURVEY, TICKET
from contracts.registry import Body

BODIES: tuple[Body, ...] = (
    feedback.SurveyScheduled(
        ticket_id=TICKET,
        survey_id=SURVEY,
        kind="csat_5",
        resolution_seq=1,
        requester_id=REQUESTER,
        due_at=NOON.replace(hour=13),
    ),
    feedback.SurveySuppressed(
        ticket_id=TICKET, survey_id=SURVEY, kind="csat_5", resolution_seq=1, requester_id=REQUESTER, reason="throttled"
    ),
    feedback.SurveySent(
        ticket_id=TICKET,
        survey_id=SURVEY,
        kind="csat_5",
        resolution_seq=1,
        requester_id=REQUESTER,
        message_id=MESSAGE,
        expires_at=NOON.replace(hour=13),
    ),
    feedback.SurveyReminded(
        ticket_id=TICKET, survey_id=SURVEY, kind="csat_5", resolution_seq=1, requester_id=REQUESTER, message_id=MESSAGE
    ),
    feedback.SurveyExpired(ticket_id=TICKET, survey_id=SURVEY, kind="csat_5", resolution_seq=1, requester_id=REQUESTER),
    feedback.SurveyCancelled(
        ticket_id=TICKET, survey_id=SURVEY, kind="csat_5", resolution_seq=1, requester_id=REQUESTER, reason="reopened"
    ),
    feedback.SurveyResponded(
        ticket_id=TICKET,
        survey_id=SURVEY,
        kind="csat_5",
        resolution_seq=1,
        requester_id=REQUESTER,
        score=2,
        scale_min=1,
        scale_max=5,
        normalised=0.25,
        is_positive=False,
        reasons=("slow",),
        has_comment=True,
        reopen_consent=True,
        attribution=(feedback.Share(agent_id=AGENT, share=0.75), feedback.Share(agent_id=SENIOR, share=0.25)),
        version=1,
    ),
    feedback.SurveyAmended(
        ticket_id=TICKET,
        survey_id=SURVEY,
        kind="csat_5",
        resolution_seq=1,
        requester_id=REQUESTER,
        score=2,
        scale_min=1,
        scale_max=5,
        normalised=0.25,
        is_positive=False,
        reasons=("slow",),
        has_comment=True,
        reopen_consent=True,
        attribution=(feedback.Share(agent_id=AGENT, share=0.75), feedback.Share(agent_id=SENIOR, share=0.25)),
        version=2,
    ),
    feedback.FollowupOpened(
        ticket_id=TICKET, followup_id=FOLLOWUP, survey_id=SURVEY, score=2, due_at=NOON.replace(hour=13)
    ),
    feedback.FollowupClosed(ticket_id=TICKET, followup_id=FOLLOWUP, outcome="contacted"),
    feedback.FollowupReopenRequested(ticket_id=TICKET, followup_id=FOLLOWUP, survey_id=SURVEY, resolution_seq=1),
)
