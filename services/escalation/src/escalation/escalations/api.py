"""Routes of escalation policies and runs."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from common.transaction import Transaction
from common.web import (
    CurrentConnection,
    CurrentTransaction,
    Cursor,
    IdempotencyKey,
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
from escalation.escalations import policies, usecases
from escalation.escalations.domain import Run, RunState
from escalation.escalations.policy import Policy
from escalation.escalations.schemas import (
    AddPolicyBody,
    EscalateBody,
    PolicyShown,
    RunShown,
    VersionBody,
    show_policy,
    show_run,
)

READ = needs_scope("escalation:read")
WRITE = needs_scope("escalation:write")
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]

commands = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["escalations"])
reads = APIRouter(prefix="/v1", route_class=ReadRoute, tags=["escalations"])


@commands.post("/escalation-policies", status_code=201, dependencies=[WRITE])
async def add_policy(
    command: AddPolicyBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> PolicyShown:
    """Make a policy; its first version is a draft and does nothing before it is activated."""
    policy = command.policy(now=tx.now)
    policy = await policies.add_policy(tx, policy, command.version(policy.policy_id, now=tx.now))
    response.headers["location"] = f"/v1/escalation-policies/{policy.policy_id}"
    return _answer_policy(response, policy)


@commands.post("/escalation-policies/{policy_id}/versions", status_code=201, dependencies=[WRITE])
async def add_version(
    policy_id: UUID, command: VersionBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> PolicyShown:
    """Make the next version, a draft."""
    return _answer_policy(response, await policies.add_version(tx, command.version(policy_id, now=tx.now)))


@commands.post("/escalation-policies/{policy_id}/versions/{number}/activate", dependencies=[WRITE])
async def activate_version(
    policy_id: UUID,
    number: Number,
    tx: CurrentTransaction,
    version: IfMatch,
    _key: IdempotencyKey,
    response: Response,
) -> PolicyShown:
    """Let runs that begin from now on follow this version, in the place of the active one."""
    return _answer_policy(response, await policies.activate(tx, policy_id, number, if_match=version))


@commands.post("/escalation-policies/{policy_id}/versions/{number}/retire", dependencies=[WRITE])
async def retire_version(
    policy_id: UUID,
    number: Number,
    tx: CurrentTransaction,
    version: IfMatch,
    _key: IdempotencyKey,
    response: Response,
) -> PolicyShown:
    """Let no run begin by this version any more, for good."""
    return _answer_policy(response, await policies.retire(tx, policy_id, number, if_match=version))


@reads.get("/escalation-policies", dependencies=[READ])
async def list_policies(connection: CurrentConnection) -> Page[PolicyShown]:
    """All policies in the order in which they are asked."""
    return Page(items=[show_policy(policy) for policy in await policies.list_policies(connection)])


@reads.get("/escalation-policies/{policy_id}", dependencies=[READ])
async def get_policy(policy_id: UUID, connection: CurrentConnection, response: Response) -> PolicyShown:
    """One policy with all its versions."""
    return _answer_policy(response, await policies.get_policy(connection, policy_id))


@commands.post("/tickets/{ticket_id}/escalate", status_code=201, dependencies=[WRITE])
async def escalate(
    ticket_id: UUID, command: EscalateBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> RunShown:
    """Ask for help with a ticket: a run begins, and its first step follows at once."""
    run = await usecases.escalate(tx, ticket_id, reason=command.reason)
    response.headers["location"] = f"/v1/escalations/{run.run_id}"
    return await _answer(tx, response, run)


@reads.get("/escalations", dependencies=[READ])
async def list_runs(
    connection: CurrentConnection,
    ticket: UUID | None = None,
    state: Annotated[list[RunState] | None, Query(max_length=6, description="any of these; may be repeated")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[RunShown]:
    """Runs with the steps they took, the latest first."""
    before = decode_cursor(cursor, UUID)
    found = await usecases.list_runs(
        connection,
        ticket_id=ticket,
        states=state or (),
        before=before[0] if before else None,
        limit=limit + 1,
    )
    items = [show_run(run, steps) for run, steps in found[:limit]]
    more = len(found) > limit
    return Page(items=items, next_cursor=encode_cursor(items[-1].run_id) if more else None)


@reads.get("/escalations/{run_id}", dependencies=[READ])
async def get_run(run_id: UUID, connection: CurrentConnection, response: Response) -> RunShown:
    """One run with the steps it took."""
    run, steps = await usecases.get_run(connection, run_id)
    set_etag(response, run.version)
    return show_run(run, steps)


@commands.post("/escalations/{run_id}/acknowledge", dependencies=[WRITE])
async def acknowledge(
    run_id: UUID, tx: CurrentTransaction, version: IfMatch, _key: IdempotencyKey, response: Response
) -> RunShown:
    """Take notice: the steps rest for the policy's time-out, then go on unless the ticket was helped."""
    return await _answer(tx, response, await usecases.acknowledge(tx, run_id, if_match=version))


@commands.post("/escalations/{run_id}/stop", dependencies=[WRITE])
async def stop(
    run_id: UUID, tx: CurrentTransaction, version: IfMatch, _key: IdempotencyKey, response: Response
) -> RunShown:
    """End a run."""
    return await _answer(tx, response, await usecases.stop(tx, run_id, if_match=version))


@commands.post("/escalations/{run_id}/raise", dependencies=[WRITE])
async def raise_further(
    run_id: UUID, tx: CurrentTransaction, version: IfMatch, _key: IdempotencyKey, response: Response
) -> RunShown:
    """Want the next step now, whatever it waits for."""
    return await _answer(tx, response, await usecases.raise_further(tx, run_id, if_match=version))


async def _answer(tx: Transaction, response: Response, run: Run) -> RunShown:
    set_etag(response, run.version)
    _, steps = await usecases.get_run(tx.connection, run.run_id)
    return show_run(run, steps)


def _answer_policy(response: Response, policy: Policy) -> PolicyShown:
    set_etag(response, policy.version)
    return show_policy(policy)
