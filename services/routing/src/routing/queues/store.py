"""All SQL of the desks."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import Conflict, NotFound
from common.statement import Statement
from contracts.words import SkillNeed
from routing.queues.domain import Queue
from routing.queues.tables import queue as queue_table

_COLUMNS = tuple(each.name for each in fields(Queue))

_LIST = Statement(f"""
    select {", ".join(_COLUMNS)} from queue order by catch_all, priority, queue_id
""")  # noqa: S608 - own names


async def list_queues(connection: AsyncConnection) -> list[Queue]:
    """All desks in the order in which they are asked."""
    return [_queue(dict(row)) for row in await _LIST.fetch(connection, {})]


async def get_queue(connection: AsyncConnection, queue_id: UUID, *, lock: bool = False) -> Queue:
    """One desk, locked where asked.

    Raises:
        NotFound: there is none of that id.
    """
    statement = select(queue_table).where(queue_table.c.queue_id == queue_id)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).mappings().first()
    if row is None:
        raise NotFound("there is no such queue")
    return _queue(row)


async def add_queue(connection: AsyncConnection, queue: Queue) -> None:
    """Insert a desk.

    Raises:
        Conflict: `queue_exists`.
    """
    try:
        async with connection.begin_nested():
            await connection.execute(queue_table.insert().values(_values(queue)))
    except IntegrityError as taken:
        raise Conflict("there is a queue of this name", code="queue_exists") from taken


async def save_queue(connection: AsyncConnection, queue: Queue) -> None:
    """Write a locked desk.

    Raises:
        Conflict: `queue_exists`.
    """
    try:
        async with connection.begin_nested():
            await connection.execute(
                queue_table.update().where(queue_table.c.queue_id == queue.queue_id).values(_values(queue))
            )
    except IntegrityError as taken:
        raise Conflict("there is a queue of this name", code="queue_exists") from taken


def _queue(row: Mapping[Any, Any]) -> Queue:
    values: dict[str, Any] = dict(row)
    values["required_skills"] = tuple(msgspec.convert(values["required_skills"], list[SkillNeed]))
    values["primary_teams"] = tuple(values["primary_teams"])
    values["overflow_teams"] = tuple(values["overflow_teams"])
    return Queue(**values)


def _values(queue: Queue) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(queue, name) for name in _COLUMNS}
    values["required_skills"] = msgspec.to_builtins(queue.required_skills)
    values["primary_teams"] = list(queue.primary_teams)
    values["overflow_teams"] = list(queue.overflow_teams)
    values["match"] = dict(queue.match)
    values["tau_s"] = dict(queue.tau_s)
    return values
