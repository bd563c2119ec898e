"""Routes of follow-ups."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from common.web import (
    CurrentConnection,
    CurrentTransaction,
    Cursor,
    IfMatch,
    Limit,
    Page,
    ReadRoute,
    TransactionalRoute,
    decode_cursor,
    encode_cursor,
    needs_scope,
    set_etag,
)
from feedback.followups import usecases
from feedback.followups.domain import FollowupState
from feedback.followups.schemas import CloseBody, FollowupShown, show_followup

READ = needs_scope("feedback:read")
WRITE = needs_scope("feedback:write")

reads = APIRouter(prefix="/v1/followups", route_class=ReadRoute, tags=["follow-ups"])
commands = APIRouter(prefix="/v1/followups", route_class=TransactionalRoute, tags=["follow-ups"])


@reads.get("", dependencies=[READ])
async def list_followups(
    connection: CurrentConnection,
    ticket: Annotated[UUID | None, Query()] = None,
    state: Annotated[tuple[FollowupState, ...], Query(max_length=len(FollowupState))] = (),
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[FollowupShown]:
    """Follow-ups, those due first in front. Several states are alternatives: open and reopen_requested are not done."""
    after = decode_cursor(cursor, datetime, UUID)
    found = await usecases.list_followups(connection, ticket_id=ticket, states=state, after=after, limit=limit + 1)
    shown = found[:limit]
    more = len(found) > limit
    return Page(
        items=[show_followup(each) for each in shown],
        next_cursor=encode_cursor(shown[-1].due_at, shown[-1].followup_id) if more else None,
    )


@reads.get("/{followup_id}", dependencies=[READ])
async def get_followup(followup_id: UUID, connection: CurrentConnection, response: Response) -> FollowupShown:
    """One follow-up."""
    followup = await usecases.get_followup(connection, followup_id)
    set_etag(response, followup.version)
    return show_followup(followup)


@commands.post("/{followup_id}/close", dependencies=[WRITE])
async def close_followup(
    followup_id: UUID, command: CloseBody, tx: CurrentTransaction, version: IfMatch, response: Response
) -> FollowupShown:
    """End the task; its outcome says how."""
    followup = await usecases.close(tx, followup_id, if_match=version, outcome=command.outcome, note=command.note)
    set_etag(response, followup.version)
    return show_followup(followup)


@commands.post("/{followup_id}/request-reopen", dependencies=[WRITE])
async def request_reopen(
    followup_id: UUID, tx: CurrentTransaction, version: IfMatch, response: Response
) -> FollowupShown:
    """The person agreed that the ticket is opened again: intake opens it. 409 not_reopenable where it cannot."""
    followup = await usecases.request_reopen(tx, followup_id, if_match=version)
    set_etag(response, followup.version)
    return show_followup(followup)
