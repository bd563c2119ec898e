"""Runs from end to end: clocks and events begin them, their steps notify, raise and hand over, and help ends them."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from common.ids import new_id
from contracts.escalation import HandoffDeclined, HandoffExpired, SlaBreached
from contracts.intake import MessageAdded, TicketStatusChanged
from contracts.routing import AgentPresenceChanged, WorkUnroutable
from escalation.escalations.policy import DEFAULT_ID
from tests.integration.escalation.conftest import Escalation

MINUTE = timedelta(minutes=1)


async def online(escalation: Escalation, *, tier: int, **given: Any) -> UUID:
    """An agent who is there."""
    agent_id = await escalation.agent(tier=tier, **given)
    body = AgentPresenceChanged(agent_id=agent_id, old="offline", new="online", set_by="agent")
    await escalation.tell(agent_id, body)
    return agent_id


async def turn(escalation: Escalation, by: timedelta = timedelta(0)) -> None:
    """Time passes; timers fire, our own events come back, and what they made due fires too."""
    escalation.clock.move(by)
    for _ in range(4):
        await escalation.fire_due()
        await escalation.hear_ourselves()


async def owned(escalation: Escalation, *, tier: int = 1, **given: Any) -> tuple[UUID, UUID, UUID]:
    """A ticket with an owner and a lead who are both there: (ticket, owner, lead)."""
    owner = await online(escalation, tier=tier, teams=("app",))
    lead = await online(escalation, tier=3, teams=("app",))
    ticket_id = await escalation.open(**given)
    await escalation.own(ticket_id, owner, tier=tier)
    return ticket_id, owner, lead


def reply(ticket_id: UUID, agent_id: UUID) -> MessageAdded:
    """A message that an agent sent to the customer."""
    return MessageAdded(
        ticket_id=ticket_id,
        message_id=new_id(),
        direction="outbound",
        author_type="agent",
        author_id=agent_id,
        channel="web",
        counts_as_response=True,
        awaits_customer=False,
        ack_only=False,
    )


async def words(escalation: Escalation, ticket_id: UUID) -> Sequence[str]:
    """What was told of runs, and of what they did."""
    told = await escalation.told(ticket_id)
    return [name.removeprefix("escalation.") for name in told if name.startswith(("escalation.", "handoff.req"))]


async def messages(escalation: Escalation) -> list[Any]:
    """The internal messages that wait to be sent."""
    return await escalation.sql("select path, body from outgoing_call where kind = 'notification' order by call_id")


async def state(escalation: Escalation, ticket_id: UUID) -> Any:
    """The ticket's latest run by the API."""
    answer = await escalation.http.get("/v1/escalations", params={"ticket": str(ticket_id)})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"][0]


async def test_the_default_policy_warns_notifies_and_raises_the_tier(escalation: Escalation) -> None:
    ticket_id, owner, lead = await owned(escalation)
    await turn(escalation, 44 * MINUTE)
    assert await words(escalation, ticket_id) == []

    await turn(escalation, MINUTE)
    assert await words(escalation, ticket_id) == ["started", "step_fired"]
    [message] = await messages(escalation)
    assert message.path == f"/v1/tickets/{ticket_id}/messages"
    assert message.body["direction"] == "internal"
    assert all(str(agent) in message.body["body"] for agent in (owner, lead))
    assert "75 % of the time for the first response is used" in message.body["body"]

    await turn(escalation, 9 * MINUTE)
    assert await words(escalation, ticket_id) == ["started", "step_fired", "step_fired"]
    assert str(owner) not in (await messages(escalation))[1].body["body"]

    await turn(escalation, 7 * MINUTE)
    told = await words(escalation, ticket_id)
    assert told == ["started", *["step_fired"] * 3, "level_changed", "handoff.requested"]
    [level] = await escalation.bodies(ticket_id, "escalation.level_changed")
    assert (level.old, level.new, level.tier_required, level.reason) == (0, 1, 2, "breach")
    [handoff] = await escalation.bodies(ticket_id, "handoff.requested")
    assert (handoff.tier_required, handoff.emergency, handoff.from_agent_id) == (2, True, owner)
    shown = await state(escalation, ticket_id)
    assert (shown["state"], shown["round"], shown["next_step"], shown["percent"]) == ("running", 1, 4, 100)
    assert [step["action"] for step in shown["steps"]] == ["notify", "notify", "raise_tier"]


async def test_nothing_happens_twice_however_often_timers_fire_and_events_repeat(escalation: Escalation) -> None:
    ticket_id, _, _ = await owned(escalation)
    await turn(escalation, 46 * MINUTE)
    before = await escalation.told(ticket_id)
    for generation in range(4):
        await escalation.sql(
            "insert into timer (kind, aggregate_id, generation, due_at, attempts)"
            " select 'escalation_step', run_id, cast(:generation as bigint), now() - interval '90 days', 0"
            " from escalation_run"
            " on conflict (kind, aggregate_id) do update"
            " set generation = excluded.generation, due_at = excluded.due_at",
            generation=generation,
        )
        await turn(escalation)
    [warning] = [body for body in await escalation.bodies(ticket_id, "sla.warning") if body.percent == 75]
    await escalation.tell(ticket_id, warning)
    await turn(escalation)
    assert await escalation.told(ticket_id) == before
    assert len(await messages(escalation)) == 1


