"""What becomes of a handoff by what routing and intake tell, and how it is given back."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from common.ids import new_id
from contracts.intake import TicketResolved, TicketStatusChanged
from contracts.routing import (
    AgentDeactivated,
    AssignmentAssigned,
    AssignmentOfferExpired,
    AssignmentUnassigned,
    WorkUnroutable,
)
from tests.integration.escalation.floor import Floor
from tests.support.handoffs import PACKAGE


async def test_only_routing_says_that_it_was_accepted(floor: Floor) -> None:
    """The receiver owns it by routing's word; the customer is told; a repeat of the event changes nothing."""
    made = await floor.requested()
    senior = floor.seniors[0]
    offer_id = await floor.offer(made["id"], senior)
    offered = await floor.look(made["id"])
    assert (offered["offered_to"], offered["offer_id"]) == (str(senior), str(offer_id))
    assignment = await floor.accept(made["id"], senior)
    accepted = await floor.look(made["id"])
    assert accepted["state"] == "accepted"
    assert accepted["receiver_id"] == str(senior)
    assert accepted["assignment_id"] == str(assignment)
    assert accepted["offer_id"] is None
    assert accepted["customer_informed_at"] is None
    assert await floor.told() == ["handoff.requested", "handoff.accepted"]
    calls = await floor.escalation.sql("select kind, service, method, path from outgoing_call")
    assert [(call.kind, call.service, call.path) for call in calls] == [
        ("handoff_receiver", "routing", f"/v1/agents/{senior}")
    ]
    assert await floor.escalation.sql("select 1 from timer where kind = 'handoff_expiry'") == []


async def test_a_withdrawal_is_routings_to_confirm(floor: Floor) -> None:
    made = await floor.requested()
    answer = await floor.withdraw(made["id"])
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn")
    assert await floor.told() == ["handoff.requested", "handoff.recalled", "handoff.withdrawn"]
    assert (await floor.last("withdrawn")).reason == "sender"
    again = await floor.command(made["id"], "withdraw", by=floor.owner)
    assert again.status_code == 200, "a repeat"
    assert (await floor.told()).count("handoff.recalled") == 1


async def test_a_withdrawal_is_answered_neither_way_before_routing_has_spoken(floor: Floor) -> None:
    made = await floor.requested()
    answer = await floor.withdraw(made["id"], verdict="")
    assert (answer.status_code, answer.json()["code"]) == (503, "undecided")
    assert answer.headers["retry-after"] == "1"
    shown = await floor.look(made["id"])
    assert (shown["state"], shown["ending"]) == ("requested", "sender")
    await floor.dequeue(made["id"], "withdrawn")
    again = await floor.command(made["id"], "withdraw", by=floor.owner)
    assert (again.status_code, again.json()["state"]) == (200, "withdrawn")


async def test_a_withdrawal_that_comes_too_late_is_refused_and_the_acceptance_stands(floor: Floor) -> None:
    made = await floor.requested()
    late = await floor.withdraw(made["id"], "accepted")
    later = await floor.command(made["id"], "withdraw", by=floor.owner)
    for answer in (late, later):
        assert (answer.status_code, answer.json()["code"]) == (409, "handoff_accepted")
    assert await floor.told() == ["handoff.requested", "handoff.recalled", "handoff.accepted"]
    assert (await floor.look(made["id"]))["ending"] == ""


async def test_an_addressed_agents_no_ends_it(floor: Floor) -> None:
    made = await floor.requested(to={"agent_id": str(floor.seniors[0])})
    await floor.decline(made["id"], floor.seniors[0], "missing_access")
    assert (await floor.told())[-1] == "handoff.recalled"
    await floor.dequeue(made["id"], "declined")
    body = await floor.last("declined")
    assert (body.reason_code, body.agent_id) == ("missing_access", floor.seniors[0])
    assert (await floor.look(made["id"]))["state"] == "declined"


async def test_the_third_no_ends_it_and_expired_offers_do_not_count(floor: Floor) -> None:
    made = await floor.requested()
    offer_id = await floor.offer(made["id"], floor.seniors[0])
    await floor.hear(
        AssignmentOfferExpired(
            ticket_id=floor.ticket_id,
            offer_id=offer_id,
            agent_id=floor.seniors[0],
            kind="handoff",
            handoff_id=UUID(made["id"]),
        )
    )
    assert (await floor.look(made["id"]))["offer_id"] is None
    for count, senior in enumerate(floor.seniors, 1):
        await floor.decline(made["id"], senior, "no words of ours")
        assert (await floor.look(made["id"]))["declines"] == count
    assert await floor.told() == ["handoff.requested", "handoff.recalled"]
    await floor.dequeue(made["id"], "declined")
    assert (await floor.last("declined")).reason_code == "other"


