"""What the service can do with people and organisations."""

from uuid import UUID

from common.errors import InvalidInput, NotFound, StaleVersion
from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import subject_of
from intake.requesters import store
from intake.requesters.domain import GivenRequester, Requester, RequesterEdit, edited


async def note_organisation(tx: Transaction, given: GivenRequester) -> UUID | None:
    """The id of the organisation that was given along with a person, noted if it is new; None where none was given."""
    if given.organisation is None:
        return None
    return await store.save_organisation(
        tx.connection, new_id(), system=given.system, given=given.organisation, now=tx.now
    )


async def check_organisation(tx: Transaction, organisation_id: UUID) -> None:
    """Refuse an organisation that does not exist.

    Raises:
        InvalidInput: there is none of that id.
    """
    try:
        await store.get_organisation(tx.connection, organisation_id)
    except NotFound as absent:
        raise InvalidInput(absent.detail, pointers=[("/organisation_id", "is not known")]) from absent


async def requester_named(tx: Transaction, requester_id: UUID) -> Requester:
    """The person that a request names by id.

    Raises:
        InvalidInput: there is none of that id.
    """
    try:
        return await store.get_requester(tx.connection, requester_id)
    except NotFound as absent:
        raise InvalidInput(absent.detail, pointers=[("/requester/id", "is not known")]) from absent


async def edit_requester(
    tx: Transaction, requester_id: UUID, wanted: RequesterEdit, *, expected_version: int
) -> Requester:
    """Change what is known of a person.

    Raises:
        NotFound: there is none of that id.
        StaleVersion: something else about them changed since.
        InvalidInput: the time zone is none.
    """
    person = await store.lock_requester(tx.connection, requester_id)
    if expected_version != person.version:
        raise StaleVersion(f"the requester is at version {person.version}, not {expected_version}")
    after, told = edited(person, wanted, now=tx.now)
    if told is not None:
        await store.save_requester(tx.connection, after)
        tx.add_events(subject_of("requester", requester_id), [told])
    return after
