"""The HTTP edge: what every route of every service shares, so that an endpoint is one call of one use case."""

from common.web.access import Client, needs_scope
from common.web.application import create_app, drain_edge_with
from common.web.cursors import decode_cursor, encode_cursor
from common.web.dependencies import (
    CurrentClient,
    CurrentConnection,
    CurrentDatabase,
    CurrentLongPoll,
    CurrentOrigin,
    CurrentTransaction,
    IdempotencyKey,
    IfMatch,
)
from common.web.etags import set_etag
from common.web.idempotency import EXPIRED_KEYS
from common.web.models import CommandModel, Cursor, Limit, Page, ResponseModel
from common.web.routes import ReadRoute, TransactionalRoute
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
    "CurrentTransaction",
    "Cursor",
    "IdempotencyKey",
    "IfMatch",
    "Limit",
    "LongPoll",
    "Page",
    "ReadRoute",
    "ResponseModel",
    "TransactionalRoute",
    "create_app",
    "decode_cursor",
    "drain_edge_with",
    "encode_cursor",
    "needs_scope",
    "set_etag",
]
