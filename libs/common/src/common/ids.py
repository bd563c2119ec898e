"""Identifiers: UUIDv7 (RFC 9562), so that rows of one table lie in the order of their creation."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A new UUIDv7."""
    return uuid7()
