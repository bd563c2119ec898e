"""Routes of tickets."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from common.errors import InvalidInput
from common.web import (
    CurrentConnection,
    CurrentDatabase,
    CurrentTransaction,
    Cursor,
    IdempotencyKey,
    IfMatch,
    Limit,
    Page,
    ReadRoute,
    TransactionalRoute,
    needs_scope,
    set_etag,
)
from contracts.envelope import as_json
from intake import queries
from intake.tickets import edits, lifecycle, usecases
from intake.tickets.answers import EventsBody, TicketBody, show, show_told
from intake.tickets.domain import Decision, Ticket, Windows
from intake.tickets.schemas import (
    CancelBody,
    ClassifyBody,
    EditTicketBody,
    HoldBody,
    ListTicketsQuery,
    OpenTicketBody,
    RaisePriorityBody,
    ResolveBody,
    Tag,
)

WRITE = needs_scope("tickets:write")
READ = needs_scope("tickets:read")
SUPERVISE = needs_scope("tickets:write", "routing:admin")

commands = APIRouter(prefix="/v1/tickets", route_class=TransactionalRoute, tags=["tickets"])
reads = APIRouter(prefix="/v1/tickets", route_class=ReadRoute, tags=["tickets"])

Named = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


@commands.post("", status_code=201, dependencies=[WRITE], responses={200: {"model": TicketBody}})
async def open_ticket(
    command: OpenTicketBody, tx: CurrentTransaction, key: IdempotencyKey, response: Response
) -> TicketBody:
    """Open a ticket; 200 with the known one where `source.system` and `source.external_ref` name it already.

    Needs an Idempotency-Key or that natural reference, so that a repeat can never open a second ticket.
    """
    wanted = command.wanted()
    if key is None and not wanted.external_ref:
        fault = ("header/Idempotency-Key", "send this header, or source.system and source.external_ref")
        raise InvalidInput("a repeat could not be told", code="idempotency_key_required", pointers=[fault])
    ticket, is_new = await usecases.open_ticket(tx, wanted)
    if not is_new:
        response.status_code = 200
    response.headers["location"] = f"/v1/tickets/{ticket.id}"
    return _answer(response, ticket)


@commands.patch("/{ticket_id}", dependencies=[WRITE])
async def edit_ticket(
    ticket_id: UUID, command: EditTicketBody, tx: CurrentTransaction, version: IfMatch, response: Response
) -> TicketBody:
    """Change plain fields, or override the priority with a reason."""
    ticket = await usecases.edit_ticket(tx, ticket_id, command.wanted(), expected_version=version)
    return _answer(response, ticket)


@commands.put("/{ticket_id}/tags/{tag}", dependencies=[WRITE])
async def add_tag(
    ticket_id: UUID, tag: Annotated[Tag, Path()], tx: CurrentTransaction, response: Response
) -> TicketBody:
    """Put a tag on the ticket."""
    return _answer(response, await usecases.command(tx, ticket_id, partial(edits.add_tag, tag=tag)))


@commands.delete("/{ticket_id}/tags/{tag}", dependencies=[WRITE])
async def remove_tag(
    ticket_id: UUID, tag: Annotated[Tag, Path()], tx: CurrentTransaction, response: Response
) -> TicketBody:
    """Take a tag off the ticket."""
    return _answer(response, await usecases.command(tx, ticket_id, partial(edits.remove_tag, tag=tag)))


@commands.post("/{ticket_id}/classify", dependencies=[WRITE])
async def classify(
    ticket_id: UUID, command: ClassifyBody, tx: CurrentTransaction, version: IfMatch, response: Response
) -> TicketBody:
    """Set the whole triage: category, component, skills and tier."""

    def decide(ticket: Ticket) -> Decision:
        return edits.classify(
            ticket,
            category=command.category,
            component=command.component,
            skills=[skill.need() for skill in command.skills_required],
            tier_required=command.tier_required,
            by=command.by or ("agent" if tx.origin.agent_id else "system"),
        )

    return _answer(response, await usecases.command(tx, ticket_id, decide, expected_version=version))


@commands.post("/{ticket_id}/raise-priority", dependencies=[WRITE])
async def raise_priority(
    ticket_id: UUID, command: RaisePriorityBody, tx: CurrentTransaction, response: Response
) -> TicketBody:
    """Make the ticket more pressing, by one step or up to a priority; where it is there already, nothing changes."""
    decide = partial(edits.raise_priority, to=command.to, reason=command.reason)
    return _answer(response, await usecases.command(tx, ticket_id, decide))


@commands.post("/{ticket_id}/wait-for-customer", dependencies=[WRITE])
async def wait_for_customer(
    ticket_id: UUID, tx: CurrentTransaction, version: IfMatch, response: Response
) -> TicketBody:
    """We asked something and wait; 409 nothing_asked unless an agent's public message came last."""
    decide = lifecycle.wait_for_customer
    return _answer(response, await usecases.command(tx, ticket_id, decide, expected_version=version))


@commands.post("/{ticket_id}/hold", dependencies=[WRITE])
async def hold(
    ticket_id: UUID, command: HoldBody, tx: CurrentTransaction, version: IfMatch, response: Response
) -> TicketBody:
    """We wait for something other than the requester."""
    decide = partial(lifecycle.hold, reason=command.hold_reason, resume_at=command.resume_at, now=tx.now)
    return _answer(response, await usecases.command(tx, ticket_id, decide, expected_version=version))


