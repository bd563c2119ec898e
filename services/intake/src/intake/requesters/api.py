"""Routes of people and organisations; they come into being with the tickets that name them."""

from dataclasses import asdict
from uuid import UUID

from fastapi import APIRouter

from common.web import CurrentConnection, ReadRoute, needs_scope
from intake import queries
from intake.requesters.schemas import OrganisationShown, RequesterShown

READ = needs_scope("tickets:read")

reads = APIRouter(prefix="/v1", route_class=ReadRoute, tags=["people"])


@reads.get("/requesters/{requester_id}", dependencies=[READ])
async def get_requester(requester_id: UUID, connection: CurrentConnection) -> RequesterShown:
    """One person."""
    return RequesterShown(**asdict(await queries.get_requester(connection, requester_id)))


@reads.get("/organisations/{organisation_id}", dependencies=[READ])
async def get_organisation(organisation_id: UUID, connection: CurrentConnection) -> OrganisationShown:
    """One organisation."""
    return OrganisationShown(**asdict(await queries.get_organisation(connection, organisation_id)))
