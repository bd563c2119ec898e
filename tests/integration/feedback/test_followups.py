"""After a bad score: a task for the lead, due in a business day, and a ticket opened again if the person agrees."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.feedback import FollowupClosed, FollowupOpened, FollowupReopenRequested
from feedback.surveys.domain import Survey
from tests.integration.feedback.conftest import Feedback


async def bad_answer(feedback: Feedback, **more: Any) -> tuple[Survey, str]:
    """A person who was not helped."""
    survey, path = await feedback.sent()
    answered = await feedback.anybody.post(f"{path}/response", json={"score": 1, **more})
    assert answered.status_code == 200
    await feedback.hear_ourselves()
    return survey, path


async def one_followup(feedback: Feedback, **query: Any) -> dict[str, Any]:
    """The only follow-up."""
    [found] = (await feedback.http.get("/v1/followups", params=query)).json()["items"]
    return found


async def test_a_bad_score_opens_a_task(feedback: Feedback) -> None:
    """Answered on a Tuesday at ten, due on Wednesday at ten."""
    survey, _ = await bad_answer(feedback)
    found = await one_followup(feedback, ticket=str(survey.ticket_id), state="open")
    assert found["due_at"] == "2026-03-04T10:00:00Z"
    [opened] = [body for body in await feedback.bodies(survey.ticket_id) if isinstance(body, FollowupOpened)]
    assert (opened.survey_id, opened.score, opened.due_at) == (
        survey.survey_id,
        1,
        datetime(2026, 3, 4, 10, tzinfo=UTC),
    )


async def test_a_good_score_opens_none(feedback: Feedback) -> None:
    """Three of five is not bad."""
    _, path = await feedback.sent()
    await feedback.anybody.post(f"{path}/response", json={"score": 3})
    await feedback.hear_ourselves()
    assert (await feedback.http.get("/v1/followups")).json()["items"] == []


async def test_consent_on_the_second_page(feedback: Feedback) -> None:
    """The page asks after a bad score; yes asks intake to reopen, and the reopening ends the task."""
    survey, path = await feedback.sent()
    await feedback.anybody.post(f"{path}/response", data={"score": "2", "comment": ""})
    asked = await feedback.anybody.get(path)
    assert 'name="reopen_consent"' in asked.text
    assert "checked" not in asked.text.replace(":checked", "")
    consented = await feedback.anybody.post(f"{path}/response", data={"reopen_consent": "yes", "amends": "1"})
    assert consented.status_code == 303
    thanks = (await feedback.anybody.get(path)).text
    assert "We open your request again" in thanks
    assert 'name="reopen_consent"' not in thanks
    await feedback.hear_ourselves()
    found = await one_followup(feedback)
    assert found["state"] == "reopen_requested"
    told = [body for body in await feedback.bodies(survey.ticket_id) if isinstance(body, FollowupReopenRequested)]
    assert [(body.survey_id, body.resolution_seq) for body in told] == [(survey.survey_id, 1)]
    await feedback.reopen(survey.ticket_id)
    found = await one_followup(feedback)
    assert (found["state"], found["outcome"]) == ("closed", "reopened")


async def test_who_says_no_is_not_asked_again(feedback: Feedback) -> None:
    """The task stays with the lead."""
    _, path = await feedback.sent()
    await feedback.anybody.post(f"{path}/response", json={"score": 1})
    await feedback.anybody.post(f"{path}/response", data={"reopen_consent": "no", "amends": "1"})
    assert 'name="reopen_consent"' not in (await feedback.anybody.get(path)).text
    await feedback.hear_ourselves()
    assert (await one_followup(feedback))["state"] == "open"


async def test_nobody_is_asked_about_a_ticket_that_is_closed(feedback: Feedback) -> None:
    """Consent is asked for only where a reopening is possible."""
    survey, path = await feedback.sent()
    await feedback.close(survey.ticket_id)
    await feedback.anybody.post(f"{path}/response", json={"score": 1})
    assert 'name="reopen_consent"' not in (await feedback.anybody.get(path)).text


@pytest.mark.parametrize("how", ["closed", "window_over"])
async def test_a_consent_that_comes_too_late_stays_the_leads(feedback: Feedback, how: str) -> None:
    """Closed, or resolved too long ago: nobody is promised anything, and the task is not lost."""
    survey, path = await feedback.sent()
    if how == "closed":
        await feedback.close(survey.ticket_id)
    else:
        feedback.clock.move(timedelta(days=6, seconds=1))
    answered = await feedback.anybody.post(f"{path}/response", json={"score": 1, "reopen_consent": True})
    assert (answered.status_code, answered.json()["reopen_consent"], answered.json()["reopens"]) == (200, True, False)
    assert "We open your request again" not in (await feedback.anybody.get(path)).text
    await feedback.hear_ourselves()
    found = await one_followup(feedback, state="open")
    assert found["consented"]
    told = await feedback.told(survey.ticket_id)
    assert told[-1] == "followup.opened"
    url = f"/v1/followups/{found['followup_id']}/request-reopen"
    refused = await feedback.http.post(url, headers={"if-match": '"1"'})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_reopenable")
    assert await feedback.told(survey.ticket_id) == told


async def test_a_consent_to_the_last_moment_of_the_window(feedback: Feedback) -> None:
    """Until the very moment that intake names the ticket can be opened again."""
    _, path = await feedback.sent()
    feedback.clock.move(timedelta(days=6))
    answered = await feedback.anybody.post(f"{path}/response", json={"score": 1, "reopen_consent": True})
    assert answered.json()["reopens"]
    await feedback.hear_ourselves()
    assert (await one_followup(feedback))["state"] == "reopen_requested"


async def test_a_consent_where_the_ticket_is_open_again_already(feedback: Feedback) -> None:
    """The person had written, too: what was asked for is done, and intake is not asked once more."""
    survey, path = await bad_answer(feedback)
    await feedback.reopen(survey.ticket_id)
    assert 'name="reopen_consent"' not in (await feedback.anybody.get(path)).text
    found = await one_followup(feedback, state="open")
    url = f"/v1/followups/{found['followup_id']}/request-reopen"
    refused = await feedback.http.post(url, headers={"if-match": '"1"'})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_reopenable")
    agreed = await feedback.anybody.patch(f"{path}/response", json={"reopen_consent": True, "amends": 1})
    assert agreed.json()["reopens"]
    await feedback.hear_ourselves()
    found = await one_followup(feedback)
    assert (found["state"], found["outcome"]) == ("closed", "reopened")
    assert "followup.reopen_requested" not in await feedback.told(survey.ticket_id)


async def test_a_resolution_since_is_another_one(feedback: Feedback) -> None:
    """Nobody asks for the reopening of a resolution that the person was not asked about."""
    survey, _ = await bad_answer(feedback)
    await feedback.reopen(survey.ticket_id)
    await feedback.resolve(survey.ticket_id, seq=2)
    found = await one_followup(feedback, state="open")
    url = f"/v1/followups/{found['followup_id']}/request-reopen"
    assert (await feedback.http.post(url, headers={"if-match": '"1"'})).json()["code"] == "not_reopenable"


async def test_a_reopening_that_came_to_nothing_gives_the_task_back(feedback: Feedback) -> None:
    """The ticket was closed before intake heard of the consent: the lead sees it, before and after."""
    survey, path = await bad_answer(feedback, reopen_consent=True)
    waiting = await one_followup(feedback, state=["open", "reopen_requested"])
    assert waiting["state"] == "reopen_requested"
    feedback.clock.move(timedelta(hours=2))
    await feedback.close(survey.ticket_id)
    found = await one_followup(feedback, state="open")
    assert found["due_at"] == "2026-03-04T12:00:00Z"
    assert (await feedback.told(survey.ticket_id))[-1] == "followup.opened"
    assert "We open your request again" not in (await feedback.anybody.get(path)).text


async def test_a_better_score_ends_the_task(feedback: Feedback) -> None:
    """A person who thinks better of it needs no call."""
    survey, path = await bad_answer(feedback)
    await feedback.anybody.patch(f"{path}/response", json={"score": 4, "amends": 1})
    await feedback.hear_ourselves()
    found = await one_followup(feedback)
    assert (found["state"], found["outcome"], found["closed_by"]) == ("closed", "score_improved", "service:feedback")
    assert [type(body) for body in await feedback.bodies(survey.ticket_id)][-1] is FollowupClosed


async def test_an_amended_score_may_turn_bad(feedback: Feedback) -> None:
    """Then the task is opened by the amendment."""
    _, path = await feedback.sent()
    await feedback.anybody.post(f"{path}/response", json={"score": 5})
    await feedback.anybody.patch(f"{path}/response", json={"score": 1, "amends": 1, "reopen_consent": True})
    await feedback.hear_ourselves()
    assert (await one_followup(feedback))["state"] == "reopen_requested"


async def test_a_score_that_turns_bad_again_opens_the_task_again(feedback: Feedback) -> None:
    """The same task, with a time of its own, and told once more."""
    survey, path = await bad_answer(feedback)
    first = await one_followup(feedback)
    await feedback.anybody.patch(f"{path}/response", json={"score": 4, "amends": 1})
    await feedback.hear_ourselves()
    feedback.clock.move(timedelta(hours=3))
    await feedback.anybody.patch(f"{path}/response", json={"score": 2, "amends": 2})
    await feedback.hear_ourselves()
    again = await one_followup(feedback, state="open")
    assert again["followup_id"] == first["followup_id"]
    assert (again["score"], again["outcome"], again["closed_at"]) == (2, "", None)
    assert again["due_at"] == "2026-03-04T13:00:00Z"
    opened = [body for body in await feedback.bodies(survey.ticket_id) if isinstance(body, FollowupOpened)]
    assert [each.score for each in opened] == [1, 2]


async def test_consent_after_the_task_was_closed(feedback: Feedback) -> None:
    """Whoever agrees after the lead's call is heard all the same."""
    survey, path = await bad_answer(feedback)
    found = await one_followup(feedback)
    body = {"outcome": "contacted", "note": "wants to think about it"}
    url = f"/v1/followups/{found['followup_id']}/close"
    assert (await feedback.http.post(url, json=body, headers={"if-match": '"1"'})).status_code == 200
    await feedback.anybody.post(f"{path}/response", data={"reopen_consent": "yes", "amends": "1"})
    await feedback.hear_ourselves()
    again = await one_followup(feedback)
    assert (again["state"], again["outcome"], again["note"]) == ("reopen_requested", "", "wants to think about it")
    assert [type(each) for each in await feedback.bodies(survey.ticket_id)][-1] is FollowupReopenRequested


