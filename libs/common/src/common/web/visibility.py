"""Reading one's own writes across services: Support-Event names an event, Support-After waits for it."""

import re
from datetime import timedelta

from fastapi import Request

from common.backbone.consumer import cursor_reached
from common.errors import InvalidInput
from common.transaction import PublishedEvent
from common.web.context import Edge
from common.web.problems import NotYetVisible
from common.web.waiting import LongPoll

_SHAPE = re.compile(r"([a-z]{1,32}) ([a-z_]{1,32}/[A-Za-z0-9-]{1,64}) ([1-9][0-9]{0,17})")
_WITHIN = timedelta(seconds=2)
_LOOK_EVERY = timedelta(milliseconds=20)


def name_event(service: str, event: PublishedEvent) -> str:
    """The value of Support-Event: "<source> <subject> <seq>"."""
    return f"{service} {event.subject} {event.seq}"


async def wait_visible(request: Request, edge: Edge) -> None:
    """Wait until this service has seen the event that Support-After names, at most two seconds.

    Raises:
        InvalidInput: the header is not "<source> <subject> <seq>".
        NotYetVisible: the event has not arrived in time.
        Unavailable: the database is away, or too many wait already.
    """
    named = request.headers.get("support-after")
    if named is None:
        return
    shape = _SHAPE.fullmatch(named)
    if not shape:
        fault = ("header/Support-After", "must be the value of a Support-Event header")
        raise InvalidInput("Support-After cannot be used", code="support_after_malformed", pointers=[fault])
    source, subject, seq = shape[1], shape[2], int(shape[3])
    if source == edge.service:
        return  # our own writes are visible here as soon as they are committed

    async def seen() -> bool:
        async with edge.database.read() as connection:
            return await cursor_reached(connection, source=source, subject=subject, seq=seq)

    if not await LongPoll(edge).until(seen, within=_WITHIN, every=_LOOK_EVERY):
        raise NotYetVisible
