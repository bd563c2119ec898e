"""A backlog is applied by two transactions at a time, each with partitions of its own."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import Event
from tests.support.backbone import Inbox, event_of, inbox, running, write_records
from tests.support.eventually import eventually
from tests.support.servers import Servers

_ALONE_S = 10
"""A poll that brought one partition makes one transaction, and nobody comes to meet it."""


@dataclass(frozen=True, kw_only=True)
class MeetingInbox(Inbox):
    """Its transactions wait for each other until two have met."""

    both: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(2))
    met: list[int] = field(default_factory=list[int])

    async def apply(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Apply them once two transactions are open."""
        if len(self.met) < 2:
            with suppress(TimeoutError):
                async with asyncio.timeout(_ALONE_S):
                    await self.both.wait()
                self.met.append(len(events))
        await super().apply(tx, events)


async def test_two_transactions_share_a_backlog_and_one_that_fails_does_not_hold_the_other(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    tickets = [new_id() for _ in range(800)]
    async with inbox(servers, empty_database, topic_prefix) as plain:
        service = MeetingInbox(database=plain.database, kafka=plain.kafka, topic=plain.topic)
        await write_records(service, [event_of(ticket, seq) for seq in (1, 2, 3) for ticket in tickets])
        refused = f"ticket/{tickets[0]}"
        service.poison.add(refused)
        applied = {f"ticket/{ticket}": [1, 2, 3] for ticket in tickets[1:]}

        async def all_is_applied() -> bool:
            return await service.effects() == applied and await service.parked() == {refused: "failed"}

        async with running(service.consume):
            await eventually(all_is_applied, within=60)
    assert sum(service.met) >= 500
