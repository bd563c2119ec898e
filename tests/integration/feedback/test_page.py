"""The public page over HTTP: looking never writes, answering does, once, and may be changed for a day."""

from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from common.ids import new_id
from contracts.feedback import SurveyAmended, SurveyResponded
from feedback.surveys.domain import SurveyState
from tests.integration.feedback.conftest import Feedback

DAY = timedelta(days=1)
SECRET_COMMENT = "My dog ate the router"


class Page(HTMLParser):
    """The elements of a page, as (tag, attributes)."""

    def __init__(self, html: str) -> None:
        """Args: html: the whole page."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """The attributes of every such element."""
        found = [attributes for name, attributes in self.elements if name == tag]
        return [each for each in found if wanted.items() <= each.items()]


async def test_looking_writes_nothing(feedback: Feedback) -> None:
    """Ten openings and probes, as mail scanners do them, leave every row of every table as it was."""
    _, path = await feedback.sent()
    before = await feedback.contents()
    for number in range(10):
        shown = await feedback.anybody.get(path, params={"utm_source": f"mail-{number}"})
        assert shown.status_code == 200
        assert (await feedback.anybody.head(path)).status_code == 200
    assert await feedback.contents() == before


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("csat_5", 1, 5), ("thumbs", 0, 1), ("nps_11", 0, 10), ("ces_7", 1, 7)]
)
async def test_every_kind_has_its_page(feedback: Feedback, kind: str, least: int, most: int) -> None:
    """One radio button a score, none of them chosen, no script, nothing from elsewhere."""
    made = await feedback.http.post("/v1/survey-policies", json={"name": kind, "kind": kind, "priority": 1})
    await feedback.http.post(f"/v1/survey-policies/{made.json()['policy_id']}/versions/1/activate")
    ticket = await feedback.resolved()
    feedback.clock.move(DAY)
    await feedback.fire_due()
    surveys = await feedback.sql("select survey_id, kind from survey where ticket_id = :id", id=ticket.ticket_id)
    wanted = next(row.survey_id for row in surveys if row.kind == kind)
    [path] = [await feedback.hear(call) for call in await feedback.calls() if call.aggregate_id == wanted]
    shown = await feedback.anybody.get(path)
    page = Page(shown.text)
    assert [each["value"] for each in page.all("input", name="score")] == [str(n) for n in range(least, most + 1)]
    assert not [each for each in page.all("input") if "checked" in each]
    assert page.all("script") == page.all("img") == page.all("link") == page.all("iframe") == []
    assert "http://" not in shown.text
    assert "https://" not in shown.text
    answered = await feedback.anybody.post(f"{path}/response", data={"score": most, "comment": ""})
    assert (answered.status_code, answered.headers["location"]) == (303, path)


async def test_what_every_page_says_to_browsers(feedback: Feedback) -> None:
    """Also the refusals: nothing may be loaded, kept, indexed or framed, and the address goes to nobody."""
    _, path = await feedback.sent()
    for shown in (await feedback.anybody.get(path), await feedback.anybody.get("/s/nowhere")):
        policy = shown.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "frame-ancestors 'none'" in policy
        assert shown.headers["referrer-policy"] == "no-referrer"
        assert shown.headers["cache-control"] == "no-store"
        assert shown.headers["x-robots-tag"] == "noindex, nofollow"
        assert shown.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("fr-CA,fr;q=0.9,en;q=0.5", "fr"), ("ja, es;q=0.3", "es"), ("", "en"), ("ja", "en"), ("de;q=nonsense,en", "en")],
)
async def test_the_browsers_language_where_we_know_none(feedback: Feedback, accepted: str, language: str) -> None:
    """Accept-Language counts only for people of whom nothing is known."""
    _, path = await feedback.sent(language="")
    shown = await feedback.anybody.get(path, headers={"accept-language": accepted})
    assert f'<html lang="{language}">' in shown.text


async def test_an_answer_by_form(feedback: Feedback) -> None:
    """Answered, told with the shares of the owners, and shown with thanks; the comment stays here."""
    agent = new_id()
    ticket = await feedback.open()
    await feedback.own(ticket.ticket_id, agent)
    feedback.clock.move(timedelta(hours=1))
    await feedback.reply(ticket.ticket_id)
    await feedback.resolve(ticket.ticket_id)
    feedback.clock.move(DAY)
    await feedback.fire_due()
    [path] = await feedback.deliver()
    form = {"score": "4", "reasons": ["speed", "clarity"], "comment": f"{SECRET_COMMENT}\r\nreally"}
    answered = await feedback.anybody.post(f"{path}/response", data=form)
    assert answered.status_code == 303
    survey = await feedback.survey(ticket.ticket_id)
    assert survey.state is SurveyState.ANSWERED
    shown = await feedback.http.get(f"/v1/surveys/{survey.survey_id}")
    [answer] = shown.json()["answers"]
    assert answer["comment"] == f"{SECRET_COMMENT}\nreally"
    told = (await feedback.bodies(ticket.ticket_id))[-1]
    assert isinstance(told, SurveyResponded)
    assert (told.score, told.scale_min, told.scale_max, told.normalised) == (4, 1, 5, 0.75)
    assert (told.is_positive, told.has_comment, told.reasons) == (True, True, ("speed", "clarity"))
    assert [(share.agent_id, share.share) for share in told.attribution] == [(agent, 1.0)]
    events = await feedback.sql("select headers, payload from event")
    assert not [row for row in events if SECRET_COMMENT.encode() in bytes(row.payload) + bytes(row.headers)]
    assert f"requester:{ticket.requester_id}".encode() in bytes(events[-1].headers)
    thanks = await feedback.anybody.get(path)
    assert "4 (Satisfied)" in thanks.text
    assert "reopen_consent" not in thanks.text


async def test_an_answer_sent_twice(feedback: Feedback) -> None:
    """A second click changes nothing, by form and by JSON, and says the same."""
    survey, path = await feedback.sent()
    form = {"score": "3", "comment": ""}
    first = await feedback.anybody.post(f"{path}/response", data=form)
    again = await feedback.anybody.post(f"{path}/response", data=form)
    as_json = await feedback.anybody.post(f"{path}/response", json={"score": 3, "comment": "", "reasons": []})
    assert (first.status_code, again.status_code, as_json.status_code) == (303, 303, 200)
    assert as_json.json()["version"] == 1
    assert (await feedback.told(survey.ticket_id)).count("survey.responded") == 1


async def test_another_answer_needs_to_say_what_it_changes(feedback: Feedback) -> None:
    """Two tabs: the second one does not overwrite what it did not see."""
    _, path = await feedback.sent()
    await feedback.anybody.post(f"{path}/response", json={"score": 3})
    refused = await feedback.anybody.post(f"{path}/response", json={"score": 5})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_answered")
    page = await feedback.anybody.post(f"{path}/response", data={"score": "5", "comment": ""})
    assert page.status_code == 409
    assert f'href="{path}"' in page.text


async def test_changing_an_answer(feedback: Feedback) -> None:
    """Within 24 hours, by PATCH or by the form on the page; every version is kept."""
    survey, path = await feedback.sent()
    await feedback.anybody.post(f"{path}/response", json={"score": 3, "comment": "so so", "reasons": ["speed"]})
    changed = await feedback.anybody.patch(f"{path}/response", json={"score": 4, "amends": 1})
    assert changed.json()["version"] == 2
    repeated = await feedback.anybody.patch(f"{path}/response", json={"score": 4, "amends": 1})
    assert repeated.json() == changed.json()
    feedback.clock.move(DAY - timedelta(seconds=1))
    form = {"score": "5", "comment": "quite good", "amends": "2"}
    assert (await feedback.anybody.post(f"{path}/response", data=form)).status_code == 303
    feedback.clock.move(timedelta(seconds=1))
    late = await feedback.anybody.patch(f"{path}/response", json={"score": 1, "amends": 3})
    assert (late.status_code, late.json()["code"]) == (409, "answer_fixed")
    assert "amends" not in (await feedback.anybody.get(path)).text
    answers = (await feedback.http.get(f"/v1/surveys/{survey.survey_id}")).json()["answers"]
    kept = [(each["score"], each["comment"], each["reasons"]) for each in answers]
    assert kept == [(3, "so so", ["speed"]), (4, "so so", ["speed"]), (5, "quite good", [])]
    bodies = await feedback.bodies(survey.ticket_id)
    assert [each.version for each in bodies if isinstance(each, SurveyAmended)] == [2, 3]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"score": 6},
        {"score": "3"},
        {"score": True},
        {"score": 3, "reasons": ["weather"]},
        {"score": 3, "comment": "x" * 2_001},
        {"score": 3, "stars": 5},
        {"score": 3, "reopen_consent": True},
        {"score": 3, "comment": "nul \x00"},
    ],
)
async def test_answers_that_do_not_fit(feedback: Feedback, given: dict[str, Any]) -> None:
    """Refused with a pointer, and nothing is kept."""
    survey, path = await feedback.sent()
    refused = await feedback.anybody.post(f"{path}/response", json=given)
    assert refused.status_code == 400
    assert refused.json()["errors"]
    assert (await feedback.survey(survey.ticket_id)).state is SurveyState.SENT


async def test_a_form_without_a_score_is_a_page(feedback: Feedback) -> None:
    """In the browser's language, with a way back."""
    _, path = await feedback.sent()
    refused = await feedback.anybody.post(
        f"{path}/response", data={"comment": "hello"}, headers={"accept-language": "de"}
    )
    assert refused.status_code == 400
    assert "Bitte wählen Sie eine der Bewertungen aus." in refused.text
    assert f'href="{path}"' in refused.text


