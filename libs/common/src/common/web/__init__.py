"""The HTTP edge: what every route of every service shares, so that an endpoint is one call of one use case."""

from common.web.access import Client, needs_scope, public
from common.web.application import create_app, drain_edge_with
from common.web.body import Submission
from common.web.cursors import decode_cursor, encode_cursor
from common.web.dependencies import (
    CurrentClient,
    CurrentConnection,
    CurrentDatabase,
    CurrentLongPoll,
    CurrentOrigin,
    CurrentSubmission,
    CurrentTransaction,
    IdempotencyKey,
    IfMatch,
)
from common.web.etags import set_etag
from common.web.idempotency import EXPIRED_KEYS, OnceResponse
from common.web.models import CommandModel, Cursor, Limit, Moment, Page, ResponseModel
from common.web.problems import from_validation
from common.web.routes import ReadRoute, SteppedRoute, TransactionalRoute
from common.web.waiting import LongPoll

__all__ = [
    "EXPIRED_KEYS",
    "Client",
    "CommandModel",
    "CurrentClient",
    "CurrentConnection",
    "CurrentDatabase",
    "CurrentLongPoll",
    "CurrentOrigin",
    "CurrentSubmission",
    "CurrentTransaction",
    "Cursor",
    "IdempotencyKey",
    "IfMatch",
    "Limit",
    "LongPoll",
    "Moment",
    "OnceResponse",
    "Page",
    "ReadRoute",
    "ResponseModel",
    "SteppedRoute",
    "Submission",
    "TransactionalRoute",
    "create_app",
    "decode_cursor",
    "drain_edge_with",
    "encode_cursor",
    "from_validation",
    "needs_scope",
    "public",
    "set_etag",
]
