"""Routes of policies, of the calendars that they put in force, and of tickets' clocks."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import PlainTextResponse

from common.ids import new_id
from common.web import (
    CurrentConnection,
    CurrentDatabase,
    CurrentTransaction,
    IdempotencyKey,
    IfMatch,
    Page,
    ReadRoute,
    TransactionalRoute,
    needs_scope,
    set_etag,
)
from escalation.calendars.schemas import CalendarBody, CalendarShown, show_calendar
from escalation.sla import usecases
from escalation.sla.proof import print_proof
from escalation.sla.schemas import (
    OrderBody,
    PolicyBody,
    PolicyShown,
    ProofShown,
    SlaShown,
    show_clock,
    show_policy,
    show_proof,
)
from escalation.tickets.usecases import get_ticket

READ = needs_scope("escalation:read")
WRITE = needs_scope("escalation:write")
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]

calendars = APIRouter(prefix="/v1/calendars", route_class=TransactionalRoute, tags=["calendars"])
commands = APIRouter(prefix="/v1/sla-policies", route_class=TransactionalRoute, tags=["sla"])
reads = APIRouter(prefix="/v1/sla-policies", route_class=ReadRoute, tags=["sla"])
clocks = APIRouter(prefix="/v1/tickets", route_class=ReadRoute, tags=["sla"])


@calendars.post("", status_code=201, dependencies=[WRITE])
async def add_calendar(
    command: CalendarBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> CalendarShown:
    """Make a calendar, which policies may name from now on."""
    calendar = await usecases.add_calendar(tx, command.calendar(new_id(), tx.now))
    response.headers["location"] = f"/v1/calendars/{calendar.calendar_id}"
    set_etag(response, calendar.version)
    return show_calendar(calendar)


@calendars.post("/{calendar_id}/versions", status_code=201, dependencies=[WRITE])
async def add_calendar_version(
    calendar_id: UUID,
    command: CalendarBody,
    tx: CurrentTransaction,
    version: IfMatch,
    _key: IdempotencyKey,
    response: Response,
) -> CalendarShown:
    """Make a calendar's next version. It holds for clocks that start from now on; those that run keep theirs."""
    calendar = await usecases.add_calendar_version(tx, command.calendar(calendar_id, tx.now), if_match=version)
    set_etag(response, calendar.version)
    return show_calendar(calendar)


@commands.post("", status_code=201, dependencies=[WRITE])
async def add_sla_policy(
    command: PolicyBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> PolicyShown:
    """Draft a policy; it has no effect before it is activated."""
    policy = await usecases.add_policy(tx, command.policy(new_id(), tx.now))
    response.headers["location"] = f"/v1/sla-policies/{policy.policy_id}/versions/{policy.version}"
    return show_policy(policy)


@commands.post("/order", dependencies=[WRITE])
async def order_sla_policies(command: OrderBody, tx: CurrentTransaction, _key: IdempotencyKey) -> Page[PolicyShown]:
    """Say in which order the active policies are asked: the first whose rule holds gets the ticket."""
    return Page(items=[show_policy(each) for each in await usecases.order_policies(tx, command.policy_ids)])


@commands.post("/{policy_id}/versions", status_code=201, dependencies=[WRITE])
async def add_sla_policy_version(
    policy_id: UUID, command: PolicyBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> PolicyShown:
    """Draft a policy's next version."""
    policy = await usecases.add_version(tx, command.policy(policy_id, tx.now))
    response.headers["location"] = f"/v1/sla-policies/{policy.policy_id}/versions/{policy.version}"
    return show_policy(policy)


@commands.post("/{policy_id}/versions/{version}/activate", dependencies=[WRITE])
async def activate_sla_policy(
    policy_id: UUID, version: Version, tx: CurrentTransaction, _key: IdempotencyKey
) -> PolicyShown:
    """Let a draft take effect in the place of the active version; it holds for tickets that come or change from now."""
    return show_policy(await usecases.activate_policy(tx, policy_id, version))


@commands.post("/{policy_id}/versions/{version}/retire", dependencies=[WRITE])
async def retire_sla_policy(
    policy_id: UUID, version: Version, tx: CurrentTransaction, _key: IdempotencyKey
) -> PolicyShown:
    """Take a policy out of force; clocks that run under it keep it."""
    return show_policy(await usecases.retire_policy(tx, policy_id, version))


@reads.get("", dependencies=[READ])
async def list_sla_policies(connection: CurrentConnection) -> Page[PolicyShown]:
    """All versions of all policies: those in force first, in the order in which they are asked."""
    return Page(items=[show_policy(each) for each in await usecases.list_policies(connection)])


@reads.get("/{policy_id}/versions/{version}", dependencies=[READ])
async def get_sla_policy(policy_id: UUID, version: Version, connection: CurrentConnection) -> PolicyShown:
    """One version of a policy."""
    return show_policy(await usecases.get_policy(connection, policy_id, version))


@clocks.get("/{ticket_id}/sla", dependencies=[READ])
async def get_ticket_sla(ticket_id: UUID, connection: CurrentConnection, database: CurrentDatabase) -> SlaShown:
    """A ticket's clocks as of now, oldest first."""
    now = database.clock.now()
    await get_ticket(connection, ticket_id)
    proofs = await usecases.list_judged(connection, ticket_id, now=now)
    return SlaShown(ticket_id=ticket_id, at=now, clocks=[show_clock(proof) for proof in proofs])


@clocks.get(
    "/{ticket_id}/sla/{clock}/proof",
    dependencies=[READ],
    response_model=ProofShown,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_clock_proof(
    ticket_id: UUID,
    clock: Annotated[str, Path(max_length=64, description="a clock's id, or a kind: its newest clock")],
    connection: CurrentConnection,
    database: CurrentDatabase,
    request: Request,
) -> ProofShown | PlainTextResponse:
    """A clock's arithmetic, to be checked by hand: as JSON, or printed for `Accept: text/plain`."""
    await get_ticket(connection, ticket_id)
    proof = await usecases.get_proof(connection, ticket_id, clock, now=database.clock.now())
    text = print_proof(proof)
    accepted = request.headers.get("accept", "")
    if "text/plain" in accepted and "application/json" not in accepted:
        return PlainTextResponse(text)
    return show_proof(proof, text)
