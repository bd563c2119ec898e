"""Routes of messages."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from common.web import (
    CurrentClient,
    CurrentConnection,
    CurrentTransaction,
    Limit,
    ReadRoute,
    TransactionalRoute,
    needs_scope,
)
from intake import queries
from intake.messages import usecases
from intake.messages.domain import AuthorType
from intake.messages.schemas import AddMessageBody, MessageShown, MessagesShown, show

_MAX_POSITION = 2**31 - 1
_ACT_AS = frozenset({"act-as"})

reads = APIRouter(prefix="/v1/tickets", route_class=ReadRoute, tags=["messages"])


def commands(reopen_window: timedelta) -> APIRouter:
    """Saying something, which may reopen a ticket within this time."""
    router = APIRouter(prefix="/v1/tickets", route_class=TransactionalRoute, tags=["messages"])

    @router.post("/{ticket_id}/messages", status_code=201, dependencies=[needs_scope("tickets:write")])
    async def add_message(
        ticket_id: UUID, command: AddMessageBody, tx: CurrentTransaction, client: CurrentClient, response: Response
    ) -> MessageShown:
        """Add a message. What the requester says after the ticket's end is heard on a follow-up ticket.

        Then `ticket_id` in the answer, and Location, name that other ticket.
        """
        if command.author is not None and command.author.type is AuthorType.AGENT:
            client.require(_ACT_AS)
        message = await usecases.add_message(tx, ticket_id, command.wanted(), reopen_window=reopen_window)
        response.headers["location"] = f"/v1/tickets/{message.ticket_id}/messages?after={message.position - 1}"
        return show(message)

    return router


@reads.get("/{ticket_id}/messages", dependencies=[needs_scope("tickets:read")])
async def list_messages(
    ticket_id: UUID,
    connection: CurrentConnection,
    after: Annotated[int, Query(ge=0, le=_MAX_POSITION, description="position of the last one seen")] = 0,
    limit: Limit = 100,
) -> MessagesShown:
    """The ticket's messages behind a position, in order; poll with `after`."""
    found = await queries.list_messages(connection, ticket_id, after=after, limit=limit)
    return MessagesShown(
        items=[show(message) for message in found], last_position=found[-1].position if found else after
    )
