"""From a resolution to a link with the person: planned, suppressed, sent, recalled, expired, taken back."""

from datetime import UTC, datetime, timedelta

import pytest

from common.ids import new_id
from contracts.feedback import SurveySent
from contracts.intake import RequesterCreated, RequesterUpdated, TicketReopened, TicketResolved
from contracts.routing import AgentRegistered
from contracts.words import Source
from feedback.surveys.domain import SurveyState
from tests.integration.feedback.conftest import START, Feedback

DAY = timedelta(days=1)


async def test_a_resolution_is_asked_about_a_day_later(feedback: Feedback) -> None:
    """Planned at the resolution, sent 24 hours later, with the link only in the call to intake."""
    ticket = await feedback.resolved()
    survey = await feedback.survey(ticket.ticket_id)
    assert (survey.state, survey.due_at) == (SurveyState.SCHEDULED, START + DAY)
    feedback.clock.move(DAY - timedelta(seconds=1))
    assert await feedback.fire_due() == 0
    feedback.clock.move(timedelta(seconds=1))
    assert await feedback.fire_due() == 1
    [call] = await feedback.calls()
    assert (call.call_id, call.kind, call.service) == (survey.survey_id, "survey_link", "intake")
    assert call.path == f"/v1/tickets/{ticket.ticket_id}/messages"
    assert call.body["direction"] == "outbound"
    assert "FL-7" in str(call.body["body"])
    assert (await feedback.survey(ticket.ticket_id)).state is SurveyState.SENDING
    path = await feedback.hear(call)
    sent = await feedback.survey(ticket.ticket_id)
    assert (sent.state, sent.sent_at, sent.expires_at) == (SurveyState.SENT, START + DAY, START + 15 * DAY)
    assert await feedback.told(ticket.ticket_id) == ["survey.scheduled", "survey.sent"]
    token = path.removeprefix("/s/")
    assert len(token) == 43
    assert not [rows for rows in (await feedback.contents()).values() if token in str(rows)]


async def test_a_chat_is_asked_about_soon(feedback: Feedback) -> None:
    """Two minutes after a chat, while the person still remembers it."""
    ticket = await feedback.resolved(source=Source(channel="chat"))
    assert (await feedback.survey(ticket.ticket_id)).due_at == START + timedelta(minutes=2)


async def test_nobody_is_woken(feedback: Feedback) -> None:
    """Resolved at 10:00 UTC is 23:00 in Auckland: a day later waits for nine o'clock there."""
    person = new_id()
    await feedback.tell(person, RequesterCreated(requester_id=person, timezone="Pacific/Auckland"))
    ticket = await feedback.resolved(requester_id=person)
    assert (await feedback.survey(ticket.ticket_id)).due_at == datetime(2026, 3, 3, 20, tzinfo=UTC)


async def test_a_timer_that_fires_late_waits_for_the_morning(feedback: Feedback) -> None:
    """Workers that stood still over the evening send nothing at night."""
    ticket = await feedback.resolved()
    feedback.clock.move(timedelta(hours=34))
    assert await feedback.fire_due() == 1
    assert await feedback.calls() == []
    survey = await feedback.survey(ticket.ticket_id)
    assert (survey.state, survey.due_at) == (SurveyState.SCHEDULED, datetime(2026, 3, 4, 9, tzinfo=UTC))
    feedback.clock.move(timedelta(hours=13))
    assert await feedback.fire_due() == 1
    assert len(await feedback.calls()) == 1


@pytest.mark.parametrize("code", ["auto_recovered", "no_reply", "self_service"])
async def test_some_resolutions_are_nobodys_merit(feedback: Feedback, code: str) -> None:
    """Where nobody was helped, nobody is asked; the reason is kept and told."""
    ticket = await feedback.resolved(code=code)
    survey = await feedback.survey(ticket.ticket_id)
    assert (survey.state, survey.reason) == (SurveyState.SUPPRESSED, code)
    assert await feedback.told(ticket.ticket_id) == ["survey.suppressed"]


async def test_other_reasons_not_to_ask(feedback: Feedback) -> None:
    """No human reply, an imported ticket, a colleague, a channel that nobody reads."""
    silent = await feedback.open()
    await feedback.resolve(silent.ticket_id)
    imported = await feedback.resolved(status="pending_customer")
    agent, person = new_id(), new_id()
    await feedback.tell(agent, AgentRegistered(agent_id=agent, tier=1, max_weight=10))
    await feedback.tell(person, RequesterCreated(requester_id=person, agent_id=agent))
    colleague = await feedback.resolved(requester_id=person)
    machine = await feedback.resolved(source=Source(channel="alert"))
    reasons = [(await feedback.survey(each.ticket_id)).reason for each in (silent, imported, colleague, machine)]
    assert reasons == ["no_human_reply", "imported", "requester_is_agent", "channel_closed"]


