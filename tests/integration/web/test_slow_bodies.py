"""A caller that sends its body drop by drop, or not at all, holds nothing for long."""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

from common.service import Runtime, create_api
from tests.integration.web.conftest import Notes
from tests.support.notes.app import build
from tests.support.serving import serving


async def test_a_body_that_does_not_come_is_given_up(notes: Notes) -> None:
    """408 after the limit, before any connection to the database is taken."""
    api = notes.settings.api.model_copy(update={"body_timeout": timedelta(milliseconds=100)})
    settings = notes.settings.model_copy(update={"api": api})
    app = create_api(build(settings), Runtime(settings=settings, database=notes.database, clock=notes.clock))
    key = notes.http.headers["authorization"]
    async with serving(app) as url, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
        writer.write(
            f"POST /v1/notes HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ncontent-type: application/json\r\n"
            'content-length: 100\r\n\r\n{"text":'.encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in head
