"""What happens at the same moment: one answer, one question, one end."""

import asyncio
from datetime import timedelta

import pytest

from feedback.surveys.domain import SurveyState
from tests.integration.feedback.conftest import Feedback

DAY = timedelta(days=1)


async def test_many_clicks_are_one_answer(feedback: Feedback) -> None:
    """The same answer from eight requests at once: all are told that it was taken, one version is kept."""
    survey, path = await feedback.sent()
    answers = await asyncio.gather(*(feedback.anybody.post(f"{path}/response", json={"score": 4}) for _ in range(8)))
    assert {each.status_code for each in answers} == {200}
    assert {each.json()["version"] for each in answers} == {1}
    assert (await feedback.told(survey.ticket_id)).count("survey.responded") == 1


async def test_of_different_answers_one_is_the_first(feedback: Feedback) -> None:
    """The others are told that there is one already; so it is with changes of the same version."""
    survey, path = await feedback.sent()
    url = f"{path}/response"
    firsts = await asyncio.gather(*(feedback.anybody.post(url, json={"score": score}) for score in range(1, 6)))
    assert sorted(each.status_code for each in firsts) == [200, 409, 409, 409, 409]
    changes = [{"comment": f"change {number}", "amends": 1} for number in range(5)]
    seconds = await asyncio.gather(*(feedback.anybody.patch(url, json=change) for change in changes))
    assert sorted(each.status_code for each in seconds) == [200, 409, 409, 409, 409]
    shown = (await feedback.http.get(f"/v1/surveys/{survey.survey_id}")).json()
    assert [each["version"] for each in shown["answers"]] == [1, 2]


@pytest.mark.parametrize("answer_first", [True, False])
async def test_an_answer_against_a_reopening(feedback: Feedback, answer_first: bool) -> None:
    """The survey ends answered or taken back, never both, and the events say the same."""
    survey, path = await feedback.sent()
    answering = feedback.anybody.post(f"{path}/response", json={"score": 5})
    reopening = feedback.reopen(survey.ticket_id)
    await asyncio.gather(*([answering, reopening] if answer_first else [reopening, answering]))
    state = (await feedback.survey(survey.ticket_id)).state
    told = await feedback.told(survey.ticket_id)
    assert ("survey.responded" in told, "survey.cancelled" in told) in [(True, False), (False, True)]
    assert state is (SurveyState.ANSWERED if "survey.responded" in told else SurveyState.CANCELLED)


@pytest.mark.parametrize("consent_first", [True, False])
async def test_a_consent_against_a_reopening(feedback: Feedback, consent_first: bool) -> None:
    """The person agrees while the ticket is opened again anyway: whoever is first, the task ends as reopened."""
    asked = [await feedback.sent() for _ in range(4)]
    for _, path in asked:
        await feedback.anybody.post(f"{path}/response", json={"score": 1, "reopen_consent": True})
    hearing = feedback.hear_ourselves()
    reopening = [feedback.reopen(survey.ticket_id) for survey, _ in reversed(asked)]
    await asyncio.gather(*([hearing, *reopening] if consent_first else [*reopening, hearing]))
    found = (await feedback.http.get("/v1/followups")).json()["items"]
    assert [(each["state"], each["outcome"]) for each in found] == [("closed", "reopened")] * 4


async def test_two_questions_due_at_once(feedback: Feedback) -> None:
    """Two workers send two surveys of one person: one goes out, the other is throttled."""
    first = await feedback.resolved()
    second = await feedback.resolved(requester_id=first.requester_id)
    feedback.clock.move(DAY)
    await asyncio.gather(feedback.fire_due(), feedback.fire_due())
    await feedback.fire_due()
    surveys = [await feedback.survey(ticket.ticket_id) for ticket in (first, second)]
    assert {each.state for each in surveys} == {SurveyState.SENDING, SurveyState.SUPPRESSED}
    assert len(await feedback.calls()) == 1


async def test_opting_out_against_the_sending(feedback: Feedback) -> None:
    """Whoever opts out while the next link is being sent gets it taken back, or never sent."""
    survey, path = await feedback.sent()
    await feedback.anybody.post(f"{path}/response", json={"score": 5})
    feedback.clock.move(7 * DAY)
    ticket = await feedback.resolved(requester_id=survey.requester_id)
    feedback.clock.move(DAY)
    await asyncio.gather(feedback.anybody.post(f"{path}/opt-out"), feedback.fire_due())
    await feedback.fire_due()
    after = await feedback.survey(ticket.ticket_id)
    assert after.state in (SurveyState.CANCELLED, SurveyState.SUPPRESSED)
    assert after.reason == "opted_out"
    assert await feedback.calls() == []


@pytest.mark.parametrize("ask_first", [True, False])
async def test_asking_by_hand_against_a_reopening(feedback: Feedback, ask_first: bool) -> None:
    """Nobody is asked about a resolution that is over: asking is refused, or what was planned is taken back."""
    tickets = [(await feedback.resolved(code="self_service")).ticket_id for _ in range(6)]
    asking = [feedback.http.post(f"/v1/tickets/{each}/surveys", json={}) for each in tickets]
    reopening = [feedback.reopen(each) for each in tickets]
    await asyncio.gather(*(asking + reopening if ask_first else reopening + asking))
    assert await feedback.fire_due() == 0
    for each in tickets:
        survey = await feedback.survey(each)
        assert survey.state in (SurveyState.CANCELLED, SurveyState.SUPPRESSED)


async def test_asking_by_hand_twice_at_once(feedback: Feedback) -> None:
    """One survey, and the other is told that there is one."""
    ticket = await feedback.open()
    await feedback.resolve(ticket.ticket_id)
    url = f"/v1/tickets/{ticket.ticket_id}/surveys"
    asked = await asyncio.gather(*(feedback.http.post(url, json={}) for _ in range(4)))
    assert sorted(each.status_code for each in asked) == [201, 409, 409, 409]
