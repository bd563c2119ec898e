"""How links leave: the timers that are due, the calls to intake, and what is heard of them.

The text of a link stands in the row of its call, until that is settled, and nowhere else: the survey keeps a hash.
"""

import secrets
from collections.abc import Iterable, Sequence
from hashlib import sha256
from uuid import UUID

import msgspec

from common.calls import Call, CallOutcome, add_calls, cancel_calls
from common.timers import clear_timers, set_timers
from common.transaction import Transaction
from feedback.policies import usecases as policies
from feedback.surveys import life, store
from feedback.surveys.domain import Survey, SurveyState
from feedback.surveys.hours import next_within
from feedback.surveys.life import Circumstances, Move
from feedback.surveys.texts import invitation, reminder
from feedback.tickets import usecases as tickets

LINK = "survey_link"
REMINDER = "survey_reminder"
SEND_TIMER = "survey_send"
REMIND_TIMER = "survey_remind"
EXPIRE_TIMER = "survey_expire"
_TIMERS = (SEND_TIMER, REMIND_TIMER, EXPIRE_TIMER)
_TOKEN_BYTES = 32


class _Posted(msgspec.Struct, frozen=True):
    """What intake answers when it took a message."""

    id: UUID


def hash_token(token: str) -> bytes:
    """What is kept of a link."""
    return sha256(token.encode()).digest()


async def keep(tx: Transaction, before: Iterable[Survey], moves: Sequence[Move]) -> None:
    """Save what moved, tell it, and stop the timers and calls of surveys that need them no longer.

    Args:
        before: the surveys as they were, locked; those of `moves` that are not among them are new.
    """
    known = {survey.survey_id: survey for survey in before}
    changed = {move.survey.survey_id: move.survey for move in moves if known.get(move.survey.survey_id) != move.survey}
    if changed:
        await store.save_surveys(tx.connection, changed.values())
    waiting = [each for each in changed.values() if each.state is SurveyState.SCHEDULED]
    await set_timers(tx, SEND_TIMER, [(each.survey_id, each.version, each.due_at) for each in waiting])
    ended = [each for each in changed.values() if each.survey_id in known and not _is_under_way(each)]
    ids = [each.survey_id for each in ended]
    for kind in _TIMERS if ended else ():
        await clear_timers(tx, kind, ids)
    await cancel_calls(tx, REMINDER, ids)
    # Whoever answered has the link, whatever came of the call so far: repeated, it tells us that the link was sent.
    await cancel_calls(tx, LINK, [each.survey_id for each in ended if not _is_unheard_of(each)])
    for move in moves:
        origin = msgspec.structs.replace(
            tx.origin, correlation_id=move.survey.correlation_id or tx.origin.correlation_id
        )
        tx.add_events(f"ticket/{move.survey.ticket_id}", move.told, origin=origin)


async def send_due(tx: Transaction, survey_id: UUID, *, public_url: str) -> None:
    """Send the link of a survey that is due, unless something speaks against it by now."""
    requester_id = (await store.get_survey(tx.connection, survey_id)).requester_id
    opted_out_at = await store.lock_person(tx.connection, requester_id)
    survey = await store.get_survey(tx.connection, survey_id, lock=True)
    ticket = (await tickets.list_tickets(tx.connection, [survey.ticket_id]))[survey.ticket_id]
    policy = await policies.get_version(tx.connection, survey.policy_id, survey.policy_version)
    around = Circumstances(
        person=(await tickets.list_people(tx.connection, [requester_id])).get(requester_id),
        is_agent=requester_id in await tickets.list_colleagues(tx.connection, [requester_id]),
        opted_out=opted_out_at is not None,
        asked_before=await store.find_asked_before(tx.connection, survey),
    )
    move = life.begin_sending(survey, ticket, policy.rules, around, now=tx.now)
    await keep(tx, [survey], [move])
    if survey.state is SurveyState.SCHEDULED and move.survey.state is SurveyState.SENDING:
        url = await _issue_link(tx, survey, public_url)
        text = invitation(move.survey.language, number=survey.number, url=url)
        await _post(tx, survey, kind=LINK, call_id=survey.survey_id, text=text)