@pytest.mark.parametrize(("left", "state"), [(False, SurveyState.SENDING), (True, SurveyState.SUPPRESSED)])
async def test_a_question_that_was_taken_back(feedback: Feedback, left: bool, state: SurveyState) -> None:
    """It counts against the next one only where its link had left: the call was under way, and intake took it."""
    first = await feedback.resolved()
    feedback.clock.move(timedelta(minutes=1))
    second = await feedback.resolved(requester_id=first.requester_id)
    feedback.clock.move(DAY - timedelta(minutes=1))
    await feedback.fire_due()
    [call] = await feedback.calls()
    await feedback.reopen(first.ticket_id)
    assert await feedback.calls() == []
    if left:
        await feedback.hear(call)
    feedback.clock.move(timedelta(minutes=1))
    await feedback.fire_due()
    assert (await feedback.survey(first.ticket_id)).state is SurveyState.CANCELLED
    assert (await feedback.survey(second.ticket_id)).state is state
    assert "survey.sent" not in await feedback.told(first.ticket_id)


async def test_a_person_turns_out_to_be_a_colleague(feedback: Feedback) -> None:
    """Said of them after the resolution, before the question is due; an agent whom nobody registered is none."""
    agent, person, stranger = new_id(), new_id(), new_id()
    await feedback.tell(person, RequesterCreated(requester_id=person))
    await feedback.tell(stranger, RequesterCreated(requester_id=stranger, agent_id=new_id()))
    theirs, other = await feedback.resolved(requester_id=person), await feedback.resolved(requester_id=stranger)
    await feedback.tell(person, RequesterUpdated(requester_id=person, fields=("agent_id",), agent_id=agent))
    await feedback.tell(agent, AgentRegistered(agent_id=agent, tier=1, max_weight=10))
    feedback.clock.move(DAY)
    await feedback.fire_due()
    surveys = [await feedback.survey(each.ticket_id) for each in (theirs, other)]
    assert [(each.state, each.reason) for each in surveys] == [
        (SurveyState.SUPPRESSED, "requester_is_agent"),
        (SurveyState.SENDING, ""),
    ]


async def test_one_person_is_asked_once_a_week(feedback: Feedback) -> None:
    """The second survey within seven days is throttled when it is due; after seven days it is not."""
    first, person = await feedback.sent(), (await feedback.sql("select requester_id from survey"))[0].requester_id
    second = await feedback.resolved(requester_id=person)
    feedback.clock.move(DAY)
    await feedback.fire_due()
    survey = await feedback.survey(second.ticket_id)
    assert (survey.state, survey.reason) == (SurveyState.SUPPRESSED, "throttled")
    assert first[0].asked_at is not None
    feedback.clock.move(6 * DAY)
    third = await feedback.resolved(requester_id=person)
    feedback.clock.move(DAY)
    await feedback.fire_due()
    assert (await feedback.survey(third.ticket_id)).state is SurveyState.SENDING


async def test_a_reopened_ticket_takes_its_question_back(feedback: Feedback) -> None:
    """Before it is sent: no timer is left. After: the link says so. The next resolution is asked about anew."""
    ticket = await feedback.resolved()
    await feedback.reopen(ticket.ticket_id)
    survey = await feedback.survey(ticket.ticket_id)
    assert (survey.state, survey.reason) == (SurveyState.CANCELLED, "reopened")
    assert await feedback.sql("select 1 from timer") == []
    await feedback.resolve(ticket.ticket_id, seq=2)
    rows = await feedback.sql("select state from survey order by resolution_seq")
    assert [row.state for row in rows] == ["cancelled", "scheduled"]
    sent, path = await feedback.sent()
    await feedback.reopen(sent.ticket_id)
    assert await feedback.told(sent.ticket_id) == ["survey.scheduled", "survey.sent", "survey.cancelled"]
    assert (await feedback.anybody.get(path)).status_code == 410


async def test_a_reopening_before_the_link_left_takes_the_call_back(feedback: Feedback) -> None:
    """Nobody is sent a link that leads nowhere."""
    ticket = await feedback.resolved()
    feedback.clock.move(DAY)
    await feedback.fire_due()
    await feedback.reopen(ticket.ticket_id)
    assert await feedback.calls() == []


async def test_resolved_and_reopened_in_one_batch(feedback: Feedback) -> None:
    """How events fall into batches does not matter."""
    ticket = await feedback.open()
    await feedback.reply(ticket.ticket_id)
    await feedback.tell(
        ticket.ticket_id,
        TicketResolved(ticket_id=ticket.ticket_id, resolution_seq=1, resolution_code="fixed"),
        TicketReopened(ticket_id=ticket.ticket_id, reopen_count=1, trigger="message", since_resolved_s=1),
    )
    assert (await feedback.survey(ticket.ticket_id)).state is SurveyState.CANCELLED
    assert await feedback.told(ticket.ticket_id) == ["survey.scheduled", "survey.cancelled"]
    assert await feedback.sql("select 1 from timer") == []


