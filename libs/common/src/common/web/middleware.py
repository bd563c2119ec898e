"""The outermost room of a request, as pure ASGI: ids, the trace, the clock, and an answer for what nobody expected."""

import logging
import time

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, StatusCode
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.errors import FrontlineError, InvalidInput
from common.web.context import SCOPE_KEY, RequestContext, accept_id
from common.web.refusing import answer_refusal

_log = logging.getLogger(__name__)


class RequestMiddleware:
    """Gives each request its ids and its span, counts it, and answers 500 where an exception gets this far."""

    def __init__(self, app: ASGIApp) -> None:
        """Args: app: everything behind."""
        self._app = app
        self._tracer = trace.get_tracer("frontline.web")
        self._durations = metrics.get_meter("frontline.web").create_histogram(
            "http.server.request.duration", unit="s", description="Time from the first byte in to the last byte out"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; anything but HTTP goes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = accept_id(headers.get("x-request-id"))
        context = RequestContext(
            request_id=request_id, correlation_id=accept_id(headers.get("x-correlation-id") or request_id)
        )
        scope[SCOPE_KEY] = context
        began = time.perf_counter()
        given = headers.get("traceparent")
        parent = extract({"traceparent": given}, Context()) if given else Context()
        with self._tracer.start_as_current_span(
            scope["method"], context=parent, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            _note_trace(context, span)
            outgoing = _Outgoing(send, request_id)
            try:
                _check_path(scope)
                await self._app(scope, receive, outgoing.send)
            except FrontlineError as refusal:
                await self._answer(refusal, scope, context, receive, outgoing)
            except Exception as unexpected:
                _log.exception("unexpected error in %s %s", scope["method"], context.route or scope["path"])
                span.record_exception(unexpected)
                if outgoing.status:
                    raise  # half an answer is out; only closing the connection tells the caller
                await self._answer(FrontlineError("something failed here"), scope, context, receive, outgoing)
            attributes = {
                "http.request.method": scope["method"],
                "http.route": context.route or "unknown",
                "http.response.status_code": outgoing.status,
            }
            span.update_name(f"{scope['method']} {attributes['http.route']}")
            span.set_attributes(attributes)
            if outgoing.status >= 500:
                span.set_status(StatusCode.ERROR)
            self._durations.record(time.perf_counter() - began, attributes)

    async def _answer(
        self, error: FrontlineError, scope: Scope, context: RequestContext, receive: Receive, outgoing: "_Outgoing"
    ) -> None:
        response = answer_refusal(error, context=context, headers=Headers(scope=scope), path=scope["path"])
        await response(scope, receive, outgoing.send)


class _Outgoing:
    """Sends on, adds the request id, and remembers the status (0: nothing was sent)."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["x-request-id"] = self._request_id
        await self._send(message)


def _note_trace(context: RequestContext, span: trace.Span) -> None:
    ids = span.get_span_context()
    if ids.is_valid:
        context.trace_id = f"{ids.trace_id:032x}"
        context.traceparent = f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{ids.trace_flags:02x}"


def _check_path(scope: Scope) -> None:
    """PostgreSQL has no NUL in texts, so no path or query of ours can mean one."""
    if "\x00" in scope["path"] or b"%00" in scope["query_string"] or b"\x00" in scope["query_string"]:
        raise InvalidInput("the address holds a NUL", code="nul_in_address")
