"""Routes of handoffs."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from common.settings import PeersSettings
from common.web import (
    CurrentConnection,
    CurrentDatabase,
    CurrentLongPoll,
    CurrentOrigin,
    CurrentTransaction,
    Cursor,
    IdempotencyKey,
    IfMatch,
    Limit,
    Page,
    ReadRoute,
    SteppedRoute,
    TransactionalRoute,
    decode_cursor,
    encode_cursor,
    needs_scope,
    set_etag,
)
from escalation.handoffs import answering, usecases
from escalation.handoffs.domain import Handoff, State, Times
from escalation.handoffs.schemas import (
    DeclineBody,
    HandoffShown,
    OpenHandoffBody,
    PackageBody,
    ReturnBody,
    show,
)

READ = needs_scope("escalation:read")
WRITE = needs_scope("escalation:write")

commands = APIRouter(prefix="/v1/handoffs", route_class=TransactionalRoute, tags=["handoffs"])
reads = APIRouter(prefix="/v1", route_class=ReadRoute, tags=["handoffs"])


@commands.patch("/{handoff_id}/package", dependencies=[WRITE])
async def change_package(
    handoff_id: UUID, command: PackageBody, tx: CurrentTransaction, version: IfMatch, response: Response
) -> HandoffShown:
    """Fill or correct fields of the package; those left out stay. A complete one cannot become incomplete again."""
    handoff = await usecases.change_package(tx, handoff_id, command.changes(), if_match=version)
    return _answer(response, handoff)


@commands.post("/{handoff_id}/complete", dependencies=[WRITE])
async def complete_handoff(
    handoff_id: UUID, tx: CurrentTransaction, version: IfMatch, _key: IdempotencyKey, response: Response
) -> HandoffShown:
    """The receiver has done what was asked. Resolving the ticket does this too."""
    return _answer(response, await usecases.complete_handoff(tx, handoff_id, if_match=version))


@reads.get("/handoffs/{handoff_id}", dependencies=[READ])
async def get_handoff(handoff_id: UUID, connection: CurrentConnection, response: Response) -> HandoffShown:
    """One handoff with its package."""
    return _answer(response, await usecases.get_handoff(connection, handoff_id))


@reads.get("/handoffs", dependencies=[READ])
async def list_handoffs(
    connection: CurrentConnection,
    to: Annotated[UUID | None, Query(description="offered to this agent now, or accepted by them")] = None,
    sender: Annotated[UUID | None, Query(alias="from", description="handed over by this agent")] = None,
    ticket: UUID | None = None,
    state: Annotated[list[State] | None, Query(max_length=8, description="any of these; may be repeated")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[HandoffShown]:
    """Handoffs, the latest first."""
    before = decode_cursor(cursor, UUID)
    found = await usecases.list_handoffs(
        connection,
        before=before[0] if before else None,
        limit=limit + 1,
        to=to,
        sender=sender,
        ticket=ticket,
        states=state or (),
    )
    more = encode_cursor(found[limit - 1].handoff_id) if len(found) > limit else None
    return Page(items=[show(handoff) for handoff in found[:limit]], next_cursor=more)


@reads.get("/tickets/{ticket_id}/handoffs", dependencies=[READ])
async def list_ticket_handoffs(
    ticket_id: UUID, connection: CurrentConnection, cursor: Cursor = None, limit: Limit = 50
) -> Page[HandoffShown]:
    """A ticket's handoffs, the latest first."""
    before = decode_cursor(cursor, UUID)
    found = await usecases.list_handoffs(
        connection, before=before[0] if before else None, limit=limit + 1, ticket=ticket_id
    )
    more = encode_cursor(found[limit - 1].handoff_id) if len(found) > limit else None
    return Page(items=[show(handoff) for handoff in found[:limit]], next_cursor=more)


def timed_commands(times: Times) -> APIRouter:
    """The commands that begin something which ends by itself."""
    router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["handoffs"])

    @router.post("/tickets/{ticket_id}/handoffs", status_code=201, dependencies=[WRITE])
    async def open_handoff(
        ticket_id: UUID, command: OpenHandoffBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
    ) -> HandoffShown:
        """Ask for another owner; the present one stays until somebody accepts. Or make a draft of it."""
        handoff = await usecases.open_handoff(
            tx,
            ticket_id,
            to=command.to.wanted(),
            reason=command.reason(),
            package=command.filled(),
            emergency=command.emergency,
            is_draft=command.draft,
            times=times,
        )
        response.headers["location"] = f"/v1/handoffs/{handoff.handoff_id}"
        return _answer(response, handoff)

    @router.post("/handoffs/{handoff_id}/request", dependencies=[WRITE])
    async def request_handoff(
        handoff_id: UUID, tx: CurrentTransaction, version: IfMatch, _key: IdempotencyKey, response: Response
    ) -> HandoffShown:
        """Request a draft."""
        return _answer(response, await usecases.request_handoff(tx, handoff_id, if_match=version, times=times))

    @router.post("/handoffs/{handoff_id}/return", dependencies=[WRITE])
    async def return_handoff(
        handoff_id: UUID,
        command: ReturnBody,
        tx: CurrentTransaction,
        version: IfMatch,
        _key: IdempotencyKey,
        response: Response,
    ) -> HandoffShown:
        """Give an accepted one back by a handoff of its own, named by `returned_by`; the receiver stays until then."""
        handoff = await usecases.return_handoff(
            tx,
            handoff_id,
            if_match=version,
            reason=command.reason_code,
            findings=command.findings,
            teaching_note=command.teaching_note,
            times=times,
        )
        return _answer(response, handoff)

    return router


def stepped_commands(peers: PeersSettings) -> APIRouter:
    """The commands that routing decides."""
    router = APIRouter(prefix="/v1/handoffs", route_class=SteppedRoute, tags=["handoffs"])

    @router.post("/{handoff_id}/accept", dependencies=[WRITE])
    async def accept_handoff(
        handoff_id: UUID, database: CurrentDatabase, poll: CurrentLongPoll, origin: CurrentOrigin, response: Response
    ) -> HandoffShown:
        """Take it, as accepting its offer in routing does; 409 where it is not offered to this agent any more."""
        return _answer(response, await answering.accept(database, poll, peers, origin, handoff_id))

    @router.post("/{handoff_id}/decline", dependencies=[WRITE])
    async def decline_handoff(
        handoff_id: UUID,
        command: DeclineBody,
        database: CurrentDatabase,
        poll: CurrentLongPoll,
        origin: CurrentOrigin,
        response: Response,
    ) -> HandoffShown:
        """Do not take it; the next candidate is asked, and the third who says no ends it."""
        handoff = await answering.decline(database, poll, peers, origin, handoff_id, command.reason_code)
        return _answer(response, handoff)

    @router.post("/{handoff_id}/withdraw", dependencies=[WRITE])
    async def withdraw_handoff(
        handoff_id: UUID,
        database: CurrentDatabase,
        poll: CurrentLongPoll,
        origin: CurrentOrigin,
        version: IfMatch,
        response: Response,
    ) -> HandoffShown:
        """Take the request back; 409 handoff_accepted where somebody was faster.

        Waits up to 2 s for routing, which decides that. 503 undecided: it has not yet; repeat to hear it.
        """
        return _answer(response, await answering.withdraw(database, poll, origin, handoff_id, if_match=version))

    return router


def _answer(response: Response, handoff: Handoff) -> HandoffShown:
    set_etag(response, handoff.version)
    return show(handoff)
