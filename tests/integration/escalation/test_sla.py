"""Clocks on a real database: followed from events, told by timers, shown and proved."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from common.ids import new_id
from contracts.escalation import HandoffAccepted, HandoffRequested
from contracts.intake import MessageAdded, TicketPriorityChanged, TicketStatusChanged
from tests.integration.escalation.conftest import Escalation

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def message(ticket_id: UUID, direction: str = "inbound", **given: Any) -> MessageAdded:
    """A message by the customer, or by an agent to the customer."""
    values: dict[str, Any] = {
        "ticket_id": ticket_id,
        "message_id": new_id(),
        "direction": direction,
        "author_type": "requester" if direction == "inbound" else "agent",
        "channel": "web",
        "counts_as_response": direction == "outbound",
        "awaits_customer": False,
        "ack_only": False,
    }
    return MessageAdded(**{**values, **given})


def moved(ticket_id: UUID, old: str, new: str, **given: Any) -> TicketStatusChanged:
    """A status move."""
    return TicketStatusChanged(ticket_id=ticket_id, old=old, new=new, **given)


async def pass_time(escalation: Escalation, by: timedelta, *, step: timedelta = MINUTE) -> None:
    """Let time pass in steps, each followed by what is due."""
    end = escalation.clock.now() + by
    while escalation.clock.now() < end:
        escalation.clock.move(min(step, end - escalation.clock.now()))
        await escalation.fire_due()


async def test_clocks_run_from_the_first_second(escalation: Escalation) -> None:
    """A new ticket has a policy and both clocks at once, and a reply ends one of them."""
    ticket_id = await escalation.open(priority="urgent")
    assert await escalation.told(ticket_id, "sla") == [
        "sla.policy_applied",
        "sla.clock_started",
        "sla.clock_started",
    ]
    escalation.clock.move(10 * MINUTE)
    await escalation.tell(ticket_id, message(ticket_id, "outbound"))
    [met] = [body for body in await escalation.bodies(ticket_id, "sla.met")]
    assert (met.kind, met.consumed_s, met.target_s) == ("first_response", 600, 900)


async def test_each_warning_comes_once_and_then_the_breach(escalation: Escalation) -> None:
    """50, 75, 90 %, then the breach a moment behind the deadline."""
    ticket_id = await escalation.open(priority="urgent")
    await pass_time(escalation, HOUR * 2)
    warned = [(body.kind, body.percent) for body in await escalation.bodies(ticket_id, "sla.warning")]
    assert warned == [
        ("first_response", 50),
        ("first_response", 75),
        ("first_response", 90),
        ("resolution", 50),
        ("resolution", 75),
        ("resolution", 90),
    ]
    assert [body.kind for body in await escalation.bodies(ticket_id, "sla.breached")] == ["first_response", "resolution"]
    assert not await escalation.sql("select 1 from timer where kind = 'sla_clocks'")
