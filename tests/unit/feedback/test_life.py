"""The moves of a survey as pure decisions: planned, suppressed, throttled, sent, ended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidInput
from contracts.feedback import SurveyCancelled
from feedback.followups.domain import one_business_day_after
from feedback.policies.domain import SCALES, LocalHours, PolicyVersion, Rules, SurveyKind, VersionState
from feedback.surveys import life
from feedback.surveys.domain import Submission, Survey, SurveyState, compose
from feedback.surveys.life import Circumstances
from feedback.tickets.domain import Person, Ticket

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = Rules()
TICKET = Ticket(
    ticket_id=UUID(int=1),
    number=1042,
    requester_id=UUID(int=2),
    channel="web",
    system="",
    category="login",
    priority="normal",
    language="",
    status="resolved",
    imported=False,
    human_replied=True,
    resolution_seq=1,
    resolution_code="fixed",
    resolved_at=NOON,
)


def planned(ticket: Ticket = TICKET, rules: Rules = RULES, around: Circumstances | None = None) -> Survey:
    """The survey that a policy with these rules plans."""
    policy = PolicyVersion(
        policy_id=UUID(int=3),
        version=1,
        kind=SurveyKind.CSAT_5,
        state=VersionState.ACTIVE,
        rules=rules,
        created_at=NOON,
    )
    move = life.plan(
        ticket, policy, around or Circumstances(), survey_id=UUID(int=4), now=NOON, correlation_id="conversation"
    )
    return move.survey


@pytest.mark.parametrize(
    ("ticket", "around", "reason"),
    [
        (replace(TICKET, status="merged"), Circumstances(), "merged"),
        (replace(TICKET, status="cancelled"), Circumstances(), "cancelled"),
        (TICKET, Circumstances(is_agent=True), "requester_is_agent"),
        (TICKET, Circumstances(opted_out=True), "opted_out"),
        (replace(TICKET, imported=True), Circumstances(), "imported"),
        (replace(TICKET, resolution_code="auto_recovered"), Circumstances(), "auto_recovered"),
        (replace(TICKET, resolution_code="no_reply"), Circumstances(), "no_reply"),
        (replace(TICKET, resolution_code="self_service"), Circumstances(), "self_service"),
        (replace(TICKET, human_replied=False), Circumstances(), "no_human_reply"),
        (replace(TICKET, channel="alert"), Circumstances(), "channel_closed"),
        (TICKET, Circumstances(), ""),
    ],
)
def test_why_a_person_is_not_asked(ticket: Ticket, around: Circumstances, reason: str) -> None:
    """Each code of the rules, at planning and again when the link is due."""
    assert planned(ticket, around=around).reason == reason
    due = planned()
    move = life.begin_sending(due, ticket, RULES, around, now=due.due_at)
    assert move.survey.reason == reason
    assert len(move.told) == bool(reason)


def test_a_person_and_a_policy_may_speak_of_other_zones() -> None:
    """Theirs counts, else the policy's."""
    at_noon = replace(RULES, delay_s=0, local_hours=LocalHours(timezone="Asia/Tokyo"))
    assert planned(rules=at_noon).due_at == datetime(2026, 3, 3, 0, tzinfo=UTC)
    berliner = Circumstances(person=Person(requester_id=UUID(int=2), language="de", timezone="Europe/Berlin"))
    survey = planned(rules=at_noon, around=berliner)
    assert (survey.due_at, survey.language) == (NOON, "de")


@given(st.uuids(), st.integers(1, 5), st.integers(0, 100))
def test_the_sample_is_the_same_whenever_it_is_asked(ticket_id: UUID, seq: int, percent: int) -> None:
    """And a larger sample holds the smaller one."""
    ticket = replace(TICKET, ticket_id=ticket_id, resolution_seq=seq)
    chosen = life.in_sample(ticket, percent)
    assert chosen == life.in_sample(ticket, percent)
    assert not chosen or life.in_sample(ticket, min(percent + 1, 100))
    assert life.in_sample(ticket, 100)
    assert not life.in_sample(ticket, 0)


def test_the_sample_has_about_its_size() -> None:
    """Of ten thousand resolutions, thirty per cent within two standard deviations and a bit."""
    chosen = sum(life.in_sample(replace(TICKET, ticket_id=UUID(int=number)), 30) for number in range(10_000))
    assert 2_880 <= chosen <= 3_120


@pytest.mark.parametrize(("days", "throttled"), [(0, True), (6.99, True), (7, False), (8, False)])
def test_the_throttle(days: float, throttled: bool) -> None:
    """Seven days from the last question, to the second."""
    survey = planned()
    around = Circumstances(asked_before=survey.due_at - timedelta(days=days))
    moved = life.begin_sending(survey, TICKET, RULES, around, now=survey.due_at).survey
    assert (moved.state is SurveyState.SUPPRESSED) == throttled
    by_hand = life.begin_sending(replace(survey, manual=True), TICKET, RULES, around, now=survey.due_at).survey
    assert by_hand.state is SurveyState.SENDING