async def test_a_first_response_in_time_stops_the_run_and_what_it_had_not_said(escalation: Escalation) -> None:
    ticket_id, owner, _ = await owned(escalation)
    await turn(escalation, 46 * MINUTE)
    assert len(await messages(escalation)) == 1
    await escalation.tell(ticket_id, reply(ticket_id, owner))
    await turn(escalation)
    assert (await words(escalation, ticket_id))[-1] == "stopped"
    [stopped] = await escalation.bodies(ticket_id, "escalation.stopped")
    assert stopped.reason == "met"
    assert await messages(escalation) == []
    listed = await escalation.http.get("/v1/notifications", params={"ticket": str(ticket_id)})
    assert [item["state"] for item in listed.json()["items"]] == ["cancelled"]


async def test_a_resolved_ticket_stops_its_runs_before_their_next_step(escalation: Escalation) -> None:
    ticket_id, _, _ = await owned(escalation)
    await turn(escalation, 46 * MINUTE)
    await escalation.tell(ticket_id, TicketStatusChanged(ticket_id=ticket_id, old="open", new="resolved"))
    await turn(escalation, 60 * MINUTE)
    assert await words(escalation, ticket_id) == ["started", "step_fired", "stopped"]


async def test_a_breach_by_a_new_policy_begins_nothing(escalation: Escalation) -> None:
    ticket_id, _, _ = await owned(escalation)
    body = SlaBreached(
        ticket_id=ticket_id,
        clock_id=new_id(),
        kind="resolution",
        cycle=1,
        at=escalation.clock.now(),
        consumed_s=9,
        target_s=8,
        policy_id=new_id(),
        policy_version=1,
        cause="policy_change",
    )
    await escalation.tell(ticket_id, body)
    await turn(escalation)
    assert await words(escalation, ticket_id) == []


async def test_nobody_there_holds_the_step_until_somebody_comes(escalation: Escalation) -> None:
    owner = await escalation.agent(tier=1)
    ticket_id = await escalation.open()
    await escalation.own(ticket_id, owner)
    await turn(escalation, 46 * MINUTE)
    assert await words(escalation, ticket_id) == ["started", "held"]
    await turn(escalation, 3 * MINUTE)
    assert await words(escalation, ticket_id) == ["started", "held"]
    body = AgentPresenceChanged(agent_id=owner, old="offline", new="online", set_by="agent")
    await escalation.tell(owner, body)
    await turn(escalation)
    assert await words(escalation, ticket_id) == ["started", "held", "step_fired"]


async def test_a_raise_goes_on_although_nobody_can_be_told(escalation: Escalation) -> None:
    owner = await escalation.agent(tier=2)
    ticket_id = await escalation.open()
    await escalation.own(ticket_id, owner, tier=2)
    await turn(escalation, 61 * MINUTE)
    told = await words(escalation, ticket_id)
    assert told.count("step_fired") == 1
    assert told[-2:] == ["level_changed", "handoff.requested"]
    [level] = await escalation.bodies(ticket_id, "escalation.level_changed")
    assert level.tier_required == 3


async def test_without_an_owner_the_required_tier_rises_and_no_handoff_is_asked_for(escalation: Escalation) -> None:
    await online(escalation, tier=3)
    ticket_id = await escalation.open()
    await turn(escalation, 61 * MINUTE)
    told = await words(escalation, ticket_id)
    assert "level_changed" in told
    assert "handoff.requested" not in told
    # The next round asks again: higher, as long as there is something higher.
    await turn(escalation, 60 * MINUTE)
    levels = [body.tier_required for body in await escalation.bodies(ticket_id, "escalation.level_changed")]
    assert levels == [2, 3]
    assert "round_repeated" in await words(escalation, ticket_id)


async def test_after_its_rounds_a_run_without_effect_is_exhausted(escalation: Escalation) -> None:
    ticket_id, _, _ = await owned(escalation, tier=3)
    await turn(escalation, 61 * MINUTE)
    await turn(escalation, 60 * MINUTE)
    assert "exhausted" not in await words(escalation, ticket_id)
    await turn(escalation, 60 * MINUTE)
    assert "exhausted" in await words(escalation, ticket_id)
    assert (await state(escalation, ticket_id))["policy_id"] == str(DEFAULT_ID)


async def test_work_that_nobody_could_take_calls_the_leads_until_somebody_owns_it(escalation: Escalation) -> None:
    lead = await online(escalation, tier=3)
    ticket_id = await escalation.open()
    body = WorkUnroutable(ticket_id=ticket_id, waited_s=5, missing=("cobol",))
    await escalation.tell(ticket_id, body)
    await escalation.tell(ticket_id, body)
    await turn(escalation)
    assert await words(escalation, ticket_id) == ["started", "step_fired"]
    [message] = await messages(escalation)
    assert str(lead) in message.body["body"]
    await escalation.own(ticket_id, lead, tier=3)
    await turn(escalation)
    assert await words(escalation, ticket_id) == ["started", "step_fired", "completed"]


