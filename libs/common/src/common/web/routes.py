"""The kinds of routes. A route class owns what every endpoint of its kind needs and none should write itself.

A command: authenticate, check the scope, read the body, wait for Support-After, claim the idempotency key, run the
endpoint, render its answer, write its events, keep the answer under the key, commit, and only then answer. A refusal
rolls all of it back; one by rule is then kept under the key. A query: the same way in, then one read-only connection
where the endpoint asks for it. A command in steps, which calls or waits for another service, opens short transactions
of its own, because none may be open meanwhile.
"""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from common.errors import InvalidInput, Misconfigured, Refused
from common.outbox import flush_events
from common.transaction import Origin, Transaction
from common.web import idempotency
from common.web.access import ANYBODY, NeedsScope, Public, actor_of
from common.web.body import MAX_FORM_BYTES, read_form, read_json
from common.web.context import Edge, RequestContext, context_of, edge_of
from common.web.dependencies import connection_of, submission_of
from common.web.idempotency import Claim
from common.web.problems import is_storable, problem_response
from common.web.visibility import name_event, wait_visible

RouteHandler = Callable[[Request], Coroutine[Any, Any, Response]]


class ScopedRoute(APIRoute):
    """What both kinds share: who calls, and whether they may. `public` is set where anybody may."""

    scopes: frozenset[str]
    public: Public | None

    def get_route_handler(self) -> RouteHandler:
        """See `fastapi.routing.APIRoute`: called once, while the route is built."""
        self.scopes, self.public = _take_declarations(self)
        self.operation_id = self.operation_id or self.name
        self.check_shape()
        inner = super().get_route_handler()
        path = self.path_format
        known = frozenset(_query_names(self.dependant))

        async def handle(request: Request) -> Response:
            context = context_of(request)
            context.route = path
            edge = edge_of(request)
            self._admit(request, context, edge)
            if self.public is None:
                _check_query(request, known)
            return await self.serve(request, context, edge, inner)

        return handle

    def check_shape(self) -> None:
        """Refuse, at start, a route whose methods do not belong to its kind."""
        raise NotImplementedError

    async def serve(self, request: Request, context: RequestContext, edge: Edge, inner: RouteHandler) -> Response:
        """Everything behind the scope check."""
        raise NotImplementedError

    def _admit(self, request: Request, context: RequestContext, edge: Edge) -> None:
        if self.public is not None:
            context.refusal_page = self.public.refusal_page
            context.origin = _origin(context, ANYBODY)
            return
        client = edge.clients.authenticate(request.headers.get("authorization"))
        client.require(self.scopes)
        context.client = client
        context.origin = _origin(context, actor_of(request, client))


class ReadRoute(ScopedRoute):
    """A query. `CurrentConnection` gives it one read-only connection; with `CurrentDatabase` it waits without one."""

    def check_shape(self) -> None:
        """See `ScopedRoute`."""
        if self.methods not in ({"GET"}, {"HEAD"}):
            raise Misconfigured(f"{self.path}: a ReadRoute answers GET or HEAD alone")
        self._needs_connection = asks_for(self.dependant, connection_of)

    async def serve(self, request: Request, context: RequestContext, edge: Edge, inner: RouteHandler) -> Response:
        """See `ScopedRoute`."""
        if self.public is None:
            await wait_visible(request, edge)
        if not self._needs_connection:
            return await inner(request)
        with edge.work.enter():
            async with edge.database.read() as connection:
                context.connection = connection
                return await inner(request)


class CommandRoute(ScopedRoute):
    """What both kinds of commands share."""

    def check_shape(self) -> None:
        """See `ScopedRoute`."""
        if (self.methods or set[str]()) & {"GET", "HEAD", "OPTIONS"}:
            raise Misconfigured(f"{self.path}: a GET belongs on a ReadRoute")
        self.takes_form = asks_for(self.dependant, submission_of)

    async def read_body(self, request: Request, edge: Edge) -> Request:
        """The request with its body read, where the endpoint takes one.

        FastAPI's own limit of a route is not used: it would answer in plain text.
        """
        limit = edge.settings.max_body
        within_s = edge.settings.body_timeout.total_seconds()
        if self.takes_form:
            return await read_form(request, max_bytes=min(limit, MAX_FORM_BYTES), within_s=within_s)
        if self.body_field is not None:
            return await read_json(request, max_bytes=limit, within_s=within_s)
        return request


class SteppedRoute(CommandRoute):
    """A command in steps: with `CurrentDatabase` it opens short transactions and waits, or calls, between them.

    It keeps no answer under an idempotency key, so it must be one whose repeat has no further effect.
    """

    async def serve(self, request: Request, context: RequestContext, edge: Edge, inner: RouteHandler) -> Response:
        """See `ScopedRoute`."""
        request = await self.read_body(request, edge)
        if self.public is None:
            context.idempotency_key = idempotency.read_key(request)
            await wait_visible(request, edge)
        return await inner(request)