async def test_bodies_have_limits(feedback: Feedback) -> None:
    """Too large, neither JSON nor form, too many fields, not UTF-8."""
    _, path = await feedback.sent()
    url = f"{path}/response"
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await feedback.anybody.post(url, data={"comment": "x" * 40_000})).status_code == 413
    assert (await feedback.anybody.post(url, content=b"<a/>", headers={"content-type": "text/xml"})).status_code == 415
    assert (await feedback.anybody.post(url, content=b"a=1&" * 60, headers=form)).status_code == 400
    assert (await feedback.anybody.post(url, content=b"comment=%ff", headers=form)).status_code == 400
    assert (await feedback.anybody.post(url, content=b"score=3&comment=%00", headers=form)).status_code == 400
    assert (await feedback.anybody.post(url, content=b"score=3&score=4", headers=form)).status_code == 400


async def test_links_that_lead_nowhere(feedback: Feedback) -> None:
    """Unknown: 404. Ended: 410. A page for people, a problem document for programs."""
    survey, path = await feedback.sent()
    etag = (await feedback.http.get(f"/v1/surveys/{survey.survey_id}")).headers["etag"]
    cancelled = await feedback.http.post(f"/v1/surveys/{survey.survey_id}/cancel", headers={"if-match": etag})
    assert cancelled.json()["reason"] == "manual"
    ended = await feedback.anybody.get(path)
    assert ended.status_code == 410
    assert "We have taken the question back" in ended.text
    for url in ("/s/unknown", f"{path}x", path[:-1]):
        shown = await feedback.anybody.get(url)
        assert shown.status_code == 404
        assert "This link leads nowhere" in shown.text
    elsewhere = await feedback.anybody.get("/s/unknown/", headers={"host": "elsewhere.example"})
    assert (elsewhere.status_code, "location" in elsewhere.headers) == (404, False)
    program = await feedback.anybody.get("/s/unknown", headers={"accept": "application/json"})
    assert program.json()["code"] == "survey_unknown"
    posted = await feedback.anybody.post(f"{path}/response", json={"score": 5})
    assert (posted.status_code, posted.json()["code"]) == (410, "survey_cancelled")


