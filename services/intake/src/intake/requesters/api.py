"""Routes of people and organisations; they come into being with the tickets that name them."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from common.web import (
    CurrentConnection,
    CurrentTransaction,
    IfMatch,
    Page,
    ReadRoute,
    TransactionalRoute,
    needs_scope,
    set_etag,
)
from intake import queries
from intake.requesters import usecases
from intake.requesters.domain import Requester
from intake.requesters.schemas import EditRequesterBody, ListRequestersQuery, OrganisationShown, RequesterShown

WRITE = needs_scope("tickets:write")
READ = needs_scope("tickets:read")

commands = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["people"])
reads = APIRouter(prefix="/v1", route_class=ReadRoute, tags=["people"])


@commands.patch("/requesters/{requester_id}", dependencies=[WRITE])
async def edit_requester(
    requester_id: UUID, command: EditRequesterBody, tx: CurrentTransaction, version: IfMatch, response: Response
) -> RequesterShown:
    """Change what is known of a person."""
    person = await usecases.edit_requester(tx, requester_id, command.wanted(), expected_version=version)
    return _answer(response, person)


@reads.get("/requesters", dependencies=[READ])
async def list_requesters(
    connection: CurrentConnection, query: Annotated[ListRequestersQuery, Query()]
) -> Page[RequesterShown]:
    """The persons that fit every filter given, oldest first."""
    found, next_cursor = await queries.list_requesters(connection, query)
    return Page(items=[RequesterShown(**asdict(person)) for person in found], next_cursor=next_cursor)


@reads.get("/requesters/{requester_id}", dependencies=[READ])
async def get_requester(requester_id: UUID, connection: CurrentConnection, response: Response) -> RequesterShown:
    """One person."""
    return _answer(response, await queries.get_requester(connection, requester_id))


@reads.get("/organisations/{organisation_id}", dependencies=[READ])
async def get_organisation(organisation_id: UUID, connection: CurrentConnection) -> OrganisationShown:
    """One organisation."""
    return OrganisationShown(**asdict(await queries.get_organisation(connection, organisation_id)))


def _answer(response: Response, person: Requester) -> RequesterShown:
    set_etag(response, person.version)
    return RequesterShown(**asdict(person))
