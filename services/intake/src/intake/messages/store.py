"""All SQL of messages but the first of a ticket, which is written with the ticket (`tickets.opening_store`)."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.messages.domain import AuthorType, Direction, Message
from intake.messages.tables import message


async def add_message(connection: AsyncConnection, added: Message) -> None:
    """Write a new message. The caller holds the ticket's lock, so positions have no gap."""
    await connection.execute(insert(message), asdict(added))


async def list_messages(connection: AsyncConnection, ticket_id: UUID, *, after: int, limit: int) -> Sequence[Message]:
    """A ticket's messages behind a position, in order; empty where there is none, or no such ticket."""
    wanted = (
        select(message)
        .where(message.c.ticket_id == ticket_id, message.c.position > after)
        .order_by(message.c.position)
        .limit(limit)
    )
    return [_load(row) for row in (await connection.execute(wanted)).mappings()]


def _load(row: RowMapping) -> Message:
    plain: dict[str, Any] = dict(row)
    plain["direction"] = Direction(plain["direction"])
    plain["author_type"] = AuthorType(plain["author_type"])
    return Message(**plain)