async def test_opting_out(feedback: Feedback) -> None:
    """What is open is taken back, nothing is asked again, and a repeat changes nothing."""
    survey, path = await feedback.sent()
    waiting = await feedback.resolved(requester_id=survey.requester_id)
    form = {"content-type": "application/x-www-form-urlencoded"}
    done = await feedback.anybody.post(f"{path}/opt-out", headers=form)
    assert done.status_code == 200
    assert "We will not ask you any more" in done.text
    assert (await feedback.survey(waiting.ticket_id)).reason == "opted_out"
    again = await feedback.anybody.post(f"{path}/opt-out")
    assert again.json() == {"opted_out": True}
    later = await feedback.resolved(requester_id=survey.requester_id)
    assert (await feedback.survey(later.ticket_id)).reason == "opted_out"
    assert (await feedback.told(survey.ticket_id)).count("survey.cancelled") == 1
    assert (await feedback.anybody.get(path)).status_code == 410
    asked = await feedback.http.post(f"/v1/tickets/{later.ticket_id}/surveys", json={})
    assert (asked.status_code, asked.json()["code"]) == (409, "opted_out")


async def test_an_answer_before_we_heard_that_the_link_arrived(feedback: Feedback) -> None:
    """Intake was faster than its answer to us: the answer counts, and the sending is told afterwards."""
    ticket = await feedback.resolved()
    feedback.clock.move(DAY)
    await feedback.fire_due()
    [call] = await feedback.calls()
    path = str(call.body["body"]).split("help.example")[1].split()[0]
    assert (await feedback.anybody.post(f"{path}/response", json={"score": 5})).status_code == 200
    await feedback.hear(call)
    assert await feedback.told(ticket.ticket_id) == ["survey.scheduled", "survey.responded", "survey.sent"]
    assert (await feedback.survey(ticket.ticket_id)).state is SurveyState.ANSWERED


