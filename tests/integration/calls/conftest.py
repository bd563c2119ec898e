"""A caller on a database of its own, and two peers over real HTTP that do what a test tells them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from common.calls import Call, CallKind, CallOutcome, add_calls
from common.calls.caller import Caller
from common.calls.sending import Peers
from common.clock import MovableClock
from common.database import Database
from common.ids import new_id
from common.settings import PeersSettings
from common.transaction import Transaction
from tests.support.backbone import ORIGIN, migrated, no_beat
from tests.support.peers import Peer
from tests.support.serving import serving

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "fl_tests"


@dataclass(kw_only=True)
class Calling:
    """What a test has in hand. `heard` collects outcomes; `trouble` holds exceptions that hearing raises first."""

    database: Database
    clock: MovableClock
    intake: Peer
    routing: Peer
    peers: PeersSettings
    heard: list[CallOutcome] = field(default_factory=list[CallOutcome])
    trouble: list[Exception] = field(default_factory=list[Exception])
    also: Callable[[Transaction, CallOutcome], Awaitable[None]] | None = None

    async def hear(self, tx: Transaction, outcome: CallOutcome) -> None:
        """The kind's `heard`."""
        if self.trouble:
            raise self.trouble.pop(0)
        if self.also is not None:
            await self.also(tx, outcome)
        self.heard.append(outcome)

    @property
    def kinds(self) -> Sequence[CallKind]:
        """The one kind."""
        return [CallKind(kind="test", heard=self.hear)]

    def call(self, **given: Any) -> Call:
        """A call to intake."""
        values: dict[str, Any] = {
            "call_id": new_id(),
            "kind": "test",
            "aggregate_id": new_id(),
            "service": "intake",
            "method": "POST",
            "path": "/v1/things",
            "body": {"text": "hello"},
        }
        return Call(**{**values, **given})

    async def add(self, *calls: Call) -> UUID:
        """Add calls in one transaction; returns the first one's id."""
        async with self.database.begin(ORIGIN) as tx:
            await add_calls(tx, calls)
        return calls[0].call_id

    def run(self, stop: asyncio.Event, **settings: Any) -> Coroutine[Any, Any, None]:
        """A caller's loop."""

        async def loop() -> None:
            async with Peers(self.peers.model_copy(update=settings)) as connected:
                await Caller(self.database, self.kinds, connected).run(beat=no_beat, stop=stop)

        return loop()


@pytest.fixture
async def calling(empty_database: str) -> AsyncGenerator[Calling]:
    """A database, a movable clock and both peers."""
    clock = MovableClock(START)
    intake, routing = Peer(), Peer()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(migrated(empty_database, service="escalation", clock=clock))
        for peer in (intake, routing):
            peer.url = await stack.enter_async_context(serving(peer))
        peers = PeersSettings(
            intake_url=intake.url, routing_url=routing.url, key=SecretStr(KEY), timeout=timedelta(seconds=5)
        )
        yield Calling(database=database, clock=clock, intake=intake, routing=routing, peers=peers)
        for peer in (intake, routing):
            if peer.hold is not None:
                peer.hold.set()