async def test_where_nobody_could_take_it_it_is_declined(floor: Floor) -> None:
    made = await floor.requested()
    await floor.hear(
        WorkUnroutable(
            ticket_id=floor.ticket_id, waited_s=0, missing=("tier",), kind="handoff", handoff_id=UUID(made["id"])
        )
    )
    await floor.dequeue(made["id"], "declined")
    assert (await floor.last("declined")).reason_code == "nobody_left"


async def test_it_expires_by_itself(floor: Floor) -> None:
    made = await floor.requested()
    floor.escalation.clock.move(timedelta(hours=2))
    await floor.escalation.fire_due()
    assert await floor.told() == ["handoff.requested", "handoff.recalled"]
    await floor.dequeue(made["id"], "expired")
    assert (await floor.look(made["id"]))["state"] == "expired"
    assert (await floor.told())[-1] == "handoff.expired"
    assert (await floor.request()).status_code == 201, "another one may follow"


@pytest.mark.parametrize("status", ["resolved", "closed", "cancelled", "merged"])
@pytest.mark.parametrize("routing_first", [True, False])
async def test_the_tickets_end_withdraws_it(floor: Floor, status: str, routing_first: bool) -> None:
    """Whatever topic is heard first."""
    made = await floor.requested()
    over = TicketStatusChanged(ticket_id=floor.ticket_id, old="open", new=status)
    if routing_first:
        await floor.dequeue(made["id"], status)
        await floor.hear(over)
    else:
        await floor.hear(over)
        await floor.dequeue(made["id"], status)
    assert (await floor.last("withdrawn")).reason == status
    assert (await floor.look(made["id"]))["state"] == "withdrawn"
    assert (await floor.told()).count("handoff.withdrawn") == 1


async def test_another_owner_withdraws_it_and_the_same_one_does_not(floor: Floor) -> None:
    made = await floor.requested()
    await floor.escalation.own(floor.ticket_id, floor.owner)
    assert (await floor.look(made["id"]))["ending"] == ""
    await floor.escalation.own(floor.ticket_id, floor.seniors[1])
    await floor.dequeue(made["id"], "withdrawn")
    assert (await floor.last("withdrawn")).reason == "reassigned"


async def test_it_stays_open_when_its_sender_leaves(floor: Floor) -> None:
    made = await floor.requested()
    assignment = (await floor.escalation.sql("select assignment_id from ticket"))[0].assignment_id
    left = AssignmentUnassigned(
        ticket_id=floor.ticket_id, assignment_id=assignment, agent_id=floor.owner, reason="agent_left"
    )
    await floor.hear(left)
    assert (await floor.look(made["id"]))["state"] == "requested"
    await floor.accept(made["id"], floor.seniors[0])
    assert (await floor.look(made["id"]))["state"] == "accepted"


async def test_whoever_is_given_the_ticket_of_a_sender_who_left_needs_no_handoff(floor: Floor) -> None:
    made = await floor.requested()
    assignment = (await floor.escalation.sql("select assignment_id from ticket"))[0].assignment_id
    left = AssignmentUnassigned(
        ticket_id=floor.ticket_id, assignment_id=assignment, agent_id=floor.owner, reason="agent_left"
    )
    await floor.hear(left)
    await floor.escalation.own(floor.ticket_id, floor.seniors[1])
    await floor.dequeue(made["id"], "withdrawn")
    assert (await floor.last("withdrawn")).reason == "sender_left"


async def test_it_is_completed_when_its_receiver_resolves_the_ticket(floor: Floor) -> None:
    made = await floor.requested()
    await floor.accept(made["id"], floor.seniors[0])
    await floor.hear(
        TicketResolved(ticket_id=floor.ticket_id, resolution_seq=1, resolution_code="fixed", owner_id=floor.seniors[0])
    )
    assert (await floor.look(made["id"]))["state"] == "completed"
    assert await floor.told() == ["handoff.requested", "handoff.accepted", "handoff.completed"]


async def test_a_resolution_that_overtakes_the_acceptance_completes_it_too(floor: Floor) -> None:
    made = await floor.requested()
    resolved = TicketResolved(
        ticket_id=floor.ticket_id, resolution_seq=1, resolution_code="fixed", owner_id=floor.seniors[0]
    )
    await floor.hear(TicketStatusChanged(ticket_id=floor.ticket_id, old="open", new="resolved"), resolved)
    await floor.accept(made["id"], floor.seniors[0])
    assert (await floor.look(made["id"]))["state"] == "completed"
    assert [name for name in await floor.told() if name != "handoff.recalled"] == [
        "handoff.requested",
        "handoff.accepted",
        "handoff.completed",
    ]