async def test_an_answer_where_nobody_knows_what_came_of_the_call(feedback: Feedback) -> None:
    """Intake took the message and its answer was lost: the call is sent once more, and tells that the link was sent."""
    ticket = await feedback.resolved()
    feedback.clock.move(DAY)
    await feedback.fire_due()
    [call] = await feedback.calls()
    path = await feedback.hear(call, status=504, is_final=False)
    assert (await feedback.anybody.post(f"{path}/response", json={"score": 5})).status_code == 200
    assert [each.call_id for each in await feedback.calls()] == [call.call_id]
    await feedback.deliver()
    assert await feedback.told(ticket.ticket_id) == ["survey.scheduled", "survey.responded", "survey.sent"]
    survey = await feedback.survey(ticket.ticket_id)
    assert (survey.state, survey.sent_at) == (SurveyState.ANSWERED, feedback.clock.now())


async def test_there_is_nothing_to_change_before_an_answer(feedback: Feedback) -> None:
    """A change of an answer that nobody gave is refused, also as a whole answer and by form; the survey stays open."""
    survey, path = await feedback.sent()
    url = f"{path}/response"
    changed = await feedback.anybody.patch(url, json={"score": 5, "amends": 1})
    posted = await feedback.anybody.post(url, json={"score": 5, "amends": 3})
    assert [(each.status_code, each.json()["code"]) for each in (changed, posted)] == [(409, "not_answered")] * 2
    assert (await feedback.anybody.post(url, data={"score": "5", "amends": "1"})).status_code == 409
    assert (await feedback.survey(survey.ticket_id)).state is SurveyState.SENT
    assert (await feedback.anybody.post(url, json={"score": 5})).status_code == 200