async def test_work_that_nobody_could_take_may_be_told_before_its_ticket(escalation: Escalation) -> None:
    """The topics overtake each other; whoever owns the ticket by its creation needs nobody."""
    lead = await online(escalation, tier=3)
    lost, owned_early = escalation.created(), escalation.created()
    for created in (lost, owned_early):
        body = WorkUnroutable(ticket_id=created.ticket_id, waited_s=5, missing=("cobol",))
        await escalation.tell(created.ticket_id, body)
    await escalation.own(owned_early.ticket_id, lead, tier=3)
    escalation.clock.move(MINUTE)
    for created in (lost, owned_early):
        await escalation.tell(created.ticket_id, created)
    await turn(escalation)
    assert await words(escalation, lost.ticket_id) == ["started", "step_fired"]
    assert (await state(escalation, lost.ticket_id))["trigger"] == "unroutable"
    assert await words(escalation, owned_early.ticket_id) == []


async def test_an_owner_who_is_heard_of_late_is_told_and_is_no_help(escalation: Escalation) -> None:
    """A person who sees the owner in intake may call for help before the assignment has arrived here."""
    owner = await online(escalation, tier=1)
    ticket_id = await escalation.open()
    assigned = escalation.assigned(ticket_id, owner)
    escalation.clock.move(MINUTE)
    called = await escalation.http.post(f"/v1/tickets/{ticket_id}/escalate", json={"reason": "On stage."})
    assert called.status_code == 201, called.text
    await escalation.apply(assigned)
    await turn(escalation)
    assert (await words(escalation, ticket_id))[-1] == "step_fired"
    [message] = await messages(escalation)
    assert str(owner) in message.body["body"]

    await escalation.own(ticket_id, await online(escalation, tier=2), tier=2)
    await turn(escalation)
    assert (await words(escalation, ticket_id))[-1] == "completed"


async def test_an_unroutable_handoff_is_not_the_tickets_own_trouble(escalation: Escalation) -> None:
    ticket_id, _, _ = await owned(escalation)
    body = WorkUnroutable(ticket_id=ticket_id, waited_s=5, missing=(), kind="handoff", handoff_id=new_id())
    await escalation.tell(ticket_id, body)
    await turn(escalation)
    assert await words(escalation, ticket_id) == []


async def test_what_is_told_carries_its_cause(escalation: Escalation) -> None:
    await online(escalation, tier=3)
    ticket_id = await escalation.open()
    event = escalation.event(ticket_id, WorkUnroutable(ticket_id=ticket_id, waited_s=5, missing=()))
    await escalation.apply(event)
    [row] = await escalation.sql("select headers from event where type like '%escalation.started%'")
    assert str(event.id).encode() in bytes(row.headers)


async def test_a_handoff_that_nobody_took_calls_for_help_and_one_of_a_runs_own_does_not(escalation: Escalation) -> None:
    ticket_id, _, _ = await owned(escalation)
    body = HandoffExpired(ticket_id=ticket_id, handoff_id=new_id(), from_agent_id=None)
    await escalation.tell(ticket_id, body)
    await turn(escalation)
    assert await words(escalation, ticket_id) == ["started", "step_fired"]
    [started] = await escalation.bodies(ticket_id, "escalation.started")
    assert started.trigger == "handoff"

    other, _, _ = await owned(escalation)
    await turn(escalation, 61 * MINUTE)
    [handoff] = await escalation.bodies(other, "handoff.requested")
    declined = HandoffDeclined(
        ticket_id=other, handoff_id=handoff.handoff_id, from_agent_id=None, reason_code="nobody_left"
    )
    await escalation.tell(other, declined)
    await turn(escalation)
    assert (await words(escalation, other)).count("started") == 1


async def test_several_processes_take_each_step_once(escalation: Escalation) -> None:
    tickets = [(await owned(escalation))[0] for _ in range(5)]
    escalation.clock.move(46 * MINUTE)
    await escalation.fire_due()
    await escalation.hear_ourselves()
    await asyncio.gather(*(escalation.fire_due() for _ in range(6)))
    for ticket_id in tickets:
        assert await words(escalation, ticket_id) == ["started", "step_fired"]
    assert len(await messages(escalation)) == len(tickets)


async def test_no_step_follows_the_end_however_the_two_race(escalation: Escalation) -> None:
    tickets = [(await owned(escalation))[0] for _ in range(8)]
    escalation.clock.move(46 * MINUTE)
    await escalation.fire_due()
    await escalation.hear_ourselves()
    ends = [escalation.tell(each, TicketStatusChanged(ticket_id=each, old="open", new="resolved")) for each in tickets]
    await asyncio.gather(escalation.fire_due(), *ends, escalation.fire_due())
    for ticket_id in tickets:
        told = await words(escalation, ticket_id)
        assert told in (["started", "stopped"], ["started", "step_fired", "stopped"])
    assert await messages(escalation) == []
