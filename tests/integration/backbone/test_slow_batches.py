"""Batches that take longer than a statement may: smaller ones are tried, and a process that cannot go on says so."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import text

from common.backbone.consume import Stuck, run_consumer
from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import Event
from tests.support.backbone import Inbox, event_of, inbox, no_beat, running, write_records
from tests.support.eventually import eventually
from tests.support.servers import Servers

Apply = Callable[[Transaction, Sequence[Event]], Awaitable[None]]


async def run_into_limit(tx: Transaction) -> None:
    await tx.connection.execute(text("set local statement_timeout = '20ms'"))
    await tx.connection.execute(text("select pg_sleep(10)"))


async def consume(service: Inbox, apply: Apply, stop: asyncio.Event) -> None:
    await run_consumer(
        database=service.database,
        kafka=service.kafka,
        service="routing",
        sources=["intake"],
        handlers=[replace(handler, apply=apply) for handler in service.handlers],
        beat=no_beat,
        stop=stop,
    )


async def test_a_batch_that_runs_into_a_limit_again_and_again_goes_by_slices(
    servers: Servers, empty_database: str, topic_prefix: str
) -> None:
    tickets = [new_id() for _ in range(20)]
    async with inbox(servers, empty_database, topic_prefix) as service:

        async def apply(tx: Transaction, events: Sequence[Event]) -> None:
            if len({event.subject for event in events}) > 1:
                await run_into_limit(tx)
            await service.apply(tx, events)

        async def are_applied() -> bool:
            return await service.effects() == {f"ticket/{ticket}": [1] for ticket in tickets}

        await write_records(service, [event_of(ticket, 1) for ticket in tickets])
        async with running(lambda stop: consume(service, apply, stop)):
            await eventually(are_applied)
        assert await service.parked() == {}


async def test_a_consumer_whose_database_answers_but_finishes_nothing_ends(
    servers: Servers, empty_database: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.backbone.consume._PROGRESS_LIMIT_S", 1.0)
    async with inbox(servers, empty_database, topic_prefix) as service:

        async def apply(tx: Transaction, _: Sequence[Event]) -> None:
            await run_into_limit(tx)

        await write_records(service, [event_of(new_id(), 1)])
        with pytest.raises(Stuck, match="the database answers"):
            await consume(service, apply, asyncio.Event())
        assert await service.parked() == {}