@pytest.mark.parametrize(
    "ticket",
    [
        replace(TICKET, status="open", resolved_at=None),
        replace(TICKET, resolution_seq=2, resolved_at=NOON + DAY),
        replace(TICKET, resolution_seq=2, status="closed", resolved_at=NOON + DAY),
    ],
)
def test_a_resolution_that_is_over_is_not_asked_about(ticket: Ticket) -> None:
    """Whoever planned it, also by hand: the ticket is open, or was solved anew."""
    for survey in (planned(), replace(planned(), manual=True)):
        move = life.begin_sending(survey, ticket, RULES, Circumstances(), now=survey.due_at)
        assert (move.survey.state, move.survey.reason) == (SurveyState.CANCELLED, "reopened")
        assert [type(each) for each in move.told] == [SurveyCancelled]


def test_a_closed_ticket_is_asked_about() -> None:
    """Its resolution stands."""
    survey = planned()
    move = life.begin_sending(survey, replace(TICKET, status="closed"), RULES, Circumstances(), now=survey.due_at)
    assert move.survey.state is SurveyState.SENDING


@pytest.mark.parametrize("state", [each for each in SurveyState if each is not SurveyState.SCHEDULED])
def test_a_timer_that_fires_twice_sends_nothing(state: SurveyState) -> None:
    """Only a scheduled survey is sent."""
    survey = replace(planned(), state=state)
    assert life.begin_sending(survey, TICKET, RULES, Circumstances(), now=NOON + 9 * DAY).survey == survey


def test_sent_then_expired() -> None:
    """The life begins when intake took the message; a repeat, and an early timer, say nothing."""
    survey = replace(planned(), state=SurveyState.SENDING)
    sent = life.note_sent(survey, message_id=UUID(int=5), life_s=RULES.life_s, now=NOON)
    assert sent.survey.expires_at == NOON + 14 * DAY
    assert life.note_sent(sent.survey, message_id=UUID(int=6), life_s=9, now=NOON + DAY).told == ()
    assert life.reminder_due(sent.survey, RULES) == NOON + 3 * DAY
    assert life.reminder_due(sent.survey, replace(RULES, reminder_after_s=RULES.life_s)) is None
    assert life.expire(sent.survey, now=NOON + 14 * DAY - timedelta(seconds=1)).told == ()
    expired = life.expire(sent.survey, now=NOON + 14 * DAY)
    assert expired.survey.state is SurveyState.EXPIRED
    assert life.cancel(expired.survey, "reopened").survey == expired.survey


@pytest.mark.parametrize("kind", SurveyKind)
def test_scales(kind: SurveyKind) -> None:
    """The ends are 0 and 1, no score is both good and bad, and one beside the scale is refused."""
    scale = SCALES[kind]
    assert (scale.normalise(scale.least), scale.normalise(scale.most)) == (0, 1)
    assert scale.is_bad(scale.least)
    assert scale.is_positive(scale.most)
    assert not [n for n in range(scale.least, scale.most + 1) if scale.is_bad(n) and scale.is_positive(n)]
    for score in (scale.least - 1, scale.most + 1):
        with pytest.raises(InvalidInput) as refused:
            compose(replace(planned(), kind=kind), Submission(score=score), None, now=NOON)
        assert refused.value.code == "score_unknown"


def test_consent_belongs_to_a_bad_score() -> None:
    """Given with a good one it is refused; a score that improves takes it back."""
    survey = planned()
    with pytest.raises(InvalidInput):
        compose(survey, Submission(score=4, reopen_consent=True), None, now=NOON)
    agreed = compose(survey, Submission(score=2, reopen_consent=True), None, now=NOON)
    assert agreed.reopen_consent
    assert compose(survey, Submission(score=1), agreed, now=NOON).reopen_consent
    assert compose(survey, Submission(score=5), agreed, now=NOON).reopen_consent is None


@pytest.mark.parametrize(
    ("opened", "due"),
    [
        (datetime(2026, 3, 2, 10, tzinfo=UTC), datetime(2026, 3, 3, 10, tzinfo=UTC)),
        (datetime(2026, 3, 6, 17, tzinfo=UTC), datetime(2026, 3, 9, 17, tzinfo=UTC)),
        (datetime(2026, 3, 7, 0, tzinfo=UTC), datetime(2026, 3, 10, 0, tzinfo=UTC)),
        (datetime(2026, 3, 8, 23, 59, tzinfo=UTC), datetime(2026, 3, 10, 0, tzinfo=UTC)),
    ],
)
def test_one_business_day(opened: datetime, due: datetime) -> None:
    """Monday to Tuesday, Friday to Monday, the weekend to the end of Monday."""
    assert one_business_day_after(opened) == due