async def test_a_repeated_resolution_asks_once(feedback: Feedback) -> None:
    """Even if the backbone did not drop repeats, there would be one survey."""
    ticket = await feedback.resolved()
    await feedback.resolve(ticket.ticket_id)
    await feedback.survey(ticket.ticket_id)
    assert await feedback.told(ticket.ticket_id) == ["survey.scheduled"]


async def test_a_link_that_cannot_be_delivered(feedback: Feedback) -> None:
    """An attempt that failed says nothing; a final one takes the question back, and does not count as asking."""
    ticket = await feedback.resolved()
    feedback.clock.move(DAY)
    await feedback.fire_due()
    [call] = await feedback.calls()
    await feedback.hear(call, status=503, is_final=False)
    assert (await feedback.survey(ticket.ticket_id)).state is SurveyState.SENDING
    await feedback.hear(call, status=409)
    survey = await feedback.survey(ticket.ticket_id)
    assert (survey.state, survey.reason) == (SurveyState.CANCELLED, "undeliverable")
    again = await feedback.resolved(requester_id=ticket.requester_id)
    feedback.clock.move(DAY)
    await feedback.fire_due()
    assert (await feedback.survey(again.ticket_id)).state is SurveyState.SENDING


async def test_intakes_answer_heard_twice(feedback: Feedback) -> None:
    """The survey is sent once, with the message that was heard of first."""
    ticket = await feedback.resolved()
    feedback.clock.move(DAY)
    await feedback.fire_due()
    [call] = await feedback.calls()
    await feedback.hear(call, is_final=False)
    first = (await feedback.survey(ticket.ticket_id)).message_id
    await feedback.hear(call)
    assert (await feedback.survey(ticket.ticket_id)).message_id == first
    sent = [body for body in await feedback.bodies(ticket.ticket_id) if isinstance(body, SurveySent)]
    assert [body.message_id for body in sent] == [first]


async def test_one_reminder_then_the_end(feedback: Feedback) -> None:
    """After 72 hours once more, by a second link; both end after 14 days."""
    survey, path = await feedback.sent()
    feedback.clock.move(timedelta(hours=72))
    await feedback.fire_due()
    [call] = await feedback.calls()
    assert (call.kind, call.call_id) == ("survey_reminder", survey.reminder_id)
    second = await feedback.hear(call)
    assert second != path
    assert {(await feedback.anybody.get(each)).status_code for each in (path, second)} == {200}
    feedback.clock.move(11 * DAY)
    assert {(await feedback.anybody.get(each)).status_code for each in (path, second)} == {410}
    await feedback.fire_due()
    assert (await feedback.survey(survey.ticket_id)).state is SurveyState.EXPIRED
    told = await feedback.told(survey.ticket_id)
    assert told == ["survey.scheduled", "survey.sent", "survey.reminded", "survey.expired"]
    assert await feedback.sql("select 1 from timer") == []


async def test_a_person_who_has_answered_is_left_in_peace(feedback: Feedback) -> None:
    """No reminder, and no expiry."""
    survey, path = await feedback.sent()
    await feedback.anybody.post(f"{path}/response", json={"score": 5})
    feedback.clock.move(20 * DAY)
    assert await feedback.fire_due() == 0
    assert (await feedback.survey(survey.ticket_id)).state is SurveyState.ANSWERED


async def test_the_language_of_the_person(feedback: Feedback) -> None:
    """The ticket's language, else what is known of the person."""
    person = new_id()
    await feedback.tell(
        person,
        RequesterCreated(requester_id=person),
        RequesterUpdated(requester_id=person, fields=("language",), language="de"),
    )
    survey, path = await feedback.sent(requester_id=person, language="")
    assert survey.language == "de"
    assert '<html lang="de">' in (await feedback.anybody.get(path)).text


async def test_a_language_that_becomes_known_before_the_question(feedback: Feedback) -> None:
    """The person is asked in the one that is known when the link leaves, and reads the page in it."""
    person = new_id()
    ticket = await feedback.resolved(requester_id=person, language="")
    await feedback.tell(person, RequesterUpdated(requester_id=person, fields=("language",), language="fr"))
    feedback.clock.move(DAY)
    await feedback.fire_due()
    [call] = await feedback.calls()
    path = await feedback.hear(call)
    assert str(call.body["body"]).startswith("Êtes-vous satisfait")
    assert '<html lang="fr">' in (await feedback.anybody.get(path)).text
    assert (await feedback.survey(ticket.ticket_id)).language == "fr"