async def test_somebody_elses_resolution_completes_nothing(floor: Floor) -> None:
    made = await floor.requested()
    await floor.accept(made["id"], floor.seniors[0])
    await floor.hear(
        TicketResolved(ticket_id=floor.ticket_id, resolution_seq=1, resolution_code="fixed", owner_id=floor.owner)
    )
    assert (await floor.look(made["id"]))["state"] == "accepted"
    by_hand = await floor.command(made["id"], "complete", by=floor.seniors[0])
    assert by_hand.json()["state"] == "completed"
    again = await floor.command(made["id"], "complete", by=floor.seniors[0])
    assert again.status_code == 200
    assert (await floor.told()).count("handoff.completed") == 1


async def test_a_return_is_a_handoff_back_to_its_sender(floor: Floor) -> None:
    made = await floor.requested()
    senior = floor.seniors[0]
    early = await floor.command(made["id"], "return", {"reason_code": "other", "findings": "x"}, by=senior)
    assert (early.status_code, early.json()["code"]) == (409, "handoff_state")
    await floor.accept(made["id"], senior)
    body = {
        "reason_code": "advice_given",
        "findings": "Renew the certificate.",
        "teaching_note": "Look at dates first.",
    }
    assert (await floor.command(made["id"], "return", body, by=floor.owner)).status_code == 403
    answer = await floor.command(made["id"], "return", body, by=senior)
    assert answer.status_code == 200, answer.text
    returned = answer.json()
    assert (returned["state"], returned["return_reason"]) == ("returned", "advice_given")
    told = await floor.last("returned")
    assert told.has_teaching_note
    assert str(told.return_handoff_id) == returned["returned_by"]
    back = await floor.look(returned["returned_by"])
    assert back["from_agent_id"] == str(senior)
    assert back["to_agent_id"] == str(floor.owner)
    assert not back["only_agent"]
    assert back["tier_required"] == 1
    assert back["return_of"] == made["id"]
    assert back["package"]["ask"] == "Renew the certificate."
    assert (back["missing"], back["package_due_at"], back["emergency"]) == ([], None, False)
    assert back["package_completed_at"] is not None
    await floor.accept(back["id"], floor.owner, tier=1)
    assert (await floor.look(back["id"]))["state"] == "accepted"
    await floor.hear(
        TicketResolved(ticket_id=floor.ticket_id, resolution_seq=1, resolution_code="fixed", owner_id=floor.owner)
    )
    assert (await floor.look(back["id"]))["state"] == "completed"
    assert (await floor.look(made["id"]))["state"] == "returned"


async def test_an_unfinished_emergency_that_is_given_back_is_unfinished_still(floor: Floor) -> None:
    """Whoever gives it back owes what it lacks, and completes it as any other one."""
    made = await floor.requested(emergency=True, package={"restatement": "It is down."})
    senior = floor.seniors[0]
    await floor.accept(made["id"], senior)
    body = {"reason_code": "package_incomplete", "findings": "Nobody said what was tried."}
    answer = await floor.command(made["id"], "return", body, by=senior)
    assert answer.status_code == 200, answer.text
    back = await floor.look(answer.json()["returned_by"])
    assert (back["package_completed_at"], back["emergency"], len(back["missing"])) == (None, True, 9)
    due_at = datetime.fromisoformat(back["package_due_at"])
    assert due_at - floor.escalation.clock.now() == timedelta(minutes=30)
    told = await floor.last("requested")
    assert (told.emergency, told.completeness) == (True, pytest.approx(2 / 11, abs=1e-3))
    headers = {"support-actor": f"agent:{senior}", "if-match": str(back["version"])}
    path = f"/v1/handoffs/{back['id']}/package"
    whole = await floor.escalation.http.patch(path, json=PACKAGE, headers=headers)
    assert whole.json()["package_completed_at"] is not None
    assert (await floor.told()).count("handoff.package_completed") == 1


async def test_a_return_to_somebody_who_left_asks_their_tier(floor: Floor) -> None:
    made = await floor.requested()
    await floor.accept(made["id"], floor.seniors[0])
    await floor.escalation.tell(floor.owner, AgentDeactivated(agent_id=floor.owner))
    answer = await floor.command(
        made["id"], "return", {"reason_code": "part_done", "findings": "x"}, by=floor.seniors[0]
    )
    back = await floor.look(answer.json()["returned_by"])
    assert back["to_agent_id"] is None
    assert back["tier_required"] == 1


async def test_a_replayed_batch_changes_nothing(floor: Floor) -> None:
    """After a rollback the consumer gives the same events again, and a fold meets its own result."""
    made = await floor.requested()
    senior = floor.seniors[0]
    event = floor.escalation.event(
        floor.ticket_id,
        AssignmentAssigned(
            ticket_id=floor.ticket_id,
            assignment_id=new_id(),
            agent_id=senior,
            agent_tier=3,
            method="handoff",
            weight=2,
            kind="handoff",
            handoff_id=UUID(made["id"]),
        ),
    )
    await floor.escalation.apply(event)
    before = await floor.look(made["id"])
    await floor.escalation.apply(event)
    assert await floor.look(made["id"]) == before
    assert (await floor.told()).count("handoff.accepted") == 1
