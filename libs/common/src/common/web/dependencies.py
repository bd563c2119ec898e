"""What an endpoint may ask for, by annotation."""

from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from common.database import Database
from common.transaction import Origin, Transaction
from common.web.access import Client
from common.web.body import JsonRequest, Submission
from common.web.context import context_of, edge_of
from common.web.etags import read_if_match
from common.web.waiting import LongPoll


async def transaction_of(request: Request) -> Transaction:
    """The transaction that a `TransactionalRoute` opened."""
    transaction = context_of(request).transaction
    assert transaction is not None, "CurrentTransaction needs a TransactionalRoute"
    return transaction


async def connection_of(request: Request) -> AsyncConnection:
    """The read-only connection that a `ReadRoute` opened for this endpoint."""
    connection = context_of(request).connection
    assert connection is not None, "CurrentConnection needs a ReadRoute"
    return connection


async def database_of(request: Request) -> Database:
    """The service's database, for endpoints that wait: they open short transactions of their own."""
    return edge_of(request).database


async def client_of(request: Request) -> Client:
    """Who called."""
    client = context_of(request).client
    assert client is not None, "the route class authenticates first"
    return client


async def origin_of(request: Request) -> Origin:
    """Who acts, in which conversation."""
    origin = context_of(request).origin
    assert origin is not None, "the route class authenticates first"
    return origin


async def idempotency_key_of(request: Request) -> str | None:
    """The request's idempotency key, already claimed."""
    return context_of(request).idempotency_key


async def long_poll_of(request: Request) -> LongPoll:
    """A way to wait for news without holding a connection."""
    return LongPoll(edge_of(request))


async def submission_of(request: Request) -> Submission:
    """The body of a `TransactionalRoute` that takes JSON and forms; read before its transaction began."""
    assert isinstance(request, JsonRequest), "CurrentSubmission needs a TransactionalRoute"
    assert isinstance(request.document, Submission)
    return request.document


CurrentTransaction = Annotated[Transaction, Depends(transaction_of)]
CurrentConnection = Annotated[AsyncConnection, Depends(connection_of)]
CurrentDatabase = Annotated[Database, Depends(database_of)]
CurrentClient = Annotated[Client, Depends(client_of)]
CurrentSubmission = Annotated[Submission, Depends(submission_of)]
"""A body that may come as JSON or as an HTML form. FastAPI does not know of it: describe it by `openapi_extra`."""
CurrentOrigin = Annotated[Origin, Depends(origin_of)]
CurrentLongPoll = Annotated[LongPoll, Depends(long_poll_of)]
IdempotencyKey = Annotated[str | None, Depends(idempotency_key_of)]
IfMatch = Annotated[int, Depends(read_if_match)]
"""The version that the caller decided on. Absent: 428. Not the ETag of a version: 400."""
