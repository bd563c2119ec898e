"""Reading a request's body: bounded in bytes, time and depth, strict JSON (or a form) in strict UTF-8, without NUL."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from common.errors import InvalidInput
from common.web.problems import BodyTimeout, PayloadTooLarge, UnsupportedMediaType

MAX_NESTING = 32
"""Levels of arrays and objects; no body of ours needs more than eight."""


MAX_FORM_BYTES = 32 * 1024
"""Of a form, or of JSON in its place: whoever sends one may be anybody."""
MAX_FIELDS = 50
"""Fields of one form."""
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A body that was sent as JSON (`document`: the decoded value) or as an HTML form (its values by field name)."""

    document: Any = None
    form: Mapping[str, Sequence[str]] | None = None


class JsonRequest(Request):
    """A request whose body was read and decoded before FastAPI asks for it."""

    raw: bytes = b""
    document: Any = None

    async def body(self) -> bytes:
        """The body as it came."""
        return self.raw

    async def json(self) -> Any:
        """The decoded body."""
        return self.document


async def read_json(request: Request, *, max_bytes: int, within_s: float) -> JsonRequest:
    """Read and decode the body; an absent one stays empty.

    Raises:
        PayloadTooLarge: more than `max_bytes` came, whatever Content-Length said.
        BodyTimeout: it took longer than `within_s` seconds.
        UnsupportedMediaType: it is not declared as JSON.
        InvalidInput: it is no JSON, nested deeper than `MAX_NESTING`, or holds a NUL.
    """
    read = JsonRequest(request.scope, request.receive)
    read.raw = await _read(request, max_bytes, within_s)
    if read.raw:
        _check_media_type(request.headers.get("content-type", ""))
        read.document = _decode(read.raw)
    return read


async def read_form(request: Request, *, max_bytes: int, within_s: float) -> JsonRequest:
    """Read a body that may be JSON or an HTML form; the request's document is a `Submission`.

    Raises:
        PayloadTooLarge, BodyTimeout: see `read_json`.
        UnsupportedMediaType: it is neither.
        InvalidInput: see `read_json`; or the form is not UTF-8, holds a NUL, or more than `MAX_FIELDS` fields.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        read = await read_json(request, max_bytes=max_bytes, within_s=within_s)
        read.document = Submission(document=read.document)
        return read
    read = JsonRequest(request.scope, request.receive)
    read.raw = await _read(request, max_bytes, within_s)
    try:
        pairs = parse_qsl(
            read.raw.decode(), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as malformed:
        raise InvalidInput("the form cannot be read", code="malformed_form") from malformed
    form: dict[str, list[str]] = {}
    for name, value in pairs:
        _check_text(f"/{name}", name + value)
        form.setdefault(name, []).append(value)
    read.document = Submission(form=form)
    return read


async def _read(request: Request, max_bytes: int, within_s: float) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise PayloadTooLarge(f"the body has {declared} bytes, the limit is {max_bytes}")
    try:
        async with asyncio.timeout(within_s):
            chunks: list[bytes] = []
            size = 0
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise PayloadTooLarge(f"the body has more than {max_bytes} bytes")
                chunks.append(chunk)
    except TimeoutError as late:
        raise BodyTimeout(f"the body did not arrive within {within_s:g} s") from late
    except ClientDisconnect as gone:
        raise InvalidInput("the connection ended within the body") from gone
    return b"".join(chunks)


def _check_media_type(content_type: str) -> None:
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "application/json" or charset not in ("", "utf-8"):
        raise UnsupportedMediaType


def _decode(raw: bytes) -> Any:
    try:
        document = msgspec.json.decode(raw)
    except RecursionError as deep:
        raise _too_deep() from deep
    except (msgspec.DecodeError, UnicodeDecodeError) as malformed:
        raise InvalidInput(f"the body is not JSON: {malformed}", code="malformed_json") from malformed
    # The cheap questions come first: the walk is for the rare body that could be at fault.
    if raw.count(b"[") + raw.count(b"{") > MAX_NESTING or b"\\u0000" in raw:
        _check_values(document)
    return document


def _check_values(document: object) -> None:
    level: list[tuple[str, object]] = [("", document)]
    for _ in range(MAX_NESTING + 1):
        level = [inner for pointer, value in level for inner in _inner(pointer, value)]
        if not level:
            return
    raise _too_deep()


def _inner(pointer: str, value: object) -> list[tuple[str, object]]:
    """The values inside an array or object, with their pointers. Raises InvalidInput for a NUL in a string or name."""
    if isinstance(value, str):
        _check_text(pointer, value)
    elif isinstance(value, dict):
        members = cast("Mapping[str, object]", value)
        for name in members:
            _check_text(pointer, name)
        return [(f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", inner) for name, inner in members.items()]
    elif isinstance(value, list):
        return [(f"{pointer}/{index}", inner) for index, inner in enumerate(cast("Sequence[object]", value))]
    return []


def _check_text(pointer: str, text: str) -> None:
    if "\x00" in text:
        raise InvalidInput("a text holds a NUL", code="nul_in_text", pointers=[(pointer, "must not hold a NUL")])


def _too_deep() -> InvalidInput:
    return InvalidInput(f"the body is nested deeper than {MAX_NESTING} levels", code="nested_too_deep")
