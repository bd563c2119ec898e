"""Runs from end to end: clocks, commands and refused handoffs begin them; their steps notify, raise and hand over."""

from datetime import timedelta
from uuid import UUID

from contracts.routing import AgentPresenceChanged
from tests.integration.escalation.conftest import Escalation

MINUTE = timedelta(minutes=1)


async def online(escalation: Escalation, *, tier: int, **given: object) -> UUID:
    """An agent who is there."""
    agent_id = await escalation.agent(tier=tier, **given)
    body = AgentPresenceChanged(agent_id=agent_id, old="offline", new="online", set_by="agent")
    await escalation.tell(agent_id, body)
    return agent_id


async def turn(escalation: Escalation, by: timedelta = timedelta(0)) -> None:
    """Time passes; timers fire, our own events come back, and what they made due fires too."""
    escalation.clock.move(by)
    for _ in range(4):
        await escalation.hear_ourselves()
        await escalation.fire_due()


async def test_the_default_policy_warns_notifies_and_raises_the_tier(escalation: Escalation) -> None:
    owner = await online(escalation, tier=1, teams=("app",))
    lead = await online(escalation, tier=3, teams=("app",))
    ticket_id = await escalation.open()
    await escalation.own(ticket_id, owner)
    await turn(escalation, 44 * MINUTE)
    assert await escalation.told(ticket_id, "escalation") == []
    await turn(escalation, 1 * MINUTE)
    assert await escalation.told(ticket_id, "escalation") == ["escalation.started", "escalation.step_fired"]
