"""Keyset cursors: the sort key of a page's last row, opaque to callers and checked when it comes back."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar, overload
from uuid import UUID

import msgspec

from common.clock import is_in_utc
from common.errors import InvalidInput

KeyPart = datetime | UUID | int | str
A = TypeVar("A", datetime, UUID, int, str)
B = TypeVar("B", datetime, UUID, int, str)
C = TypeVar("C", datetime, UUID, int, str)


def encode_cursor(*parts: KeyPart) -> str:
    """The cursor that continues behind the row with this sort key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).rstrip(b"=").decode()


@overload
def decode_cursor(cursor: None, *kinds: type[KeyPart]) -> None: ...
@overload
def decode_cursor(cursor: str | None, a: type[A], /) -> tuple[A] | None: ...
@overload
def decode_cursor(cursor: str | None, a: type[A], b: type[B], /) -> tuple[A, B] | None: ...
@overload
def decode_cursor(cursor: str | None, a: type[A], b: type[B], c: type[C], /) -> tuple[A, B, C] | None: ...


def decode_cursor(cursor: str | None, *kinds: type[KeyPart]) -> Sequence[Any] | None:
    """The sort key in a cursor; None at the beginning of a list.

    Args:
        kinds: the type of each part, as it was given to `encode_cursor`.
    Raises:
        InvalidInput: the cursor was not made for this list.
    """
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        parts = msgspec.json.decode(raw, type=tuple[kinds])
    except (binascii.Error, ValueError) as malformed:
        raise _refusal() from malformed
    if any(isinstance(part, datetime) and (part.tzinfo is None or not is_in_utc(part)) for part in parts):
        raise _refusal()
    if any(isinstance(part, str) and "\x00" in part for part in parts):
        raise _refusal()
    if any(isinstance(part, int) and abs(part) >= 2**63 for part in parts):
        raise _refusal()
    return parts


def _refusal() -> InvalidInput:
    fault = ("query/cursor", "must be the next_cursor of a page of this list")
    return InvalidInput("the cursor cannot be used", code="cursor_malformed", pointers=[fault])
