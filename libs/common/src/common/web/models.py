"""What request and response bodies derive from."""

import re
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict

from common.clock import is_in_utc

Item = TypeVar("Item")
MAX_TEXT = 20_000
"""Characters of a text whose field states no limit of its own."""
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")


def _only_dated(given: object) -> object:
    # Pydantic would take a number, also one in a text, as seconds since 1970.
    if not isinstance(given, str) or not _DATED.match(given):
        raise ValueError("must be a text in RFC 3339")
    return given


def _in_range(moment: datetime) -> datetime:
    if not is_in_utc(moment):
        raise ValueError("must lie within the years 1 to 9999 in UTC")
    return moment


Moment = Annotated[AwareDatetime, BeforeValidator(_only_dated), AfterValidator(_in_range)]
"""A point in time with its offset, as RFC 3339 writes it and in no other way."""


class CommandModel(BaseModel):
    """A request's body: unknown members are refused, and no text is longer than `MAX_TEXT`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_max_length=MAX_TEXT, str_strip_whitespace=False, allow_inf_nan=False
    )


class ResponseModel(BaseModel):
    """A response's body."""

    model_config = ConfigDict(frozen=True)


class Page(ResponseModel, Generic[Item]):
    """A part of a list. `next_cursor` is the `cursor` of the part behind it; null at the end."""

    items: list[Item]
    next_cursor: str | None = None


Limit = Annotated[int, Query(ge=1, le=200, description="Items in one page")]
"""How long a page may be; give it a default."""
Cursor = Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before")]
"""Where a page begins; see `common.web.cursors`."""
