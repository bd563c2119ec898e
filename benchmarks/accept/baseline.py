"""The baseline: FastAPI and asyncpg by hand, as a good engineer writes one endpoint that must not lose a ticket.

It validates the same body, checks a key, and writes idempotency key, ticket and event in one statement a request, with
autocommit. What it leaves out, and ours does: scopes from a reloaded file, requester and first message as rows of their
own, refusals kept under the key, numbers per subject, problem documents, ids, spans and metrics.
"""

import hashlib
import hmac
import json
import os
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import asyncpg
import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field

TABLES = """
create table ticket (
  id uuid primary key, number bigint generated always as identity, requester jsonb not null, subject text not null,
  description text not null, category text not null, component text not null, impact int not null,
  urgency int not null, priority text not null, status text not null, created_at timestamptz not null);
create table idempotency_key (
  client_id text, key text, fingerprint bytea not null, status smallint not null, body bytea not null,
  created_at timestamptz not null, expires_at timestamptz not null, primary key (client_id, key));
create table event (
  id bigint generated always as identity primary key, event_id uuid not null, subject text not null,
  type text not null, headers bytea not null, payload bytea not null, created_at timestamptz not null);
"""
WRITE = """
with claimed as (
  insert into idempotency_key (client_id, key, fingerprint, status, body, created_at, expires_at)
  values ($1, $2, $3, 201, $4, $5::timestamptz, $5::timestamptz + interval '48 hours')
  on conflict do nothing returning 1
), written as (
  insert into ticket (id, requester, subject, description, category, component, impact, urgency, priority, status,
    created_at)
  select $6::uuid, $7::jsonb, $8::text, $9::text, $10::text, $11::text, $12::int, $13::int, $14::text, 'new',
    $5::timestamptz from claimed returning number
)
insert into event (event_id, subject, type, headers, payload, created_at)
select $15::uuid, $16::text, 'support.ticket.created.v1', $17::bytea, $18::bytea, $5::timestamptz from written
returning id
"""
_PRIORITIES = {2: "urgent", 3: "urgent", 4: "high", 5: "normal", 6: "normal", 7: "low", 8: "low"}


class Source(BaseModel):
    """Where the ticket came from."""

    model_config = ConfigDict(extra="forbid")
    channel: Annotated[str, Field(max_length=50)]
    system: Annotated[str, Field(max_length=100)] = ""


class Requester(BaseModel):
    """Who asks."""

    model_config = ConfigDict(extra="forbid")
    system: Annotated[str, Field(max_length=100)]
    external_id: Annotated[str, Field(max_length=200)]
    name: Annotated[str, Field(max_length=200)] = ""


class NewTicket(BaseModel):
    """The same body as ours."""

    model_config = ConfigDict(extra="forbid")
    subject: Annotated[str, Field(min_length=1, max_length=300)]
    description: Annotated[str, Field(max_length=20_000)] = ""
    requester: Requester
    source: Source
    category: Annotated[str, Field(max_length=200)] = ""
    component: Annotated[str, Field(max_length=200)] = ""
    impact: Annotated[int, Field(ge=1, le=4)] = 3
    urgency: Annotated[int, Field(ge=1, le=4)] = 3


class Ticket(BaseModel):
    """The answer."""

    id: uuid.UUID
    subject: str
    category: str
    component: str
    impact: int
    urgency: int
    priority: str
    status: str
    created_at: datetime
    version: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the pool."""
    async with asyncpg.create_pool(os.environ["URL"], min_size=16, max_size=16) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)
KEY_HASH = hashlib.sha256(os.environ.get("KEY", "").encode()).hexdigest()


@app.post("/v1/tickets", status_code=201)
async def open_ticket(
    new: NewTicket, request: Request, authorization: Annotated[str, Header()], idempotency_key: Annotated[str, Header()]
) -> Ticket:
    """Write a ticket, its event and its answer in one statement."""
    given = authorization.removeprefix("Bearer ")
    if not hmac.compare_digest(hashlib.sha256(given.encode()).hexdigest(), KEY_HASH):
        raise HTTPException(401)
    now = datetime.now(UTC)
    fingerprint = hashlib.sha256(await request.body()).digest()
    ticket = Ticket(
        id=uuid.uuid4(),
        **new.model_dump(include={"subject", "category", "component", "impact", "urgency"}),
        priority=_PRIORITIES[new.impact + new.urgency],
        status="new",
        created_at=now,
        version=1,
    )
    event_id = uuid.uuid4()
    headers: dict[str, Any] = {
        "ce_id": str(event_id),
        "ce_source": "/frontline/bench/intake",
        "ce_type": "support.ticket.created.v1",
        "ce_subject": f"ticket/{ticket.id}",
        "ce_time": now.isoformat(),
    }
    written = await app.state.pool.fetchval(
        WRITE,
        "bench",
        idempotency_key,
        fingerprint,
        ticket.model_dump_json().encode(),
        now,
        ticket.id,
        new.requester.model_dump_json(),
        new.subject,
        new.description,
        new.category,
        new.component,
        new.impact,
        new.urgency,
        ticket.priority,
        event_id,
        f"ticket/{ticket.id}",
        json.dumps(headers).encode(),
        ticket.model_dump_json(exclude={"subject"}).encode(),
    )
    if written is None:
        raise HTTPException(409)
    return ticket


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
