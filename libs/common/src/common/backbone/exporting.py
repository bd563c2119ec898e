"""Everything that is parked, as JSON lines that lose nothing: headers, key and value in base64, and where it came from.

The last line says how many there are before it, so that a copy that was cut off can be told from a whole one.
"""

import base64
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import RowMapping, text

from common.backbone.decoding import unpack_headers
from common.backbone.protocols import Stream
from common.database import Database

_PAGE = 50
"""Rows of one short read: a record holds up to a megabyte."""

_SUBJECTS = text(
    """
    select source, subject, reason, error, attempts, next_attempt_at, parked_at from parked_subject
    where (source, subject) > (:source, :subject) order by source, subject limit :limit
    """
)
_SUBJECT = text(
    """
    select source, subject, reason, error, attempts, next_attempt_at, parked_at from parked_subject
    where source = :source and subject = :subject
    """
)
_EVENTS = text(
    """
    select source, subject, seq, topic, partition, position, headers, payload, parked_at from parked_event
    where source = :source and subject = :subject
      and (seq, topic, partition, position) > (:seq, :topic, :partition, :position)
    order by seq, topic, partition, position limit :limit
    """
)
_POISON = text(
    """
    select topic, partition, position, key, headers, payload, error, seen_at from poison_record
    where (topic, partition, position) > (:topic, :partition, :position)
    order by topic, partition, position limit :limit
    """
)
_BEFORE_ALL = {"seq": -1, "topic": "", "partition": -2, "position": -1}

_encode = msgspec.json.Encoder().encode


async def export_parked(database: Database, *, only: Stream | None = None) -> AsyncGenerator[bytes]:
    """Each parked subject followed by what waits behind it, then the poison records, a line each; then the end.

    What changes meanwhile may be in it or not; each page is read at once.

    Args:
        only: one subject, without the poison records.
    """
    lines = 0
    async for line in _list_lines(database, only):
        lines += 1
        yield _encode(line) + b"\n"
    yield _encode({"kind": "end", "lines": lines}) + b"\n"


async def _list_lines(database: Database, only: Stream | None) -> AsyncGenerator[dict[str, object]]:
    async for subject in _list_subjects(database, only):
        yield {"kind": "parked_subject", **subject}
        async for event in _list_events(database, subject):
            yield {"kind": "parked_event", **_shown(dict(event))}
    if only is None:
        async for record in _list_poison(database):
            yield {"kind": "poison_record", **_shown(dict(record))}


async def _list_subjects(database: Database, only: Stream | None) -> AsyncGenerator[RowMapping]:
    source, subject = only or ("", "")
    while True:
        statement = _SUBJECT if only else _SUBJECTS
        values = {"source": source, "subject": subject} | ({} if only else {"limit": _PAGE})
        async with database.read() as connection:
            page = (await connection.execute(statement, values)).mappings().all()
        for row in page:
            yield row
        if only or len(page) < _PAGE:
            return
        source, subject = page[-1]["source"], page[-1]["subject"]


async def _list_events(database: Database, subject: RowMapping) -> AsyncGenerator[RowMapping]:
    stream = {"source": subject["source"], "subject": subject["subject"]}
    after: dict[str, Any] = _BEFORE_ALL
    while True:
        async with database.read() as connection:
            found = await connection.execute(_EVENTS, {**stream, **after, "limit": _PAGE})
            page = found.mappings().all()
        for row in page:
            yield row
        if len(page) < _PAGE:
            return
        after = {name: page[-1][name] for name in _BEFORE_ALL}


async def _list_poison(database: Database) -> AsyncGenerator[RowMapping]:
    after = {name: value for name, value in _BEFORE_ALL.items() if name != "seq"}
    while True:
        async with database.read() as connection:
            page = (await connection.execute(_POISON, {**after, "limit": _PAGE})).mappings().all()
        for row in page:
            yield row
        if len(page) < _PAGE:
            return
        after = {name: page[-1][name] for name in after}


def _shown(row: Mapping[str, Any]) -> dict[str, object]:
    """A record's columns; bytes as base64, headers as pairs in their order."""
    shown: dict[str, object] = {
        name: value for name, value in row.items() if name not in ("headers", "payload", "key", "position")
    }
    shown["offset"] = row["position"]
    if "key" in row:
        shown["key_base64"] = _base64(row["key"])
    shown["headers"] = [[name, _base64(value)] for name, value in unpack_headers(row["headers"])]
    shown["value_base64"] = _base64(row["payload"])
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in shown.items()}


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
