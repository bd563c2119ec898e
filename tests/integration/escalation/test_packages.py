"""An emergency goes out before its package: its sender is reminded once, and the customer is told what is so."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from common.calls import Call, CallOutcome
from contracts.intake import TicketStatusChanged
from escalation.handoffs.calls import hear_receiver
from tests.integration.escalation.floor import Floor
from tests.support.handoffs import PACKAGE

MINUTE = timedelta(minutes=1)
HANDED_ON = "Everything that you have told us was handed on"


async def reminders(floor: Floor) -> list[Any]:
    """The internal messages about the ticket."""
    return await floor.escalation.sql("select path, body from outgoing_call where kind = 'notification'")


async def later(floor: Floor, by: timedelta) -> None:
    """Time passes, and timers fire."""
    floor.escalation.clock.move(by)
    await floor.escalation.fire_due()


async def complete(floor: Floor, handoff: dict[str, Any]) -> None:
    """The sender fills the package."""
    headers = {"support-actor": f"agent:{floor.owner}", "if-match": str(handoff["version"])}
    path = f"/v1/handoffs/{handoff['id']}/package"
    done = await floor.escalation.http.patch(path, json=PACKAGE, headers=headers)
    assert done.status_code == 200, done.text


async def notice(floor: Floor, handoff_id: str) -> str:
    """What the customer is told once routing has said who helps."""
    call = Call(
        call_id=UUID(handoff_id),
        kind="handoff_receiver",
        aggregate_id=UUID(handoff_id),
        service="routing",
        method="GET",
        path="/",
        body={},
    )
    answer = {"name": "Ada"}
    async with floor.escalation.begin("service:escalation") as tx:
        await hear_receiver(
            tx, CallOutcome(call=call, attempt=1, status=200, answer=answer, fault="", ok=True, is_final=True)
        )
    [row] = await floor.escalation.sql("select body from outgoing_call where kind = 'handoff_notice'")
    return row.body["body"]


async def test_the_sender_is_reminded_once_when_the_package_is_due(floor: Floor) -> None:
    made = await floor.requested(emergency=True, package={"ask": "Now!"})
    await later(floor, 29 * MINUTE)
    assert await reminders(floor) == []
    await later(floor, MINUTE)
    [reminder] = await reminders(floor)
    assert reminder.path == f"/v1/tickets/{floor.ticket_id}/messages"
    assert reminder.body["direction"] == "internal"
    assert f"agent {floor.owner}" in reminder.body["body"]
    assert f"/v1/handoffs/{made['id']}/package" in reminder.body["body"]
    assert "restatement" in reminder.body["body"]
    assert "ask" not in reminder.body["body"].partition("Missing:")[2].partition(".")[0]
    shown = await floor.escalation.http.get("/v1/notifications", params={"ticket": str(floor.ticket_id)})
    assert [(item["target"], item["run_id"]) for item in shown.json()["items"]] == [("sender", None)]
    # Nobody is reminded again, even by a timer that fires twice.
    await floor.escalation.sql(
        "insert into timer (kind, aggregate_id, generation, due_at) values ('handoff_package', :id, 1, :now)",
        id=made["id"],
        now=floor.escalation.clock.now(),
    )
    await later(floor, 30 * MINUTE)
    assert len(await reminders(floor)) == 1


async def test_it_is_due_also_where_somebody_has_accepted(floor: Floor) -> None:
    made = await floor.requested(emergency=True, package={})
    await floor.accept(made["id"], floor.seniors[0])
    await later(floor, 30 * MINUTE)
    assert len(await reminders(floor)) == 1


async def test_nobody_is_reminded_of_what_is_there_or_over(floor: Floor) -> None:
    made = await floor.requested(emergency=True, package={})
    await complete(floor, made)
    assert await floor.escalation.sql("select 1 from timer where kind = 'handoff_package'") == []
    await floor.dequeue(made["id"], "declined")
    other = await floor.requested(emergency=True, package={})
    await floor.dequeue(other["id"], "declined")
    assert await floor.escalation.sql("select 1 from timer where kind = 'handoff_package'") == []
    last = await floor.requested(emergency=True, package={})
    await floor.accept(last["id"], floor.seniors[0])
    await floor.hear(TicketStatusChanged(ticket_id=floor.ticket_id, old="open", new="closed"))
    await later(floor, 60 * MINUTE)
    assert await reminders(floor) == []


async def test_the_customer_is_told_that_all_was_handed_on_only_where_it_was(floor: Floor) -> None:
    made = await floor.requested(emergency=True, package={"ask": "Now!"})
    await floor.accept(made["id"], floor.seniors[0])
    said = await notice(floor, made["id"])
    assert said.startswith("Ada, senior specialist of our support team, has taken over your request FL-7")
    assert HANDED_ON not in said


async def test_a_package_that_was_completed_in_time_is_told_of(floor: Floor) -> None:
    made = await floor.requested(emergency=True, package={"ask": "Now!"})
    await complete(floor, made)
    await floor.accept(made["id"], floor.seniors[0])
    assert HANDED_ON in await notice(floor, made["id"])
