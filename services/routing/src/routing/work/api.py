"""Routes of work, offers and decisions, and of what moves work: presence, leaving, pulling."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from common.web import (
    CurrentClient,
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
    decode_cursor,
    encode_cursor,
    needs_scope,
    set_etag,
)
from routing import queries
from routing.agents.schemas import AgentShown, show_agent
from routing.queues.schemas import WhyShown
from routing.queues.usecases import get_queue
from routing.work import pulling, usecases
from routing.work.item import HAND_BACKS_TO_ATTENTION, Work
from routing.work.schemas import (
    AssignBody,
    DecisionShown,
    DeclineBody,
    ExplainedHandoffShown,
    ExplainedWorkShown,
    ItemFilter,
    PresenceBody,
    PreviewBody,
    PreviewShown,
    PullBody,
    RequeueBody,
    WorkShown,
    show_decision,
    show_preview,
    show_work,
    work_values,
)

READ = needs_scope("routing:read")
WRITE = needs_scope("routing:write")
AGENTS_WRITE = needs_scope("agents:write")
OVERRIDE = frozenset({"routing:admin"})
_FIRST_ID = UUID(int=0)

reads = APIRouter(prefix="/v1", route_class=ReadRoute, tags=["work"])
commands = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["work"])


@commands.put("/agents/{agent_id}/presence", dependencies=[AGENTS_WRITE], tags=["agents"])
async def set_presence(agent_id: UUID, command: PresenceBody, tx: CurrentTransaction, response: Response) -> AgentShown:
    """Move an agent's presence. Owned work stays; open offers are taken back from who is not online any more."""
    set_by = "agent" if tx.origin.agent_id == agent_id else "supervisor"
    agent = await usecases.set_presence(tx, agent_id, command.presence, set_by=set_by)
    set_etag(response, agent.version)
    return show_agent(agent)


@commands.post("/agents/{agent_id}/deactivate", dependencies=[AGENTS_WRITE], tags=["agents"])
async def deactivate(agent_id: UUID, tx: CurrentTransaction, _key: IdempotencyKey, response: Response) -> AgentShown:
    """Let an agent leave: nothing new comes, and what the agent has waits for others within a second or two."""
    agent = await usecases.let_go(tx, agent_id)
    set_etag(response, agent.version)
    return show_agent(agent)


