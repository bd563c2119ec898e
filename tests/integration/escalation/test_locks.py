"""Whoever follows events locks the same things in the same order, so that nobody waits in a circle."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from common.ids import new_id
from contracts.escalation import HandoffDeclined, SlaWarning
from contracts.intake import TicketPriorityChanged, TicketStatusChanged
from contracts.routing import AgentPresenceChanged, AssignmentOffered
from tests.integration.escalation.conftest import Escalation
from tests.integration.escalation.test_runs import MINUTE, turn, words
from tests.support.eventually import eventually

WAITING = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


def warning(escalation: Escalation, ticket_id: UUID) -> SlaWarning:
    """That a clock of this ticket is at 75 %."""
    return SlaWarning(
        ticket_id=ticket_id,
        clock_id=new_id(),
        kind="resolution",
        cycle=1,
        percent=75,
        consumed_s=75,
        target_s=100,
        policy_id=new_id(),
        policy_version=1,
        deadline=escalation.clock.now() + MINUTE,
    )


async def is_free(escalation: Escalation, table: str, ticket_id: UUID) -> bool:
    """Whether nobody has locked the row of this ticket."""
    found = await escalation.sql(
        f"select 1 from {table} where ticket_id = :id for update skip locked",  # noqa: S608 - a test's own names
        id=ticket_id,
    )
    return bool(found)


@asynccontextmanager
async def held_up(escalation: Escalation, statement: str, **values: UUID) -> AsyncGenerator[None]:
    """Let somebody else hold a row."""
    async with escalation.begin() as tx:
        await tx.connection.execute(text(f"{statement} for update"), values)
        yield


async def waiting(escalation: Escalation) -> None:
    """Until somebody waits for a lock."""

    async def waits() -> bool:
        return bool(await escalation.sql(WAITING))

    await eventually(waits)


async def test_a_batch_locks_all_its_tickets_before_anything_else(escalation: Escalation) -> None:
    """Of whatever topic and handler: here the first is for clocks alone, the second for runs alone."""
    first, second = sorted([await escalation.open(), await escalation.open()])
    moved = TicketPriorityChanged(ticket_id=first, old="normal", new="high", reason="override")
    events = (escalation.event(first, moved), escalation.event(second, warning(escalation, second)))
    async with held_up(escalation, "select 1 from ticket where ticket_id = :id", id=second):
        batch = asyncio.ensure_future(escalation.apply(*events))
        await waiting(escalation)
        assert not await is_free(escalation, "ticket", first)
        assert await is_free(escalation, "sla_ticket", first)
    await batch
    assert await words(escalation, second) == ["started"]


async def test_a_handoffs_news_waits_for_its_ticket_first(escalation: Escalation) -> None:
    """An offer concerns the handoff alone, and its ticket is locked all the same."""
    ticket_id = await escalation.open()
    offered = AssignmentOffered(
        ticket_id=ticket_id,
        offer_id=new_id(),
        agent_id=new_id(),
        expires_at=escalation.clock.now() + MINUTE,
        attempt=1,
        kind="handoff",
        handoff_id=new_id(),
    )
    async with held_up(escalation, "select 1 from ticket where ticket_id = :id", id=ticket_id):
        batch = asyncio.ensure_future(escalation.tell(ticket_id, offered))
        await waiting(escalation)
    await batch


async def test_batches_of_two_topics_about_the_same_tickets_never_wait_in_a_circle(escalation: Escalation) -> None:
    one, other = await escalation.open(), await escalation.open()
    for status in ("pending_customer", "open") * 8:
        batches = [
            [
                escalation.event(near, TicketStatusChanged(ticket_id=near, old="new", new=status)),
                escalation.event(far, warning(escalation, far)),
                escalation.event(
                    far,
                    HandoffDeclined(ticket_id=far, handoff_id=new_id(), from_agent_id=None, reason_code="busy"),
                ),
            ]
            for near, far in ((one, other), (other, one))
        ]
        await asyncio.gather(*(escalation.apply(*batch) for batch in batches))


async def test_who_comes_does_not_wait_for_runs_that_somebody_is_at(escalation: Escalation) -> None:
    """Two batches may each hasten what the other has just set; a run that is passed over looks within its minute."""
    owner = await escalation.agent(tier=1)
    tickets = [await escalation.open() for _ in range(2)]
    for ticket_id in tickets:
        await escalation.own(ticket_id, owner)
    await turn(escalation, 46 * MINUTE)
    busy, free = [
        row.run_id for row in await escalation.sql("select run_id from escalation_run where state = 'held' order by 1")
    ]
    async with held_up(escalation, "select 1 from timer where aggregate_id = :id", id=busy):
        async with asyncio.timeout(60):
            await escalation.tell(
                owner, AgentPresenceChanged(agent_id=owner, old="offline", new="online", set_by="agent")
            )
    due = {
        row.aggregate_id: row.due_at
        for row in await escalation.sql("select aggregate_id, due_at from timer where kind = 'escalation_step'")
    }
    assert due[free] == escalation.clock.now()
    assert escalation.clock.now() < due[busy] <= escalation.clock.now() + MINUTE
    await turn(escalation, timedelta(minutes=1))
    for ticket_id in tickets:
        assert await words(escalation, ticket_id) == ["started", "held", "step_fired"]
