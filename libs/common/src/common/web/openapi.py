"""The OpenAPI document, made true: FastAPI knows the endpoints' own answers, the route classes know all the others."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from fastapi import FastAPI

from common.web.etags import read_if_match
from common.web.problems import MEDIA_TYPE, TITLES, Problem
from common.web.routes import CommandRoute, ScopedRoute, TransactionalRoute, asks_for

_SCHEMA_PATH = "#/components/schemas/{name}"
_SECURITY = "key"
_GENERATED_FAULTS = ("HTTPValidationError", "ValidationError")
_EVERY_ROUTE = (400, 401, 403, 409, 500, 503)
_NOBODYS = (400, 500, 503)
"""Of a public route: it knows no keys, and waits for no event."""
_MEANINGS: Mapping[int, str] = {
    400: "The address, a header, or the body does not fit its description; `errors` says where.",
    401: "The key is absent, wrong, revoked or expired.",
    403: "The key lacks a scope.",
    404: "Something that the address or the body names does not exist.",
    408: "The body did not arrive in time.",
    409: "The present state does not allow this, an equal key is still running, or Support-After has not arrived yet.",
    412: "If-Match names a version that is no longer current.",
    413: "The body is too large.",
    415: "The body is not declared as JSON in UTF-8.",
    422: "The request contradicts an earlier one, or the idempotency key belongs to another request.",
    428: "If-Match is required.",
    500: "Something failed here; nothing was changed.",
    503: "A server that we need is away, or the outcome of the commit is unknown: repeat with the same key.",
}
_RETRIED = (409, 503)


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` return the completed document, made once."""
    plain = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            _complete(document, [route for route in app.routes if isinstance(route, ScopedRoute)])
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = complete


def _complete(document: dict[str, Any], routes: Iterable[ScopedRoute]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _GENERATED_FAULTS:
        schemas.pop(name, None)
    schemas.update(msgspec.json.schema_components([Problem], ref_template=_SCHEMA_PATH)[1])
    components["securitySchemes"] = {
        _SECURITY: {"type": "http", "scheme": "bearer", "description": "A key of an API client, `fl_…`"}
    }
    components["responses"] = {_response_name(status): _response(status) for status in _MEANINGS}
    components["headers"] = {"RequestId": _header("The request's id, given or made")}
    for route in routes:
        for method in route.methods or ():
            if route.include_in_schema:
                _complete_operation(document["paths"][route.path_format][method.lower()], route)


def _complete_operation(operation: dict[str, Any], route: ScopedRoute) -> None:
    operation["security"] = [] if route.public else [{_SECURITY: sorted(route.scopes)}]
    responses = operation["responses"]
    responses.pop("422", None)  # FastAPI's own validation answer, which is never given
    for status, response in responses.items():
        if status.startswith("2"):
            response.setdefault("headers", {}).update(_success_headers(route))
    for status in sorted(_refusals(route)):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{_response_name(status)}"})
    operation.setdefault("parameters", []).extend(_header_parameters(route))


def _refusals(route: ScopedRoute) -> set[int]:
    statuses: set[int] = {*(_NOBODYS if route.public else _EVERY_ROUTE)}
    if isinstance(route, CommandRoute):
        statuses |= {404} if route.public else {404, 422}
        if route.body_field is not None or route.takes_form:
            statuses |= {408, 413, 415}
    if "{" in route.path:
        statuses.add(404)
    if asks_for(route.dependant, read_if_match):
        statuses |= {412, 428}
    return statuses


def _header_parameters(route: ScopedRoute) -> list[dict[str, Any]]:
    if route.public:
        return []
    parameters = [
        _parameter("Support-After", "Wait until this event, named by a Support-Event header, is visible here",
                   pattern="^[a-z]{1,32} [a-z_]{1,32}/[A-Za-z0-9-]{1,64} [1-9][0-9]{0,17}$"),
    ]  # fmt: skip
    if isinstance(route, CommandRoute):
        kept = isinstance(route, TransactionalRoute)
        parameters += [
            _parameter("Idempotency-Key", "Repeats with the same key have one effect and get the same answer"
                       if kept else "Accepted as everywhere; a repeat has no further effect with or without it",
                       pattern="^[!#-~]{1,255}$"),
            _parameter("Support-Actor", "The agent for whom the client acts; needs the scope act-as",
                       pattern="^agent:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
        ]  # fmt: skip
    if asks_for(route.dependant, read_if_match):
        etag = _parameter("If-Match", "The ETag of the version that was decided on", pattern='^"?[0-9]{1,18}"?$')
        parameters.append(etag | {"required": True})
    return parameters


def _success_headers(route: ScopedRoute) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    if isinstance(route, TransactionalRoute):
        headers["Support-Event"] = _header("The last event that this caused, for Support-After elsewhere")
        if not route.public:
            headers["Idempotency-Replayed"] = _header("true: this is the answer to an earlier request with this key")
    return headers


def _parameter(name: str, description: str, *, pattern: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _response_name(status: int) -> str:
    return TITLES[status].title().replace(" ", "")


def _response(status: int) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    if status in _RETRIED:
        headers["Retry-After"] = {"description": "Seconds until a repeat makes sense", "schema": {"type": "integer"}}
    if status == 401:
        headers["WWW-Authenticate"] = _header("Bearer")
    content = {MEDIA_TYPE: {"schema": {"$ref": _SCHEMA_PATH.format(name="Problem")}}}
    return {"description": _MEANINGS[status], "headers": headers, "content": content}
