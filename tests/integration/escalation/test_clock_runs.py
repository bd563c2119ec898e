"""Which runs a ticket's clocks begin once they are breached: after a reopening, and after a run that ended for good."""

from itertools import pairwise
from uuid import UUID

from contracts.intake import TicketPriorityChanged, TicketStatusChanged
from tests.integration.escalation.conftest import Escalation
from tests.integration.escalation.test_run_commands import activated, post
from tests.integration.escalation.test_runs import MINUTE, owned, state, turn, words

STEPS = [{"action": "notify", "targets": ["owner"], "when": "sla_pct>=100"}]


async def breached(escalation: Escalation) -> UUID:
    """A ticket of which an hour's resolution was not enough, and whose run has said so."""
    await activated(escalation, triggers=["sla"], clocks=["resolution"], steps=STEPS, match={})
    ticket_id, _, _ = await owned(escalation, priority="urgent", impact=1, urgency=1)
    await turn(escalation, 61 * MINUTE)
    assert (await run_of(escalation, ticket_id))["percent"] == 100
    return ticket_id


async def run_of(escalation: Escalation, ticket_id: UUID) -> dict[str, object]:
    """The latest run about the resolution."""
    run = await state(escalation, ticket_id)
    assert run["clock_kind"] == "resolution"
    return run


async def move(escalation: Escalation, ticket_id: UUID, *statuses: str) -> None:
    """Let the ticket go from the first status through all others, a minute each."""
    for old, new in pairwise(statuses):
        await escalation.tell(ticket_id, TicketStatusChanged(ticket_id=ticket_id, old=old, new=new))
        await turn(escalation, MINUTE)


async def count(escalation: Escalation, ticket_id: UUID) -> int:
    """How many runs there were about the resolution."""
    rows = await escalation.sql(
        "select 1 from escalation_run where ticket_id = :id and clock_kind = 'resolution'", id=ticket_id
    )
    return len(rows)


async def test_a_breached_ticket_that_is_reopened_is_escalated_again(escalation: Escalation) -> None:
    ticket_id = await breached(escalation)
    await move(escalation, ticket_id, "open", "resolved")
    first = await run_of(escalation, ticket_id)
    assert (first["state"], first["end_reason"]) == ("stopped", "resolved")
    await move(escalation, ticket_id, "resolved", "open")
    second = await run_of(escalation, ticket_id)
    assert (second["state"], second["percent"], second["clock_id"]) == ("running", 100, first["clock_id"])
    assert (await words(escalation, ticket_id))[-2:] == ["started", "step_fired"]
    await move(escalation, ticket_id, "open", "pending_customer", "open")
    assert await count(escalation, ticket_id) == 2


async def test_a_pause_undoes_no_stop_by_hand_and_a_reopening_is_a_new_cause(escalation: Escalation) -> None:
    ticket_id = await breached(escalation)
    run = await run_of(escalation, ticket_id)
    await post(escalation, f"/escalations/{run['run_id']}/stop", if_match=f'"{run["version"]}"')
    await move(escalation, ticket_id, "open", "pending_customer", "open")
    assert await count(escalation, ticket_id) == 1
    await move(escalation, ticket_id, "open", "resolved", "open")
    assert await count(escalation, ticket_id) == 2


async def test_a_reopening_is_a_new_cause_for_what_is_still_to_come_too(escalation: Escalation) -> None:
    """Stopped at 50 %, resolved, reopened: the next percent begins a run."""
    steps = [{**STEPS[0], "when": "sla_pct>=50"}]
    await activated(escalation, triggers=["sla"], clocks=["resolution"], steps=steps, match={})
    ticket_id, _, _ = await owned(escalation, priority="urgent", impact=1, urgency=1)
    await turn(escalation, 31 * MINUTE)
    run = await run_of(escalation, ticket_id)
    await post(escalation, f"/escalations/{run['run_id']}/stop", if_match=f'"{run["version"]}"')
    await move(escalation, ticket_id, "open", "resolved", "open")
    assert await count(escalation, ticket_id) == 1
    await turn(escalation, 20 * MINUTE)
    assert await count(escalation, ticket_id) == 2


async def test_what_only_a_policy_breached_is_not_escalated_by_a_reopening_either(escalation: Escalation) -> None:
    await activated(escalation, triggers=["sla"], clocks=["resolution"], steps=STEPS, match={})
    ticket_id, _, _ = await owned(escalation, priority="low")
    await turn(escalation, 120 * MINUTE)
    await escalation.tell(
        ticket_id, TicketPriorityChanged(ticket_id=ticket_id, old="low", new="urgent", reason="override")
    )
    await move(escalation, ticket_id, "open", "resolved", "open")
    assert {body.cause for body in await escalation.bodies(ticket_id, "sla.breached") if body.kind == "resolution"} == {
        "policy_change"
    }
    assert await count(escalation, ticket_id) == 0
