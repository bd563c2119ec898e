"""All SQL of surveys. Locks are taken in one order: the person, then surveys by their ids."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from feedback.policies.domain import SurveyKind
from feedback.surveys.domain import UNANSWERED, Answer, Survey, SurveyState
from feedback.surveys.tables import survey as survey_table
from feedback.surveys.tables import survey_answer, survey_link, survey_person

_COLUMNS = tuple(column.name for column in survey_table.columns)
_NAMES = ", ".join(_COLUMNS)
_FIXED = frozenset({"survey_id", "ticket_id", "resolution_seq", "requester_id", "kind", "created_at"})
_MOVED = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _FIXED)
_ANSWER_COLUMNS = tuple(each.name for each in fields(Answer))

_SAVE = text(f"""
    insert into survey ({_NAMES})
    select {_NAMES} from jsonb_populate_recordset(null::survey, cast(:rows as jsonb)) order by survey_id
    on conflict (survey_id) do update set {_MOVED}
""")  # noqa: S608 - own names

_LOCK_PERSON = text("""
    insert into survey_person as p (requester_id) values (:requester_id)
    on conflict (requester_id) do update set opted_out_at = p.opted_out_at
    returning p.opted_out_at
""")

# What never reached the person does not count against the next question: refused by intake, or taken back before.
_ASKED_BEFORE = text("""
    select max(asked_at) from survey
    where requester_id = :requester_id and kind = :kind and survey_id != :survey_id
      and not (state = 'cancelled' and sent_at is null)
""")


async def get_survey(connection: AsyncConnection, survey_id: UUID, *, lock: bool = False) -> Survey:
    """One survey, locked where asked.

    Raises:
        NotFound: there is none of that id.
    """
    statement = select(survey_table).where(survey_table.c.survey_id == survey_id)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such survey")
    return _survey(row)


async def lock_surveys_of(connection: AsyncConnection, ticket_ids: Sequence[UUID]) -> list[Survey]:
    """Every survey about these tickets, locked."""
    statement = select(survey_table).where(survey_table.c.ticket_id.in_(list(ticket_ids)))
    found = await connection.execute(statement.order_by(survey_table.c.survey_id).with_for_update())
    return [_survey(row) for row in found.mappings()]


async def lock_unanswered_of(connection: AsyncConnection, requester_id: UUID) -> list[Survey]:
    """What this person is still to answer, locked. Lock the person first."""
    statement = select(survey_table).where(
        survey_table.c.requester_id == requester_id, survey_table.c.state.in_([state.value for state in UNANSWERED])
    )
    found = await connection.execute(statement.order_by(survey_table.c.survey_id).with_for_update())
    return [_survey(row) for row in found.mappings()]


async def list_surveys(
    connection: AsyncConnection,
    *,
    ticket_id: UUID | None,
    requester_id: UUID | None,
    state: SurveyState | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Survey]:
    """Surveys, the newest first, behind the sort key `before`."""
    statement = select(survey_table)
    if ticket_id:
        statement = statement.where(survey_table.c.ticket_id == ticket_id)
    if requester_id:
        statement = statement.where(survey_table.c.requester_id == requester_id)
    if state:
        statement = statement.where(survey_table.c.state == state.value)
    order = tuple_(survey_table.c.created_at, survey_table.c.survey_id)
    if before:
        statement = statement.where(order < before)
    newest = (survey_table.c.created_at.desc(), survey_table.c.survey_id.desc())
    found = await connection.execute(statement.order_by(*newest).limit(limit))
    return [_survey(row) for row in found.mappings()]


async def save_surveys(connection: AsyncConnection, surveys: Iterable[Survey]) -> None:
    """Insert or replace, in one statement."""
    await connection.execute(_SAVE, {"rows": msgspec.json.encode(list(surveys)).decode()})


async def lock_person(connection: AsyncConnection, requester_id: UUID) -> datetime | None:
    """Lock the person, whether or not they are known; returns since when they do not want to be asked."""
    return (await connection.execute(_LOCK_PERSON, {"requester_id": requester_id})).scalar_one()


async def list_opted_out(connection: AsyncConnection, requester_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of these people who do not want to be asked."""
    found = await connection.execute(
        select(survey_person.c.requester_id).where(
            survey_person.c.requester_id.in_(list(requester_ids)), survey_person.c.opted_out_at.is_not(None)
        )
    )
    return frozenset(found.scalars())


async def save_opt_out(connection: AsyncConnection, requester_id: UUID, *, now: datetime) -> None:
    """Note that a locked person does not want to be asked."""
    await connection.execute(
        survey_person.update().where(survey_person.c.requester_id == requester_id).values(opted_out_at=now)
    )


async def find_asked_before(connection: AsyncConnection, survey: Survey) -> datetime | None:
    """When the person was last asked by another survey of this kind. Lock the person first."""
    values = {"requester_id": survey.requester_id, "kind": survey.kind.value, "survey_id": survey.survey_id}
    return (await connection.execute(_ASKED_BEFORE, values)).scalar_one()


async def add_link(connection: AsyncConnection, survey_id: UUID, *, token_sha256: bytes, now: datetime) -> None:
    """Note a link of a survey."""
    values = {"token_sha256": token_sha256, "survey_id": survey_id, "issued_at": now}
    await connection.execute(survey_link.insert().values(values))


async def find_linked(connection: AsyncConnection, token_sha256: bytes) -> UUID | None:
    """The survey that this link opens. Equal time whatever is asked: a hash tells nothing of its neighbours."""
    statement = select(survey_link.c.survey_id).where(survey_link.c.token_sha256 == token_sha256)
    return (await connection.execute(statement)).scalar_one_or_none()


async def add_answer(connection: AsyncConnection, answer: Answer) -> None:
    """Keep a version of an answer; a version never changes."""
    values = {name: getattr(answer, name) for name in _ANSWER_COLUMNS} | {"reasons": list(answer.reasons)}
    await connection.execute(insert(survey_answer).values(values))


async def list_answers(connection: AsyncConnection, survey_ids: Sequence[UUID]) -> Mapping[UUID, list[Answer]]:
    """Every version of the answers to these surveys, the first one first; unanswered surveys are absent."""
    statement = select(survey_answer).where(survey_answer.c.survey_id.in_(list(survey_ids)))
    found = await connection.execute(statement.order_by(survey_answer.c.survey_id, survey_answer.c.version))
    answers: dict[UUID, list[Answer]] = {}
    for row in found.mappings():
        values: dict[str, Any] = dict(row)
        values["reasons"] = tuple(values["reasons"])
        answer = Answer(**values)
        answers.setdefault(answer.survey_id, []).append(answer)
    return answers


def _survey(row: RowMapping) -> Survey:
    values: dict[str, Any] = dict(row)
    values["kind"] = SurveyKind(values["kind"])
    values["state"] = SurveyState(values["state"])
    return Survey(**values)