@commands.post("/{ticket_id}/resume", dependencies=[WRITE])
async def resume(ticket_id: UUID, tx: CurrentTransaction, version: IfMatch, response: Response) -> TicketBody:
    """Work is ours again."""
    return _answer(response, await usecases.command(tx, ticket_id, lifecycle.resume, expected_version=version))


@commands.post("/{ticket_id}/confirm", dependencies=[WRITE])
async def confirm(ticket_id: UUID, tx: CurrentTransaction, version: IfMatch, response: Response) -> TicketBody:
    """The requester says that it is solved: the ticket closes."""
    decide = partial(lifecycle.confirm, now=tx.now)
    return _answer(response, await usecases.command(tx, ticket_id, decide, expected_version=version))


@commands.post("/{ticket_id}/cancel", dependencies=[WRITE])
async def cancel(
    ticket_id: UUID, command: CancelBody, tx: CurrentTransaction, version: IfMatch, response: Response
) -> TicketBody:
    """It ends without a resolution."""
    decide = partial(lifecycle.cancel, reason=command.reason, now=tx.now)
    return _answer(response, await usecases.command(tx, ticket_id, decide, expected_version=version))


@commands.post("/{ticket_id}/restore", dependencies=[SUPERVISE])
async def restore(ticket_id: UUID, tx: CurrentTransaction, version: IfMatch, response: Response) -> TicketBody:
    """A supervisor takes a cancellation back, within 7 days."""
    decide = partial(lifecycle.restore, by=tx.origin.actor, now=tx.now)
    return _answer(response, await usecases.command(tx, ticket_id, decide, expected_version=version))


def timed_commands(windows: Windows) -> APIRouter:
    """The commands that depend on how long a resolved ticket may be reopened, and when it closes by itself."""
    router = APIRouter(prefix="/v1/tickets", route_class=TransactionalRoute, tags=["tickets"])

    @router.post("/{ticket_id}/resolve", dependencies=[WRITE])
    async def resolve(
        ticket_id: UUID, command: ResolveBody, tx: CurrentTransaction, version: IfMatch, response: Response
    ) -> TicketBody:
        """The solution was delivered; 409 handoff_open while somebody is asked to take the ticket over."""
        decide = partial(
            lifecycle.resolve,
            code=command.resolution_code,
            summary=command.resolution_summary,
            skip_reason=command.skip_reason,
            now=tx.now,
            reopen_window=windows.reopen,
        )
        resolved = await usecases.resolve_ticket(tx, ticket_id, decide, expected_version=version, windows=windows)
        return _answer(response, resolved)

    @router.post("/{ticket_id}/reopen", dependencies=[WRITE])
    async def reopen(ticket_id: UUID, tx: CurrentTransaction, version: IfMatch, response: Response) -> TicketBody:
        """It was not solved: said by the agent who acts, else by the requester."""
        trigger = "agent" if tx.origin.agent_id else "requester"
        decide = partial(lifecycle.reopen, trigger=trigger, now=tx.now, reopen_window=windows.reopen)
        return _answer(response, await usecases.command(tx, ticket_id, decide, expected_version=version))

    @router.post("/{ticket_id}/close", dependencies=[WRITE])
    async def close(ticket_id: UUID, tx: CurrentTransaction, version: IfMatch, response: Response) -> TicketBody:
        """Nobody came back within the reopen window."""
        decide = partial(lifecycle.close, now=tx.now, reopen_window=windows.reopen)
        return _answer(response, await usecases.command(tx, ticket_id, decide, expected_version=version))

    return router


@reads.get("", dependencies=[READ])
async def list_tickets(connection: CurrentConnection, query: Annotated[ListTicketsQuery, Query()]) -> Page[TicketBody]:
    """Tickets that fit every filter given."""
    tickets, next_cursor = await queries.list_tickets(connection, query)
    return Page(items=[show(ticket) for ticket in tickets], next_cursor=next_cursor)


@reads.get("/by-ref/{system}/{external_ref:path}", dependencies=[READ])
async def get_by_ref(
    system: Named, external_ref: Named, connection: CurrentConnection, response: Response
) -> TicketBody:
    """The ticket under a natural reference."""
    return _answer(response, await queries.get_by_ref(connection, system, external_ref))


@reads.get("/{ticket_id}", dependencies=[READ])
async def get_ticket(ticket_id: UUID, connection: CurrentConnection, response: Response) -> TicketBody:
    """One ticket."""
    return _answer(response, await queries.get_ticket(connection, ticket_id))


@reads.get("/{ticket_id}/timeline", dependencies=[READ])
async def get_timeline(
    ticket_id: UUID,
    connection: CurrentConnection,
    database: CurrentDatabase,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[dict[str, object]]:
    """What happened to the ticket, told by all services, as CloudEvents with their `effectivetime`."""
    told, next_cursor = await queries.list_timeline(
        connection, ticket_id, own_source=database.source, cursor=cursor, limit=limit
    )
    return Page(items=[show_told(event, effective_at) for effective_at, event in told], next_cursor=next_cursor)


@reads.get("/{ticket_id}/events", dependencies=[READ])
async def list_ticket_events(
    ticket_id: UUID,
    connection: CurrentConnection,
    after_sequence: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Limit = 100,
) -> EventsBody:
    """Intake's own events about the ticket, in sequence."""
    events = await queries.list_own_events(connection, ticket_id, after_sequence=after_sequence, limit=limit)
    last = events[-1].seq if events else after_sequence
    return EventsBody(items=[as_json(event) for event in events], last_sequence=last)


def _answer(response: Response, ticket: Ticket) -> TicketBody:
    set_etag(response, ticket.version)
    return show(ticket)
