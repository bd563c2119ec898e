"""An agent who asks when there is no room: answered at once, without locking what does not fit."""

from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import Conflict
from common.transaction import Transaction
from routing.agents.domain import Agent
from routing.queues.domain import CATCH_ALL_ID
from routing.work import pulling, store, usecases
from routing.work.item import Work
from tests.integration.routing.conftest import Routing


class Locks:
    """Counts how often works are locked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Args: monkeypatch: of the test."""
        self.taken = 0
        self._lock = store.lock_works
        monkeypatch.setattr(store, "lock_works", self)

    async def __call__(
        self, connection: AsyncConnection, ids: list[UUID], *, skip_locked: bool = False
    ) -> dict[UUID, Work]:
        """As `store.lock_works`."""
        self.taken += 1
        return await self._lock(connection, ids, skip_locked=skip_locked)


async def fill(routing: Routing, agent: UUID) -> None:
    """Give the agent one urgent ticket, by hand."""
    ticket = await routing.open(priority="urgent")
    version = (await routing.work(ticket)).item.version
    async with routing.begin() as tx:
        await usecases.assign_by_hand(tx, ticket, agent, if_match=version, override_reason="")


async def test_a_full_agent_is_answered_without_a_lock(routing: Routing, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await routing.agent(max_weight=4)
    await fill(routing, agent)
    await routing.apply(*(routing.created() for _ in range(20)))
    locks = Locks(monkeypatch)
    with pytest.raises(Conflict, match="nothing waits"):
        async with routing.begin() as tx:
            await pulling.pull_next(tx, CATCH_ALL_ID, agent)
    assert locks.taken == 0


async def test_only_what_fits_is_locked(routing: Routing, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = await routing.agent(max_weight=5)
    await fill(routing, agent)
    await routing.apply(*(routing.created(priority="high") for _ in range(20)))
    light = await routing.open()
    locks = Locks(monkeypatch)
    async with routing.begin() as tx:
        assert (await pulling.pull_next(tx, CATCH_ALL_ID, agent)).item.ticket_id == light
    assert locks.taken == 1


async def test_who_filled_up_meanwhile_locks_no_more(routing: Routing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the agent and its lock, others filled it up."""
    agent = await routing.agent(max_weight=4)
    await routing.apply(*(routing.created(priority="normal") for _ in range(20)))
    locks = Locks(monkeypatch)
    lock = pulling.lock_agent

    async def fill_then_lock(tx: Transaction, agent_id: UUID) -> Agent:
        monkeypatch.setattr(pulling, "lock_agent", lock)
        await routing.sql("update agent set load_quarters = 16")
        return await lock(tx, agent_id)

    monkeypatch.setattr(pulling, "lock_agent", fill_then_lock)
    with pytest.raises(Conflict, match="nothing waits"):
        async with routing.begin() as tx:
            await pulling.pull_next(tx, CATCH_ALL_ID, agent)
    assert locks.taken == 1
