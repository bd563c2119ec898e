"""Reading the book: all revisions, with the policies and calendars that they name.

It is read anew only when a revision was added: what a revision names never changes, and its id is unique in the world.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from escalation.calendars.usecases import list_hours
from escalation.sla import store
from escalation.sla.domain import Book

_KEPT = 4
_books: dict[tuple[UUID, ...], Book] = {}


async def read_book(connection: AsyncConnection) -> Book:
    """Everything that is or was ever in force."""
    ids = await store.list_revision_ids(connection)
    book = _books.get(ids)
    if book is None:
        book = await _read(connection)
        while len(_books) >= _KEPT:
            del _books[next(iter(_books))]
        _books[ids] = book
    return book


async def _read(connection: AsyncConnection) -> Book:
    revisions = await store.list_revisions(connection)
    policies = await store.list_policies(connection, {key for each in revisions for key in each.policies})
    hours = await list_hours(connection, {pair for each in revisions for pair in each.calendars.items()})
    return Book(revisions, {(policy.policy_id, policy.version): policy for policy in policies}, hours)
