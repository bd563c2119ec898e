"""All SQL of ownership."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from feedback.ownership.domain import Intervals, OwnershipInterval
from feedback.ownership.tables import ownership_interval

_NAMES = ", ".join(column.name for column in ownership_interval.columns)

_LIST = text("""
    select ticket_id, assignment_id, agent_id, agent_tier, started_at, ended_at, end_reason from ownership_interval
     where ticket_id = any(cast(:ids as uuid[])) order by ticket_id, place
""")
_SAVE = text(f"""
    insert into ownership_interval ({_NAMES})
    select {_NAMES} from jsonb_populate_recordset(null::ownership_interval, cast(:rows as jsonb))
     order by ticket_id, place
    on conflict (assignment_id) do update set ended_at = excluded.ended_at, end_reason = excluded.end_reason
""")  # noqa: S608 - own names


async def list_intervals(connection: AsyncConnection, ticket_ids: Sequence[UUID]) -> dict[UUID, Intervals]:
    """The intervals of these tickets; those that nobody ever owned are absent."""
    rows = await connection.execute(_LIST, {"ids": list(ticket_ids)})
    found: dict[UUID, Intervals] = {}
    for row in rows.mappings():
        values: dict[str, Any] = dict(row)
        ticket_id: UUID = values.pop("ticket_id")
        found[ticket_id] = (*found.get(ticket_id, ()), OwnershipInterval(**values))
    return found


async def save_intervals(
    connection: AsyncConnection, intervals: Mapping[UUID, Intervals], places: Sequence[tuple[UUID, int]]
) -> None:
    """Insert or replace some of the intervals, in one statement.

    Args:
        places: which: the ticket and the interval's place in its list.
    """
    rows = [
        {"ticket_id": ticket_id, "place": place, **msgspec.to_builtins(intervals[ticket_id][place])}
        for ticket_id, place in places
    ]
    await connection.execute(_SAVE, {"rows": msgspec.json.encode(rows).decode()})