class TransactionalRoute(CommandRoute):
    """A command: one transaction, committed before the answer begins."""

    async def serve(self, request: Request, context: RequestContext, edge: Edge, inner: RouteHandler) -> Response:
        """See `ScopedRoute`."""
        request = await self.read_body(request, edge)
        # A key belongs to a client, so a public route has none: what it does must be idempotent by itself.
        wanted = None if self.public else _wanted_claim(request, context, edge)
        if self.public is None:
            await wait_visible(request, edge)
        with edge.work.enter():
            if wanted is None:
                return await _run(request, context, edge, inner)
            try:
                return await _run(request, context, edge, inner, wanted)
            except Refused as refusal:
                if not is_storable(refusal):
                    raise
                return await _keep_refusal(refusal, request, context, edge, wanted)


async def _run(
    request: Request, context: RequestContext, edge: Edge, inner: RouteHandler, wanted: Claim | None = None
) -> Response:
    """The endpoint in its own transaction, or the answer that its key already has. A refusal takes all of it back."""
    async with _begin(context, edge) as tx:
        stored = await idempotency.claim(tx, wanted) if wanted else None
        if stored is not None:
            return stored
        context.transaction = tx
        response = await inner(request)
        assert response.status_code < 400, "an endpoint refuses by raising: an answer would commit what it wrote"
        await flush_events(tx, edge.database.source)
        if tx.published:
            response.headers["support-event"] = name_event(edge.service, tx.published[-1])
        if wanted:
            await idempotency.store(tx, wanted, response)
        return response


async def _keep_refusal(
    refusal: Refused, request: Request, context: RequestContext, edge: Edge, wanted: Claim
) -> Response:
    """Keep a refusal under its key, in a second transaction; where a twin came between, its answer is the answer.

    A savepoint around every endpoint would do it in one, and would cost all those requests that are not refused two
    more round trips: a fifth of the time that a creation spends with the database.
    """
    async with _begin(context, edge) as tx:
        stored = await idempotency.claim(tx, wanted)
        if stored is not None:
            return stored
        response = problem_response(
            refusal, instance=request.url.path, trace_id=context.trace_id, request_id=context.request_id
        )
        await idempotency.store(tx, wanted, response)
        return response


def _begin(context: RequestContext, edge: Edge) -> AbstractAsyncContextManager[Transaction]:
    assert context.origin is not None, "the route class authenticates first"
    return edge.database.begin(context.origin)


def _wanted_claim(request: Request, context: RequestContext, edge: Edge) -> Claim | None:
    key = idempotency.read_key(request)
    context.idempotency_key = key
    if key is None:
        return None
    assert context.client is not None
    document = getattr(request, "document", None)
    return Claim(
        client_id=context.client.client_id,
        key=key,
        fingerprint=idempotency.fingerprint(request, document),
        life=edge.settings.idempotency_life,
    )


def _origin(context: RequestContext, actor: str) -> Origin:
    return Origin(
        actor=actor,
        correlation_id=context.correlation_id,
        causation_id=context.request_id,
        traceparent=context.traceparent,
    )


def _take_declarations(route: APIRoute) -> tuple[frozenset[str], Public | None]:
    """What the route declares. The declarations leave the dependency list, where they would cost a call each."""
    declared = [d.dependency for d in route.dependencies if isinstance(d.dependency, NeedsScope)]
    public = next((d.dependency for d in route.dependencies if isinstance(d.dependency, Public)), None)
    if bool(declared) == bool(public):
        raise Misconfigured(f"{route.path}: declare what it needs by needs_scope(...), or that it is public(...)")
    kept = [d for d in route.dependant.dependencies if not isinstance(d.call, NeedsScope | Public)]
    route.dependant.dependencies[:] = kept
    return frozenset[str]().union(*(needs.scopes for needs in declared)), public


def _query_names(dependant: Dependant) -> Iterator[str]:
    for parameter in dependant.query_params:
        kind = parameter.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            # A model of parameters: each of its fields is one.
            yield from (field.alias or name for name, field in kind.model_fields.items())
        else:
            yield parameter.alias
    for inner in dependant.dependencies:
        yield from _query_names(inner)


def _check_query(request: Request, known: frozenset[str]) -> None:
    """Refuse a parameter that the route does not have: a misspelt filter would silently show everything."""
    if not request.scope["query_string"]:
        return
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        faults = [(f"query/{name}", "unknown parameter") for name in unknown]
        raise InvalidInput("the address holds an unknown parameter", code="unknown_parameter", pointers=faults)


def asks_for(dependant: Dependant, call: Callable[..., Any]) -> bool:
    """Whether an endpoint takes this dependency, at whatever depth."""
    return dependant.call is call or any(asks_for(inner, call) for inner in dependant.dependencies)
