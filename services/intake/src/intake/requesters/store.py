"""All SQL of requesters and organisations, but for the persons that `tickets.opening_store` notes with a ticket."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from intake.requesters.domain import GivenOrganisation, Organisation, Requester
from intake.requesters.tables import organisation, requester


async def get_requester(connection: AsyncConnection, requester_id: UUID) -> Requester:
    """The person of that id.

    Raises:
        NotFound: there is none.
    """
    found = await connection.execute(select(requester).where(requester.c.id == requester_id))
    return _loaded(found.mappings().one_or_none(), requester_id)


async def lock_requester(connection: AsyncConnection, requester_id: UUID) -> Requester:
    """The person of that id, locked until the transaction ends.

    Raises:
        NotFound: there is none.
    """
    found = await connection.execute(select(requester).where(requester.c.id == requester_id).with_for_update())
    return _loaded(found.mappings().one_or_none(), requester_id)


async def list_requesters(
    connection: AsyncConnection,
    *,
    system: str | None,
    external_id: str | None,
    organisation_id: UUID | None,
    after: UUID | None,
    limit: int,
) -> Sequence[Requester]:
    """The persons that fit every filter given, behind an id, in the order of their ids."""
    given = (
        (requester.c.system, system),
        (requester.c.external_id, external_id),
        (requester.c.organisation_id, organisation_id),
    )
    conditions: list[ColumnElement[bool]] = [column == value for column, value in given if value is not None]
    if after is not None:
        conditions.append(requester.c.id > after)
    found = await connection.execute(select(requester).where(*conditions).order_by(requester.c.id).limit(limit))
    return [Requester(**row) for row in found.mappings()]


async def save_requester(connection: AsyncConnection, saved: Requester) -> None:
    """Write a locked person back."""
    await connection.execute(update(requester).where(requester.c.id == saved.id), asdict(saved))


async def get_organisation(connection: AsyncConnection, organisation_id: UUID) -> Organisation:
    """The organisation of that id.

    Raises:
        NotFound: there is none.
    """
    row = (
        (await connection.execute(select(organisation).where(organisation.c.id == organisation_id)))
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotFound(f"there is no organisation {organisation_id}")
    return Organisation(**row)


async def save_organisation(
    connection: AsyncConnection, new_id: UUID, *, system: str, given: GivenOrganisation, now: datetime
) -> UUID:
    """Find or note an organisation under its key; a given name replaces the known one.

    Returns:
        Its id: `new_id` if it was not known.
    """
    found = await connection.execute(
        select(organisation.c.id, organisation.c.name).where(
            organisation.c.system == system, organisation.c.external_id == given.external_id
        )
    )
    known = found.one_or_none()
    if known is not None and given.name in ("", known.name):
        return known.id
    wanted = insert(organisation).values(
        id=new_id,
        system=system,
        external_id=given.external_id,
        name=given.name,
        timezone="UTC",
        support_plan="",
        created_at=now,
        updated_at=now,
    )
    changes = {"updated_at": now} | ({"name": given.name} if given.name else {})
    wanted = wanted.on_conflict_do_update(index_elements=["system", "external_id"], set_=changes)
    return (await connection.execute(wanted.returning(organisation.c.id))).scalar_one()


def _loaded(row: RowMapping | None, requester_id: UUID) -> Requester:
    if row is None:
        raise NotFound(f"there is no requester {requester_id}")
    return Requester(**row)
