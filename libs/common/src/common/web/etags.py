"""Versions as entity tags: `ETag: "3"` out, `If-Match: "3"` in."""

import re

from fastapi import Request, Response

from common.errors import InvalidInput, PreconditionMissing

_TAG_PATTERN = re.compile(r'"?([0-9]{1,18})"?')


def set_etag(response: Response, version: int) -> None:
    """Name the version of what this response shows."""
    response.headers["etag"] = f'"{version}"'


async def read_if_match(request: Request) -> int:
    """The version in If-Match, quoted or bare.

    Raises:
        PreconditionMissing: the header is absent.
        InvalidInput: it is no single version; lists, weak tags and `*` say too little to decide on.
    """
    given = request.headers.getlist("if-match")
    if not given:
        raise PreconditionMissing
    shape = _TAG_PATTERN.fullmatch(given[0].strip())
    if len(given) > 1 or not shape:
        fault = ("header/If-Match", "must be the ETag of one version")
        raise InvalidInput("If-Match cannot be used", code="if_match_malformed", pointers=[fault])
    return int(shape[1])
