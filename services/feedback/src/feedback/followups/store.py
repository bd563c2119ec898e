"""All SQL of follow-ups."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from feedback.followups.domain import Followup, FollowupState
from feedback.followups.tables import followup as followup_table
from feedback.policies.domain import SurveyKind

_COLUMNS = tuple(column.name for column in followup_table.columns)
_NAMES = ", ".join(_COLUMNS)
_FIXED = frozenset({"followup_id", "survey_id", "ticket_id", "requester_id", "resolution_seq", "kind", "opened_at"})
_MOVED = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _FIXED)

_SAVE = text(f"""
    insert into followup ({_NAMES})
    select {_NAMES} from jsonb_populate_recordset(null::followup, cast(:rows as jsonb)) order by followup_id
    on conflict (followup_id) do update set {_MOVED}
""")  # noqa: S608 - own names


async def get_followup(connection: AsyncConnection, followup_id: UUID, *, lock: bool = False) -> Followup:
    """One follow-up, locked where asked.

    Raises:
        NotFound: there is none of that id.
    """
    statement = select(followup_table).where(followup_table.c.followup_id == followup_id)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such follow-up")
    return _followup(row)


async def lock_followups(
    connection: AsyncConnection, *, survey_ids: Sequence[UUID], ticket_ids: Sequence[UUID]
) -> list[Followup]:
    """The follow-ups of these surveys and of these tickets, locked."""
    wanted = or_(followup_table.c.survey_id.in_(list(survey_ids)), followup_table.c.ticket_id.in_(list(ticket_ids)))
    found = await connection.execute(
        select(followup_table).where(wanted).order_by(followup_table.c.followup_id).with_for_update()
    )
    return [_followup(row) for row in found.mappings()]


async def list_followups(
    connection: AsyncConnection,
    *,
    ticket_id: UUID | None,
    states: Sequence[FollowupState],
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Followup]:
    """Follow-ups, those due first in front, behind the sort key `after`; in any state where none is given."""
    statement = select(followup_table)
    if ticket_id:
        statement = statement.where(followup_table.c.ticket_id == ticket_id)
    if states:
        statement = statement.where(followup_table.c.state.in_([state.value for state in states]))
    if after:
        statement = statement.where(tuple_(followup_table.c.due_at, followup_table.c.followup_id) > after)
    order = (followup_table.c.due_at, followup_table.c.followup_id)
    found = await connection.execute(statement.order_by(*order).limit(limit))
    return [_followup(row) for row in found.mappings()]


async def save_followups(connection: AsyncConnection, followups: Iterable[Followup]) -> None:
    """Insert or replace, in one statement."""
    await connection.execute(_SAVE, {"rows": msgspec.json.encode(list(followups)).decode()})


def _followup(row: RowMapping) -> Followup:
    values: dict[str, Any] = dict(row)
    values["kind"] = SurveyKind(values["kind"])
    values["state"] = FollowupState(values["state"])
    return Followup(**values)