@reads.get("/work-items", dependencies=[READ])
async def list_work_items(
    connection: CurrentConnection,
    state: Annotated[
        ItemFilter | None,
        Query(description="a state; or unroutable, or attention: handed back three times in a row"),
    ] = None,
    queue_id: UUID | None = None,
    agent_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[WorkShown]:
    """The supervisor's list, oldest tickets first."""
    after = decode_cursor(cursor, UUID)
    ids = await queries.list_items(
        connection,
        after=after[0] if after else _FIRST_ID,
        limit=limit + 1,
        state=None if state in ("unroutable", "attention") else state,
        unroutable=state == "unroutable",
        attention=HAND_BACKS_TO_ATTENTION if state == "attention" else None,
        queue_id=queue_id,
        agent_id=agent_id,
    )
    works = await usecases.read_works(connection, ids[:limit])
    items = [show_work(works[ticket_id]) for ticket_id in ids[:limit] if ticket_id in works]
    return Page(items=items, next_cursor=encode_cursor(ids[limit - 1]) if len(ids) > limit else None)


@reads.get("/work-items/{ticket_id}", dependencies=[READ])
async def get_work_item(
    ticket_id: UUID, connection: CurrentConnection, database: CurrentDatabase, response: Response
) -> ExplainedWorkShown:
    """One ticket's own work, with why it waits, and the handoff beside it; the ETag is of the ticket's own."""
    work = await usecases.get_work(connection, ticket_id)
    handoff = await usecases.find_handoff_of(connection, ticket_id)
    now = database.clock.now()
    set_etag(response, work.item.version)
    return ExplainedWorkShown(
        **work_values(work),
        why=await _explain(connection, work, now=now),
        handoff=ExplainedHandoffShown(**work_values(handoff), why=await _explain(connection, handoff, now=now))
        if handoff
        else None,
    )


@commands.post("/work-items/{ticket_id}/assign", dependencies=[WRITE])
async def assign(
    ticket_id: UUID,
    command: AssignBody,
    tx: CurrentTransaction,
    client: CurrentClient,
    version: IfMatch,
    _key: IdempotencyKey,
    response: Response,
) -> WorkShown:
    """Make an agent the owner. Beyond capacity or eligibility: needs `override_reason` and the scope routing:admin."""
    if command.override_reason:
        client.require(OVERRIDE)
    work = await usecases.assign_by_hand(
        tx, ticket_id, command.agent_id, if_match=version, override_reason=command.override_reason
    )
    return _answer(response, work)


@commands.post("/work-items/{ticket_id}/unassign", dependencies=[WRITE])
async def unassign(
    ticket_id: UUID, tx: CurrentTransaction, version: IfMatch, _key: IdempotencyKey, response: Response
) -> WorkShown:
    """Take the owner off; the ticket waits again where it stood."""
    return _answer(response, await usecases.unassign(tx, ticket_id, if_match=version))


@commands.post("/work-items/{ticket_id}/requeue", dependencies=[WRITE])
async def requeue(
    ticket_id: UUID,
    command: RequeueBody,
    tx: CurrentTransaction,
    version: IfMatch,
    _key: IdempotencyKey,
    response: Response,
) -> WorkShown:
    """Put the ticket back into a queue, whoever has it; its enqueue time stays."""
    return _answer(response, await usecases.requeue(tx, ticket_id, if_match=version, queue_id=command.queue_id))


@commands.post("/queues/{queue_id}/pull-next", dependencies=[WRITE])
async def pull_next(
    queue_id: UUID, command: PullBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> WorkShown:
    """Give the agent the ticket of this desk that is next by the rule; 409 nothing_to_pull where there is none."""
    return _answer(response, await pulling.pull_next(tx, queue_id, command.agent_id))


@commands.post("/offers/{offer_id}/accept", dependencies=[AGENTS_WRITE])
async def accept_offer(offer_id: UUID, tx: CurrentTransaction, _key: IdempotencyKey, response: Response) -> WorkShown:
    """Take an offer; 409 offer_ended where it was answered, has expired or was taken back.

    Of a handoff: the ticket has a new owner, and its own work is what is answered.
    """
    return _answer(response, await usecases.accept_offer(tx, offer_id))


@commands.post("/offers/{offer_id}/decline", dependencies=[AGENTS_WRITE])
async def decline_offer(
    offer_id: UUID, command: DeclineBody, tx: CurrentTransaction, _key: IdempotencyKey, response: Response
) -> WorkShown:
    """Hand an offer back; the work keeps its place. Who declines a handoff is not asked again by the same one."""
    return _answer(response, await usecases.decline_offer(tx, offer_id, reason=command.reason))


@reads.get("/decisions/{decision_id}", dependencies=[READ])
async def get_decision(decision_id: UUID, connection: CurrentConnection) -> DecisionShown:
    """Why a ticket went to its agent, in words and numbers."""
    row = await queries.find_decision(connection, decision_id)
    if row is None:
        raise NotFound("there is no such decision")
    return show_decision(**asdict(row))


@reads.get("/work-items/{ticket_id}/decisions", dependencies=[READ])
async def list_decisions(ticket_id: UUID, connection: CurrentConnection) -> Page[DecisionShown]:
    """The decisions about a ticket and its handoffs, latest first, at most 200."""
    await usecases.get_work(connection, ticket_id)
    rows = await queries.list_decisions(connection, ticket_id)
    return Page(items=[show_decision(**asdict(row)) for row in rows])


@commands.post("/decisions/preview", dependencies=[READ])
async def preview(command: PreviewBody, tx: CurrentTransaction) -> PreviewShown:
    """Who would get this ticket now; nothing is changed."""
    if command.ticket_id is not None:
        facts = await usecases.facts_of_waiting(tx.connection, command.ticket_id)
    else:
        facts = await usecases.facts_of(tx.connection, command.ticket(tx.now), queue_id=command.queue_id)
    decision, why = await queries.preview(tx.connection, facts, now=tx.now)
    return PreviewShown(decision=show_preview(decision) if decision else None, why=WhyShown.model_validate(asdict(why)))


async def _explain(connection: AsyncConnection, work: Work, *, now: datetime) -> WhyShown | None:
    queue = await get_queue(connection, work.item.queue_id)
    why = (await queries.explain(connection, queue, [work.item], now=now)).get(work.item.work_id)
    return WhyShown.model_validate(asdict(why)) if why else None


def _answer(response: Response, work: Work) -> WorkShown:
    set_etag(response, work.item.version)
    return show_work(work)
