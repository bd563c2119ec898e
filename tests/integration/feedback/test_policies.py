"""Survey policies over HTTP: drafted, activated, retired; the first that matches asks; and asking by hand."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.words import Source
from feedback.surveys.domain import SurveyState
from tests.integration.feedback.conftest import START, Feedback

DEMO: dict[str, Any] = {
    "name": "Demo",
    "priority": 10,
    "match": {"system": {"eq": "demo"}},
    "delay_s": 2,
    "local_hours": None,
    "throttle_s": 0,
    "reminder_after_s": None,
}


async def policy(feedback: Feedback, **given: Any) -> str:
    """A new policy in force; returns its id."""
    made = await feedback.http.post("/v1/survey-policies", json=given)
    assert made.status_code == 201, made.text
    policy_id: str = made.json()["policy_id"]
    activated = await feedback.http.post(f"/v1/survey-policies/{policy_id}/versions/1/activate")
    assert activated.json()["active_version"] == 1
    return policy_id


async def test_the_shipped_policy(feedback: Feedback) -> None:
    """One that matches everything, with the defaults."""
    [shipped] = (await feedback.http.get("/v1/survey-policies")).json()["items"]
    [version] = shipped["versions"]
    assert (shipped["kind"], shipped["active_version"]) == ("csat_5", 1)
    assert (version["delay_s"], version["throttle_s"], version["life_s"]) == (86_400, 604_800, 1_209_600)
    assert version["local_hours"] == {"from": 9, "to": 18, "timezone": "UTC"}


async def test_a_policy_of_its_own_for_some_tickets(feedback: Feedback) -> None:
    """A demo asks after two seconds, at any hour, again and again; everybody else is asked as before."""
    await policy(feedback, **DEMO)
    demo = await feedback.resolved(source=Source(channel="web", system="demo"))
    other = await feedback.resolved()
    assert (await feedback.survey(demo.ticket_id)).due_at == START + timedelta(seconds=2)
    assert (await feedback.survey(other.ticket_id)).due_at == START + timedelta(days=1)
    feedback.clock.move(timedelta(seconds=2))
    await feedback.fire_due()
    again = await feedback.resolved(source=Source(channel="web", system="demo"), requester_id=demo.requester_id)
    feedback.clock.move(timedelta(seconds=2))
    await feedback.fire_due()
    assert (await feedback.survey(again.ticket_id)).state is SurveyState.SENDING


async def test_versions_never_change(feedback: Feedback) -> None:
    """A new version is like the newest one but for what is given; what is planned keeps its own."""
    policy_id = await policy(feedback, name="Mine", priority=1, delay_s=3_600)
    planned = await feedback.resolved()
    url = f"/v1/survey-policies/{policy_id}/versions"
    drafted = (await feedback.http.post(url, json={"delay_s": 60, "reminder_after_s": None})).json()
    assert [each["state"] for each in drafted["versions"]] == ["active", "draft"]
    assert (await feedback.http.post(f"{url}/2/activate")).json()["active_version"] == 2
    assert (await feedback.http.post(f"{url}/2/activate")).status_code == 200
    back = await feedback.http.post(f"{url}/1/activate")
    assert (back.status_code, back.json()["code"]) == (409, "version_retired")
    assert (await feedback.http.post(f"{url}/3/activate")).status_code == 404
    assert (await feedback.survey(planned.ticket_id)).policy_version == 1
    fresh = await feedback.resolved()
    assert (await feedback.survey(fresh.ticket_id)).due_at == START + timedelta(seconds=60)
    shown = (await feedback.http.get(f"/v1/survey-policies/{policy_id}")).json()["versions"]
    assert [(each["delay_s"], each["priority"], each["state"]) for each in shown] == [
        (3_600, 1, "retired"),
        (60, 1, "active"),
    ]
    assert (await feedback.http.post(f"{url}/2/retire")).json()["active_version"] is None


async def test_two_kinds_about_one_resolution(feedback: Feedback) -> None:
    """Of each kind the first policy that matches asks."""
    await policy(feedback, name="Recommend", kind="nps_11")
    ticket = await feedback.resolved()
    rows = await feedback.sql("select kind from survey where ticket_id = :id order by kind", id=ticket.ticket_id)
    assert [row.kind for row in rows] == ["csat_5", "nps_11"]


async def test_no_policy_no_survey(feedback: Feedback) -> None:
    """Retired without another in force, nobody is asked."""
    [shipped] = (await feedback.http.get("/v1/survey-policies")).json()["items"]
    await feedback.http.post(f"/v1/survey-policies/{shipped['policy_id']}/versions/1/retire")
    await feedback.resolved()
    assert await feedback.sql("select 1 from survey") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"match": {"colour": {"eq": "red"}}},
        {"local_hours": {"from": 18, "to": 9}},
        {"local_hours": {"timezone": "Moon/Crater"}},
        {"sample_percent": 101},
        {"life_s": 0},
        {"delay_s": "2s"},
    ],
)
async def test_policies_that_cannot_be_used(feedback: Feedback, wrong: dict[str, Any]) -> None:
    """Refused, with a pointer to the field."""
    refused = await feedback.http.post("/v1/survey-policies", json={"name": "Wrong", **wrong})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"].startswith(f"/{next(iter(wrong))}")


async def test_a_sample(feedback: Feedback) -> None:
    """None of them, and the reason is told."""
    await policy(feedback, name="None", priority=1, sample_percent=0)
    ticket = await feedback.resolved()
    assert (await feedback.survey(ticket.ticket_id)).reason == "sampled_out"


async def test_asking_by_hand(feedback: Feedback) -> None:
    """At once, although it was suppressed; but once, and only about a resolution."""
    ticket = await feedback.open()
    url = f"/v1/tickets/{ticket.ticket_id}/surveys"
    assert (await feedback.http.post(url, json={})).json()["code"] == "not_resolved"
    await feedback.resolve(ticket.ticket_id)
    before = await feedback.survey(ticket.ticket_id)
    assert before.reason == "no_human_reply"
    asked = await feedback.http.post(url, json={})
    assert asked.status_code == 201
    assert (asked.json()["survey_id"], asked.json()["state"]) == (str(before.survey_id), "scheduled")
    await feedback.fire_due()
    assert (await feedback.survey(ticket.ticket_id)).state is SurveyState.SENDING
    again = await feedback.http.post(url, json={})
    assert (again.status_code, again.json()["code"]) == (409, "survey_exists")
    other = await feedback.http.post(url, json={"kind": "thumbs"})
    assert other.json()["code"] == "no_policy"
    nowhere = await feedback.http.post("/v1/tickets/00000000-0000-7000-8000-000000000000/surveys", json={})
    assert nowhere.status_code == 404


async def test_taking_a_question_back(feedback: Feedback) -> None:
    """With If-Match; what is answered stays."""
    survey, path = await feedback.sent()
    await feedback.anybody.post(f"{path}/response", json={"score": 5})
    url = f"/v1/surveys/{survey.survey_id}/cancel"
    assert (await feedback.http.post(url)).status_code == 428
    assert (await feedback.http.post(url, headers={"if-match": '"8"'})).status_code == 412
    refused = await feedback.http.post(url, headers={"if-match": f'"{survey.version}"'})
    assert (refused.status_code, refused.json()["code"]) == (409, "survey_ended")


async def test_lists_of_surveys(feedback: Feedback) -> None:
    """The newest first, by ticket, person or state, a page at a time."""
    tickets: list[UUID] = []
    for _ in range(3):
        tickets.append((await feedback.resolved()).ticket_id)
        feedback.clock.move(timedelta(minutes=1))
    first = (await feedback.http.get("/v1/surveys", params={"limit": 2, "state": "scheduled"})).json()
    rest = (await feedback.http.get("/v1/surveys", params={"cursor": first["next_cursor"]})).json()
    shown = [each["ticket_id"] for each in first["items"] + rest["items"]]
    assert shown == [str(each) for each in reversed(tickets)]
    [one] = (await feedback.http.get("/v1/surveys", params={"ticket": str(tickets[0])})).json()["items"]
    assert one["ticket_id"] == str(tickets[0])
    assert (await feedback.http.get("/v1/surveys", params={"state": "sent"})).json()["items"] == []
