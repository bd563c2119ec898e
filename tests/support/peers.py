"""Another service over real HTTP that does what a test tells it."""

import asyncio
import json
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as the peer saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return self.headers["idempotency-key"]


@dataclass(kw_only=True)
class Peer:
    """A service that answers what `answers` holds, one after the other, then 200 for ever."""

    answers: list[Answer] = field(default_factory=list[Answer])
    seen: list[Seen] = field(default_factory=list[Seen])
    hold: asyncio.Event | None = None
    now_inside: int = 0
    most_inside: int = 0
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.seen.append(Seen(method=scope["method"], path=scope["path"], headers=headers, body=body))
        self.now_inside += 1
        self.most_inside = max(self.most_inside, self.now_inside)
        try:
            if self.hold is not None:
                await self.hold.wait()
            status, given, content = self.answers.pop(0) if self.answers else (200, {}, b'{"fine": true}')
            raw = [(name.encode(), value.encode()) for name, value in given.items()]
            await send({"type": "http.response.start", "status": status, "headers": raw})
            await send({"type": "http.response.body", "body": content})
        finally:
            self.now_inside -= 1


def problem(status: int, code: str, **headers: str) -> Answer:
    """A refusal as our services answer it."""
    return status, {"content-type": "application/problem+json", **headers}, json.dumps({"code": code}).encode()