async def remind_due(tx: Transaction, survey_id: UUID, *, public_url: str) -> None:
    """Ask a person who has not answered once more, by a link of its own."""
    survey = await store.get_survey(tx.connection, survey_id, lock=True)
    if survey.state is not SurveyState.SENT or survey.reminded_at is not None:
        return
    policy = await policies.get_version(tx.connection, survey.policy_id, survey.policy_version)
    person = (await tickets.list_people(tx.connection, [survey.requester_id])).get(survey.requester_id)
    due_at = next_within(tx.now, policy.rules.local_hours, timezone=person.timezone if person else "")
    if due_at > tx.now:
        await set_timers(tx, REMIND_TIMER, [(survey_id, survey.version, due_at)])
        return
    url = await _issue_link(tx, survey, public_url)
    text = reminder(survey.language, number=survey.number, url=url)
    await _post(tx, survey, kind=REMINDER, call_id=survey.reminder_id, text=text)


async def expire_due(tx: Transaction, survey_id: UUID) -> None:
    """End a survey whose link has lived long enough."""
    survey = await store.get_survey(tx.connection, survey_id, lock=True)
    await keep(tx, [survey], [life.expire(survey, now=tx.now)])


async def hear_of_link(tx: Transaction, outcome: CallOutcome) -> None:
    """What came of sending a link: the survey is sent, or cannot be delivered; anything else is tried again."""
    survey = await store.get_survey(tx.connection, outcome.call.aggregate_id, lock=True)
    if outcome.ok:
        await _note_sent(tx, survey, msgspec.convert(outcome.answer, _Posted).id)
    elif outcome.is_final and survey.state is SurveyState.SENDING:
        await keep(tx, [survey], [life.cancel(survey, "undeliverable")])


async def hear_of_reminder(tx: Transaction, outcome: CallOutcome) -> None:
    """What came of sending a reminder; one that cannot be delivered changes nothing."""
    if outcome.ok:
        survey = await store.get_survey(tx.connection, outcome.call.aggregate_id, lock=True)
        message_id = msgspec.convert(outcome.answer, _Posted).id
        await keep(tx, [survey], [life.note_reminded(survey, message_id=message_id, now=tx.now)])


async def _note_sent(tx: Transaction, survey: Survey, message_id: UUID) -> None:
    rules = (await policies.get_version(tx.connection, survey.policy_id, survey.policy_version)).rules
    move = life.note_sent(survey, message_id=message_id, life_s=rules.life_s, now=tx.now)
    await keep(tx, [survey], [move])
    sent = move.survey
    if sent is survey or sent.state is not SurveyState.SENT or sent.expires_at is None:
        return
    await set_timers(tx, EXPIRE_TIMER, [(sent.survey_id, sent.version, sent.expires_at)])
    remind_at = life.reminder_due(sent, rules)
    if remind_at is not None:
        await set_timers(tx, REMIND_TIMER, [(sent.survey_id, sent.version, remind_at)])


async def _issue_link(tx: Transaction, survey: Survey, public_url: str) -> str:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    await store.add_link(tx.connection, survey.survey_id, token_sha256=hash_token(token), now=tx.now)
    return f"{public_url.rstrip('/')}/s/{token}"


async def _post(tx: Transaction, survey: Survey, *, kind: str, call_id: UUID, text: str) -> None:
    # The message belongs to the conversation of the resolution, not to the timer that fired.
    tx.origin = msgspec.structs.replace(tx.origin, correlation_id=survey.correlation_id)
    call = Call(
        call_id=call_id,
        kind=kind,
        aggregate_id=survey.survey_id,
        service="intake",
        method="POST",
        path=f"/v1/tickets/{survey.ticket_id}/messages",
        body={"direction": "outbound", "body": text},
    )
    await add_calls(tx, [call])


def _is_unheard_of(survey: Survey) -> bool:
    return survey.state is SurveyState.ANSWERED and survey.sent_at is None


def _is_under_way(survey: Survey) -> bool:
    """Whether a timer or a call of it still has a purpose."""
    return survey.state in (SurveyState.SCHEDULED, SurveyState.SENDING, SurveyState.SENT)
