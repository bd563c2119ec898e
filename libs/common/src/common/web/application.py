"""The HTTP application of a service: its routers, every refusal as a problem document, and a true description."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match

from common.database import Database
from common.errors import FrontlineError, InvalidInput, Misconfigured, NotFound, Unavailable
from common.settings import ServiceSettings
from common.web import operations, repairs
from common.web.access import Clients
from common.web.context import Edge, Gate, context_of
from common.web.documents import documents_router
from common.web.feed import events_router
from common.web.middleware import RequestMiddleware
from common.web.openapi import describe
from common.web.problems import MethodNotAllowed, PayloadTooLarge, from_validation
from common.web.refusing import answer_refusal
from common.web.routes import ScopedRoute

VERSION = "v1"
_log = logging.getLogger(__name__)
_MENDED_AFTER_S = 30
"""A person must act first; asking every second would help nobody."""


def create_app(
    *,
    name: str,
    routers: Sequence[APIRouter],
    settings: ServiceSettings,
    database: Database,
    consumes: Sequence[str] = (),
    projections: Sequence[str] = (),
) -> FastAPI:
    """Build the application.

    Args:
        consumes: producing services whose topics the service reads.
        projections: names of what can be rebuilt.
    Raises:
        Misconfigured: the clients file is not set or unusable, or a route declares no scope and is not public.
    """
    if settings.api.clients_file is None:
        raise Misconfigured("FRONTLINE_API_CLIENTS_FILE is required by the api; `frontline keys create` makes one")
    app = FastAPI(
        title=f"Frontline {name}",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A redirect would name whatever Host says, and carry the secret of a survey's link there.
        redirect_slashes=False,
        # Our own middleware makes the span; FastAPI's would be a second one.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.edge = Edge(
        service=name,
        settings=settings.api,
        database=database,
        clients=Clients(settings.api.clients_file, database.clock),
        work=Gate(settings.database.pool_size + settings.api.max_waiting, "too many requests wait for the database"),
        polls=Gate(settings.api.max_long_polls, "too many requests wait for news"),
        consumes=tuple(consumes),
        projections=tuple(projections),
    )
    app.add_middleware(RequestMiddleware)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    for router in routers:
        _add_routes(app, router)
    for router in (events_router, *operations.ROUTERS, *repairs.ROUTERS):
        _add_routes(app, router)
    _add_routes(app, documents_router(app))
    _check_names(app)
    describe(app)
    return app


def drain_edge_with(app: FastAPI, stopping: asyncio.Event) -> None:
    """End the application's long polls when `stopping` is set. Call it before the first request."""
    app.state.edge = replace(app.state.edge, stopping=stopping)


def _add_routes(app: FastAPI, router: APIRouter) -> None:
    """Put a router's routes on the application itself: an included router is matched twice for every request."""
    for route in router.routes:
        if not isinstance(route, ScopedRoute):
            path = getattr(route, "path", route)
            raise Misconfigured(f"{path}: give its router the route class TransactionalRoute or ReadRoute")
        app.router.routes.append(route)


def _check_names(app: FastAPI) -> None:
    names = [route.operation_id for route in app.routes if isinstance(route, ScopedRoute)]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Misconfigured(f"two routes are named {min(map(str, twice))}; names become operation ids")


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FrontlineError)
    if isinstance(error, Misconfigured):
        # What is wrong, a role's name among it, is for whoever reads the log; for the caller a server is away.
        _log.error("a request met a wrong setting: %s", error.detail, exc_info=error)
        error = Unavailable("a server that we need refuses us", retry_after_s=_MENDED_AFTER_S)
    context = context_of(request)
    allow = ", ".join(_methods_of(request)) if isinstance(error, MethodNotAllowed) else ""
    return answer_refusal(error, context=context, headers=request.headers, path=request.url.path, allow=allow)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _on_error(request, from_validation(error.errors()))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """What the router itself raises: no such path, no such method, a body that it cannot read."""
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            return await _on_error(request, NotFound("there is nothing at this address", code="no_such_address"))
        case 405:
            return await _on_error(request, MethodNotAllowed())
        case 413:
            return await _on_error(request, PayloadTooLarge())
        case _:
            return await _on_error(request, InvalidInput(str(error.detail)))


def _methods_of(request: Request) -> list[str]:
    """Every method that some route has for this address."""
    routes = [route for route in request.app.routes if isinstance(route, APIRoute)]
    fitting = [route.methods or set[str]() for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted(set[str]().union(*fitting))


_HANDLERS = {
    FrontlineError: _on_error,
    RequestValidationError: _on_validation,
    HTTPException: _on_http_exception,
}
