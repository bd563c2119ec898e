"""Refusals and failures as RFC 9457 problem documents. The only place where an error of ours becomes a status number.

Validation is 400, so that 422 has one meaning: well formed, but it contradicts what was said before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from common import errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:frontline:problem:"


class PayloadTooLarge(errors.Refused):
    """The request's body is larger than this route accepts."""

    code = "payload_too_large"


class UnsupportedMediaType(errors.Refused):
    """The request's body must be JSON in UTF-8, declared as application/json."""

    code = "unsupported_media_type"


class BodyTimeout(errors.Refused):
    """The request's body did not arrive in time."""

    code = "body_timeout"


class MethodNotAllowed(errors.Refused):
    """This resource does not know the method; the Allow header names those that it knows."""

    code = "method_not_allowed"


class NotYetVisible(errors.Conflict):
    """What Support-After names has not arrived here within two seconds; repeat the request."""

    code = "not_yet_visible"


class KeyInUse(errors.Conflict):
    """Another request with this idempotency key is still running; repeat the request."""

    code = "idempotency_key_in_use"


class KeyReused(errors.Unprocessable):
    """This idempotency key was used for another request; take a new key for a new request."""

    code = "idempotency_key_reused"


_STATUSES: Mapping[type[errors.FrontlineError], tuple[int, str]] = {
    errors.InvalidInput: (400, "Invalid input"),
    errors.Unauthenticated: (401, "Not authenticated"),
    errors.Forbidden: (403, "Not allowed"),
    errors.NotFound: (404, "Not found"),
    MethodNotAllowed: (405, "Method not allowed"),
    BodyTimeout: (408, "Request timed out"),
    errors.Conflict: (409, "Conflict"),
    errors.Gone: (410, "Gone"),
    errors.StaleVersion: (412, "Version is stale"),
    PayloadTooLarge: (413, "Body too large"),
    UnsupportedMediaType: (415, "Unsupported media type"),
    errors.Unprocessable: (422, "Contradicts an earlier request"),
    errors.PreconditionMissing: (428, "Precondition required"),
    errors.Unavailable: (503, "Temporarily unavailable"),
    errors.FrontlineError: (500, "Internal error"),
}
TITLES: Mapping[int, str] = dict(_STATUSES.values())
_RETRY_AFTER_S: Mapping[type[errors.FrontlineError], int] = {NotYetVisible: 1, KeyInUse: 1}


class FieldFault(msgspec.Struct, frozen=True):
    """What is wrong at one place of the request. `pointer` is a JSON Pointer into the body, or "query/<name>"."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The document, as the OpenAPI document describes it."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str = ""
    trace_id: str = ""
    request_id: str = ""
    errors: Sequence[FieldFault] = ()


_encode = msgspec.json.Encoder().encode


def status_of(error: errors.FrontlineError) -> int:
    """The status of an error's nearest ancestor that has one."""
    return next(_STATUSES[kind][0] for kind in type(error).__mro__ if kind in _STATUSES)


def is_storable(refusal: errors.Refused) -> bool:
    """Whether a refusal is kept under its idempotency key: 409 and 422 by rule. All others leave no trace.

    Source: design of idempotency, "2xx and refusals by rule (409 other than the two below, 422)".
    """
    if isinstance(refusal, NotYetVisible | KeyInUse | KeyReused):
        return False
    return isinstance(refusal, errors.Conflict | errors.Unprocessable)


def problem_response(
    error: errors.FrontlineError, *, instance: str, trace_id: str, request_id: str, allow: str = ""
) -> Response:
    """The answer that tells a caller of an error. It shows the error's own sentence and nothing of its cause.

    Args:
        instance: the path that was asked for.
        allow: the methods that exist, with 405.
    """
    status = status_of(error)
    faults = error.pointers if isinstance(error, errors.InvalidInput) else ()
    document = Problem(
        type=TYPE_PREFIX + error.code,
        title=TITLES[status],
        status=status,
        code=error.code,
        detail=error.detail if status != 503 or not error.__cause__ else "a server that we need does not answer",
        instance=instance,
        trace_id=trace_id,
        request_id=request_id,
        errors=[FieldFault(pointer, detail) for pointer, detail in faults],
    )
    headers: dict[str, str] = {}
    if isinstance(error, errors.Unavailable):
        headers["retry-after"] = str(error.retry_after_s)
    elif type(error) in _RETRY_AFTER_S:
        headers["retry-after"] = str(_RETRY_AFTER_S[type(error)])
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if allow:
        headers["allow"] = allow
    return Response(_encode(document), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def from_validation(faults: Sequence[Mapping[str, Any]]) -> errors.InvalidInput:
    """FastAPI's list of validation faults as one `InvalidInput`, without the values that were sent."""
    pointers = [(_pointer(fault["loc"]), str(fault["msg"])) for fault in faults]
    return errors.InvalidInput("the request does not fit its description", pointers=pointers)


def _pointer(location: Sequence[str | int]) -> str:
    """("body", "items", 0, "name") is "/items/0/name"; ("query", "limit") is "query/limit"."""
    place, *steps = location
    path = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return path if place == "body" else f"{place}{path}"