async def test_a_consent_that_an_amendment_repeats_asks_for_nothing(feedback: Feedback) -> None:
    """The ticket was opened again and the task is done: a word on the comment changes neither."""
    survey, path = await bad_answer(feedback, reopen_consent=True)
    await feedback.reopen(survey.ticket_id)
    await feedback.anybody.patch(f"{path}/response", json={"comment": "thank you", "amends": 1})
    await feedback.hear_ourselves()
    found = await one_followup(feedback)
    assert (found["state"], found["outcome"]) == ("closed", "reopened")
    assert (await feedback.told(survey.ticket_id)).count("followup.reopen_requested") == 1


async def test_answers_told_twice_open_one_task(feedback: Feedback) -> None:
    """Even if the backbone did not drop repeats."""
    survey, _ = await bad_answer(feedback)
    feedback.seqs.clear()
    await feedback.hear_ourselves()
    await one_followup(feedback)
    assert (await feedback.told(survey.ticket_id)).count("followup.opened") == 1


async def test_the_lead_closes_and_asks_to_reopen(feedback: Feedback) -> None:
    """With If-Match; closing once more in the same way is no error, in another way it is."""
    await bad_answer(feedback)
    found = await one_followup(feedback)
    url = f"/v1/followups/{found['followup_id']}"
    assert (await feedback.http.post(f"{url}/close", json={"outcome": "contacted"})).status_code == 428
    stale = await feedback.http.post(f"{url}/close", json={"outcome": "contacted"}, headers={"if-match": '"9"'})
    assert stale.status_code == 412
    asked = await feedback.http.post(f"{url}/request-reopen", headers={"if-match": '"1"'})
    assert asked.json()["state"] == "reopen_requested"
    body = {"outcome": "contacted", "note": "called, all well"}
    closed = await feedback.http.post(f"{url}/close", json=body, headers={"if-match": asked.headers["etag"]})
    assert (closed.json()["outcome"], closed.json()["note"]) == ("contacted", "called, all well")
    headers = {"if-match": closed.headers["etag"]}
    assert (await feedback.http.post(f"{url}/close", json=body, headers=headers)).status_code == 200
    other = await feedback.http.post(f"{url}/close", json={"outcome": "coached"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "followup_closed")
    gone = await feedback.http.post(f"{url}/request-reopen", headers=headers)
    assert gone.json()["code"] == "followup_closed"


async def test_pages_of_followups(feedback: Feedback) -> None:
    """Due first in front, a page at a time."""
    for _ in range(3):
        await bad_answer(feedback)
    first = (await feedback.http.get("/v1/followups", params={"limit": 2})).json()
    rest = (await feedback.http.get("/v1/followups", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    due = [each["due_at"] for each in first["items"] + rest["items"]]
    assert len(due) == 3
    assert due == sorted(due)
    assert rest["next_cursor"] is None
