"""Opening tickets: what is written, what is told, and what two at once do."""

from tests.integration.intake.conftest import Intake, key, ticket_body


async def test_a_ticket_is_opened_and_told_of(intake: Intake) -> None:
    """201 with the ticket, its version and its place; the person, the ticket and its first message are told of."""
    answer = await intake.http.post(
        "/v1/tickets", json=ticket_body(impact=1, urgency=2, tags=["b", "a", "b"]), headers={"idempotency-key": key()}
    )
    assert answer.status_code == 201, answer.text
    ticket = answer.json()
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"/v1/tickets/{ticket['id']}"
    assert ticket["status"] == "new"
    assert ticket["priority"] == "urgent"
    assert ticket["tags"] == ["a", "b"]
    assert ticket["reference"] == f"FL-{ticket['number']}"
    assert await intake.show(ticket["id"]) == ticket
    events = await intake.events(ticket["id"])
    assert [event["type"] for event in events] == ["support.ticket.created.v1", "support.message.added.v1"]
    assert [event["subjectseq"] for event in events] == [1, 2]
    assert "Cannot" not in str(events)
    assert answer.headers["support-event"].startswith("intake ticket/")
